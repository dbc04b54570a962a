"""``compose.yaml`` names what exists, and its services run as they are written there."""

import json
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core.management import get_commands

from governance.config import Config
from governance.embedded import ports
from governance.sealing.settings import SealerConfig
from serving_agent.settings import Settings
from tests.embedded import composition
from tests.embedded.composition import Stage, interpolate, ours, variables_of
from tests.embedded.holding import ROOT, Holder, clean_environ

DOCUMENT = composition.read()
SERVICES = DOCUMENT["services"]
DOCKERFILES = sorted((ROOT / "deploy" / "docker").glob("Dockerfile.*"))
BOTO = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What ``prepare.sh`` writes for compose."""
    folder = tmp_path_factory.mktemp("prepared") / "compose"
    script = ["sh", str(ROOT / "deploy/docker/prepare.sh"), str(folder)]
    subprocess.run(script, check=True, capture_output=True)
    before = (folder / "env").read_text()
    subprocess.run(script, check=True, capture_output=True)
    assert (folder / "env").read_text() == before, "a second run changed the secrets"
    assert folder.stat().st_mode & 0o077 == 0
    return dict(line.split("=", 1) for line in before.splitlines())


# What is written down ---------------------------------------------------------


@pytest.mark.parametrize("name", ours(SERVICES))
def test_every_variable_is_a_setting(name: str) -> None:
    settings = {field.upper() for field in Config.model_fields}
    agent = {f"LOCKGATE_AGENT_{field.upper()}" for field in Settings.model_fields}

    sealer = {f"SEALER_{field.upper()}" for field in SealerConfig.model_fields}
    assert set(SERVICES[name]["environment"]) <= settings | agent | sealer | BOTO


def test_no_agent_holds_what_is_the_control_planes() -> None:
    agents = [each for each in ours(SERVICES).values() if "agent" in each["image"]]

    assert len(agents) == 5
    for each in agents:
        assert "BROKER_PASSWORD" not in str(each)
        assert "APP_PASSWORD" not in str(each)
        assert "secrets" not in each


def test_the_sealer_shares_neither_key_nor_role_nor_user() -> None:
    sealer = SERVICES["sealer"]
    assert sealer["secrets"] == ["sealer_key"]
    assert sealer["user"] not in {"lockgate", "root"}
    for name, each in ours(SERVICES).items():
        if name != "sealer":
            assert "sealer_key" not in str(each)
            assert "SEALER_" not in str(each)
            assert "checkpoints:/checkpoints" not in each.get("volumes", [])
    assert {"SIGNING_KEY_FILE", "SECRET_KEY_FILE", "DATABASE_URL"}.isdisjoint(sealer["environment"])


@pytest.mark.parametrize("name", ours(SERVICES))
def test_every_command_names_what_exists(name: str) -> None:
    words = [word for each in SERVICES[name]["command"] for word in str(each).split()]
    programs = f"{Path(sys.executable).parent}:/usr/bin:/bin"

    assert shutil.which(words[0], path=programs)
    if "manage.py" in words:
        assert words[words.index("manage.py") + 1] in get_commands()
    for word in words:
        if word.startswith(("governance/", "deploy/")):
            assert (ROOT / word).exists()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_stays_has_a_health_check(name: str) -> None:
    assert ("healthcheck" in SERVICES[name]) == (SERVICES[name]["restart"] != "no")


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_waited_for_can_come(name: str) -> None:
    for other, wanted in SERVICES[name].get("depends_on", {}).items():
        stays = "healthcheck" in SERVICES[other]
        assert wanted["condition"] == (
            "service_healthy" if stays else "service_completed_successfully"
        )


def test_every_volume_is_declared_and_used() -> None:
    mounts = [mount for each in SERVICES.values() for mount in each.get("volumes", [])]
    named = {mount.partition(":")[0] for mount in mounts if not mount.startswith(".")}
    files = [mount.partition(":")[0] for mount in mounts if mount.startswith(".")]

    assert named == set(DOCUMENT["volumes"])
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_no_password_is_written_down_and_all_are_prepared(prepared: dict[str, str]) -> None:
    found = dict(variables_of(DOCUMENT))
    required = {name for name, kind in found.items() if kind == ":?"}

    assert required == set(prepared)
    assert set(found) - required == {"PUBLIC_URL", "ALLOWED_HOSTS", "WEB_PORT"}
    words = (ROOT / "compose.yaml").read_text()
    assert not re.search(r"(?i)(password|secret_key|token)\w*: *[\"']?[a-z0-9]", words)


def test_a_required_variable_that_is_missing_stops_it() -> None:
    with pytest.raises(KeyError):
        interpolate("${POSTGRES_PASSWORD:?}", {})


@pytest.mark.parametrize("name", SERVICES)
def test_no_image_moves_by_itself(name: str) -> None:
    image = SERVICES[name]["image"]
    assert "build" in SERVICES[name] or re.search(r":v?\d", image)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_copies_what_exists_and_is_nobody_important(path: Path) -> None:
    text = path.read_text()
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    sources = {source for line in copies for source in line.split()}
    kept = (ROOT / ".dockerignore").read_text().split()

    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert [each for each in sources if f"!{'/'.join(each.split('/')[:2])}" not in kept] == []
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE)[-1] != "root"
    assert re.search(r"^CMD \[", text, re.MULTILINE)


def test_the_agents_image_has_no_control_plane_in_it() -> None:
    text = (ROOT / "deploy/docker/Dockerfile.agent").read_text()

    assert not re.search(r"^COPY.*(governance|registry|promotion)", text, re.MULTILINE)
    assert "[agent]" in text
    assert "[server]" not in text


def test_the_images_start_what_compose_starts() -> None:
    for name, service in (("server", "web"), ("agent", "eu-1")):
        text = (ROOT / f"deploy/docker/Dockerfile.{name}").read_text()
        command = json.loads(re.findall(r"^CMD (.+)$", text, re.MULTILINE)[-1])
        assert command == SERVICES[service]["command"]


# What runs ---------------------------------------------------------------------


@pytest.fixture
def holder(used: Path, hold: Callable[..., Holder]) -> Holder:
    return hold(used)


def test_the_database_script_makes_three_roles_of_which_one_owns(holder: Holder) -> None:
    holder.urls()
    url = str(holder.record("postgres")["superuser_url"])
    with psycopg.connect(url, autocommit=True) as link:
        link.execute("DROP DATABASE lockgate")
        link.execute("DROP ROLE lockgate_owner, lockgate_app, lockgate_sealer")
    psql = next((Path(sys.prefix) / "lib").glob("python*/site-packages/**/pginstall18/bin/psql"))
    environ = {
        **clean_environ(holder.home),
        "PATH": f"{psql.parent}:/usr/bin:/bin",
        "PGHOST": str(holder.record("postgres")["sockets"]),
        "POSTGRES_USER": "postgres",
        "OWNER_PASSWORD": "it's owned",
        "APP_PASSWORD": secrets.token_hex(8),
        "SEALER_PASSWORD": secrets.token_hex(8),
    }

    script = ROOT / "deploy/docker/roles.sh"
    subprocess.run(["sh", str(script)], env=environ, check=True, capture_output=True)

    with psycopg.connect(url.replace("/postgres?", "/lockgate?")) as link:
        rows = link.execute(
            "SELECT rolname, rolsuper, rolcreatedb, rolpassword LIKE 'SCRAM-SHA-256$%', "
            "pg_get_userbyid(datdba) = rolname FROM pg_authid, pg_database "
            "WHERE rolname LIKE 'lockgate%' AND datname = 'lockgate' ORDER BY 1"
        ).fetchall()
    assert rows == [
        ("lockgate_app", False, False, True, False),
        ("lockgate_owner", False, True, True, True),
        ("lockgate_sealer", False, False, True, False),
    ]


def free_port() -> str:
    return str(ports.choose(Path("/nowhere")))


@pytest.fixture
def s3() -> Iterator[str]:
    port = free_port()
    program = Path(sys.executable).with_name("moto_server")
    server = subprocess.Popen(
        [str(program), "-H", "127.0.0.1", "-p", port],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield f"127.0.0.1:{port}"
    server.terminate()
    server.wait()


def addresses(urls: dict[str, str], *, sockets: object, s3: str, web: str) -> dict[str, str]:
    """Where the test's servers are, for what compose calls them."""
    return {
        "@postgres:5432/lockgate": f"@/lockgate?host={sockets}",
        "valkey-broker:6379": f"127.0.0.1:{urlsplit(urls['BROKER_URL']).port}",
        "valkey-mirror:6379": f"127.0.0.1:{urlsplit(urls['MIRROR_URL']).port}",
        "s3:7070": s3,
        "web:8000": web,
        "127.0.0.1:8000": web,
        "0.0.0.0:8000": web,
        "0.0.0.0": "127.0.0.1",
        "172.30.80.0/24": "127.0.0.0/8",
    }


def places(prepared: dict[str, str], place: Path) -> dict[str, str]:
    """Where the test's files are, for where containers have them."""
    return {
        "/run/secrets/secret_key": prepared["SECRET_KEY_PATH"],
        "/run/secrets/signing_key": prepared["SIGNING_KEY_PATH"],
        "/run/secrets/sealer_key": prepared["SEALER_KEY_PATH"],
        "/run/secrets/checkpoint_keys": prepared["CHECKPOINT_KEYS_PATH"],
        "file:///checkpoints": (place / "checkpoints").as_uri(),
        "/usr/local/bin/join.sh": str(ROOT / "deploy/docker/join.sh"),
        "/join/": f"{place / 'join'}/",
        "/var/lib/lockgate": str(place),
    }


def own_of(name: str, place: Path) -> dict[str, str]:
    """What each service has for itself, where containers would keep them apart."""
    if "agent" not in SERVICES[name]["image"]:
        return {"LOCKGATE_HOME": str(place / "server")}
    return {
        "8080": free_port(),
        "8081": free_port(),
        "LOCKGATE_AGENT_ADVERTISE_HOST": "127.0.0.1",
        "LOCKGATE_AGENT_HOME": str(place / name),
        "LOCKGATE_JOIN_FILE": str(place / "join" / "fleet.json"),
    }


def test_every_service_of_ours_comes_up_and_is_healthy(
    holder: Holder, s3: str, prepared: dict[str, str], place: Path
) -> None:
    urls = holder.urls()
    variables = prepared | {
        "BROKER_PASSWORD": urlsplit(urls["BROKER_URL"]).password or "",
        "MIRROR_PASSWORD": urlsplit(urls["MIRROR_URL"]).password or "",
    }
    for folder in ("join", "checkpoints"):
        (place / folder).mkdir()
    sockets, web = holder.record("postgres")["sockets"], f"127.0.0.1:{free_port()}"
    stage = Stage(
        SERVICES,
        variables,
        moved=addresses(urls, sockets=sockets, s3=s3, web=web) | places(prepared, place),
        own={name: own_of(name, place) for name in ours(SERVICES)},
        folder=place,
    )
    agents = [name for name, each in ours(SERVICES).items() if "agent" in each["image"]]
    try:
        stage.bring_up()
        assert stage.done == {"migrate", "bucket", "fleet"}
        assert set(stage.running) - stage.done == {"web", "worker", "beat", "sealer", *agents}
    finally:
        stage.take_down()
