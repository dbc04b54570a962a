"""A backup is made, the world goes on, and the backup is restored: by the scripts themselves.

Agents went on too. What the restored tables do not know is noticed, shown and decided.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.db import connections
from psycopg import sql

from governance.audit.models import Entry
from governance.audit.verify import verify
from promotion.models import Deployment, Target
from registry.adapters.store import open_store
from registry.models import ModelVersion

ROOT = Path(__file__).resolve().parents[2]
RESTORED = "lockgate_restored"
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]


def url_of(variable: str, database: str) -> str:
    parts = urlsplit(os.environ[variable])
    return urlunsplit(parts._replace(path=f"/{database}"))


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """Run one of the scripts with the environment of a control plane."""

    def ran(script: str, *arguments: object, database: str, store: Path, code: int = 0) -> str:
        environ = {
            **os.environ,
            "PYTHON": sys.executable,
            "DATABASE_URL": url_of("DATABASE_URL", database),
            "DATABASE_OWNER_URL": url_of("DATABASE_OWNER_URL", database),
            "STORE_URL": f"file://{store}",
        }
        command = ["sh", str(ROOT / "deploy/backup" / script), *map(str, arguments)]
        done = subprocess.run(
            command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return ran


@pytest.fixture
def empty() -> Iterator[str]:
    """A database without tables, owned by the owner of tables; afterwards nobody uses it."""
    owner = url_of("DATABASE_OWNER_URL", urlsplit(os.environ["DATABASE_OWNER_URL"]).path[1:])
    with psycopg.connect(owner, autocommit=True) as link:
        link.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(RESTORED)))
    yield RESTORED
    with psycopg.connect(owner, autocommit=True) as link:
        link.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(RESTORED)))


@pytest.fixture
def use() -> Iterator[Callable[[str], None]]:
    """Let this process work on another database until the test ends."""
    default = connections["default"]
    before = default.settings_dict["NAME"]

    def go(name: str) -> None:
        default.close()
        default.settings_dict["NAME"] = name

    yield go
    go(before)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where artifacts lie, and where they are after a disaster: nowhere."""
    return tmp_path / "store"


def keep(version: ModelVersion, store: Path) -> None:
    """Put the bytes of a version of ``World`` where its rows say they are."""
    opened = open_store(f"file://{store}")
    for text in (json.dumps(version.manifest), f"{version.model.name} {version.number}"):
        with opened.open_write() as upload:
            upload.write(text.encode())
            upload.commit(sha256=hashlib.sha256(text.encode()).hexdigest())


@pytest.fixture
def backed_up(world, ask, sign, asha, bram, omar, run, store, tmp_path):
    """Version 1 answers and version 2 is registered; a backup is made; version 2 is promoted."""
    world.agent("eu-1")
    world.agent("eu-2")
    first, second = world.version(), world.version()
    for version in (first, second):
        keep(version, store)
    sign(ask(first, by=asha), bram)
    world.settle()
    said = run("backup.sh", tmp_path / "backup", database=now_using(), store=store)
    assert "4 artifacts copied" in said
    world.settle()  # A backup may take longer than a lease: agents are heard of again.
    sign(ask(second, by=asha), bram)
    world.settle()
    assert Deployment.objects.get(role="champion").version == second
    return world


def now_using() -> str:
    return str(connections["default"].settings_dict["NAME"])


def test_a_restored_backup_is_noticed_and_decided(
    backed_up, api, omar, run, empty, use, store, tmp_path
):
    reached = Target.objects.get(tier="live", environment__slug="prod-eu").generation
    first, second = ModelVersion.objects.order_by("number")
    answering = [rig.items(rig.desired()) for rig in backed_up.rigs]
    shutil.rmtree(store)

    said = run("restore.sh", tmp_path / "backup", database=empty, store=store)
    assert "4 artifacts copied" in said
    assert "The audit log is whole" in said
    use(empty)

    target = Target.objects.get(tier="live", environment__slug="prod-eu")
    assert target.generation < reached
    assert Deployment.objects.get(role="champion").version == first
    for rig, items in zip(backed_up.rigs, answering, strict=True):
        rig.say(reached, items)
    client = api(omar)
    place = "/api/v1/environments/prod-eu"
    rollback = client.post(f"{place}/models/credit-default/rollback", {"reason": "slow"}, "json")
    assert (rollback.status_code, rollback.json()["code"]) == (409, "history_lost")
    shown = client.get(f"{place}/state").json()
    assert [bool(t["history_lost_at"]) for t in shown["targets"]] == [False, True]

    decision = {"decision": "adopt", "reason": "the backup is older than the fleet"}
    answer = client.post(f"{place}/targets/live/history", decision, "json")
    assert answer.status_code == 200, answer.content
    assert answer.json()["generation"] == reached + 1_000
    backed_up.settle()
    assert Deployment.objects.get(role="champion").version == second
    assert {rig.desired()["generation"] for rig in backed_up.rigs} == {reached + 1_000}
    assert verify().findings == []


def test_nothing_is_restored_over_what_is_there(backed_up, run, store, tmp_path):
    before = Entry.objects.count()
    said = run("restore.sh", tmp_path / "backup", database=now_using(), store=store, code=1)
    assert "is the database empty?" in said
    assert Entry.objects.count() == before


def test_a_second_backup_copies_only_what_is_new(backed_up, run, store, tmp_path):
    said = run("backup.sh", tmp_path / "backup", database=now_using(), store=store)
    assert "0 artifacts copied (0 bytes), 4 were there." in said


def test_a_backup_without_an_artifact_says_so(backed_up, run, store, tmp_path):
    lost = next((store / "sha256").rglob("*/*/*"))
    lost.unlink()
    said = run("backup.sh", tmp_path / "other", database=now_using(), store=store, code=1)
    assert f"1 artifacts are not there:\n  {lost.name}" in said


@pytest.mark.parametrize("script", ["backup.sh", "restore.sh"])
def test_what_is_not_set_is_named_in_words(script, tmp_path):
    command = ["sh", str(ROOT / "deploy/backup" / script), str(tmp_path / "none")]
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stderr.endswith("DATABASE_URL: the URL of the role of the application\n")
