"""One call gives every setting that is missing, and nothing outlives who called it."""

import socket
import stat
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from redis.backoff import NoBackoff
from redis.retry import Retry

from governance import embedded
from tests.embedded.holding import Holder, gone

Hold = Callable[..., Holder]


def roles(url: str) -> tuple[str, bool]:
    """Who we are there, and whether that is a superuser."""
    with psycopg.connect(url) as link:
        row = link.execute(
            "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row
    return row[0], row[1]


def test_everything_that_is_missing_is_given(home: Path, hold: Hold) -> None:
    holder = hold(home)

    urls = holder.urls()

    assert roles(urls["DATABASE_URL"]) == ("lockgate_app", False)
    assert roles(urls["DATABASE_OWNER_URL"]) == ("lockgate_owner", False)
    assert roles(holder.record("postgres")["superuser_url"]) == ("postgres", True)
    assert redis.Redis.from_url(urls["BROKER_URL"]).ping()
    assert redis.Redis.from_url(urls["MIRROR_URL"]).ping()
    assert urls["STORE_URL"] == (home / "store").as_uri()
    assert len(Path(urls["SECRET_KEY_FILE"]).read_text()) >= 50
    key = load_pem_private_key(Path(urls["SIGNING_KEY_FILE"]).read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)


def test_the_application_owns_no_tables_and_its_owner_can_make_databases(shared: Holder) -> None:
    urls = shared.given

    with psycopg.connect(urls["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute("CREATE TABLE entries (id int)")
        owner.execute("CREATE DATABASE test_lockgate")
    with psycopg.connect(urls["DATABASE_URL"]) as app:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("CREATE TABLE mine (id int)")
        app.rollback()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("DROP TABLE entries")


def test_the_broker_and_the_mirror_do_not_share_a_password(shared: Holder) -> None:
    urls = shared.given

    mirror, broker = urlsplit(urls["MIRROR_URL"]), urlsplit(urls["BROKER_URL"])
    once = Retry(NoBackoff(), 0)
    wrong = redis.Redis(port=broker.port or 0, password=mirror.password, retry=once)
    nobody = redis.Redis(port=broker.port or 0, retry=once)

    for client in (wrong, nobody):
        with pytest.raises(redis.AuthenticationError):
            client.ping()


def test_what_is_secret_is_closed_to_others(shared: Holder) -> None:
    folders = {each.name: stat.S_IMODE(each.stat().st_mode) for each in shared.home.iterdir()}
    keys = {stat.S_IMODE(each.stat().st_mode) for each in (shared.home / "keys").iterdir()}
    record = (shared.home / "run" / "broker.json").stat().st_mode

    assert set(folders.values()) == {0o700}
    assert keys == {0o600}
    assert stat.S_IMODE(record) == 0o600


def test_a_second_process_attaches_quickly(shared: Holder, hold: Hold) -> None:
    given, pids = shared.given, shared.servers()

    second = hold(shared.home)
    attached = second.urls()

    assert {**attached, "seconds": ""} == {**given, "seconds": ""}
    assert second.servers() == pids
    assert float(attached["seconds"]) < 0.25
    second.let_go()
    assert redis.Redis.from_url(given["BROKER_URL"]).ping()


def test_a_second_start_finds_data_keys_and_ports_again(used: Path, hold: Hold) -> None:
    first = hold(used)
    before = first.urls()
    with psycopg.connect(before["DATABASE_OWNER_URL"]) as link:
        link.execute("CREATE TABLE kept (word text)")
        link.execute("INSERT INTO kept VALUES ('still here')")
    redis.Redis.from_url(before["BROKER_URL"]).set("queue", "still here")
    secret = Path(before["SECRET_KEY_FILE"]).read_bytes()
    pids = first.servers()
    first.let_go()
    assert gone(pids, 0) == []

    after = hold(used).urls()

    with psycopg.connect(after["DATABASE_OWNER_URL"]) as link:
        assert link.execute("SELECT word FROM kept").fetchone() == ("still here",)
    assert redis.Redis.from_url(after["BROKER_URL"]).get("queue") == b"still here"
    assert Path(after["SECRET_KEY_FILE"]).read_bytes() == secret
    assert {**after, "seconds": ""} == {**before, "seconds": ""}


def test_a_port_that_is_taken_meanwhile_is_given_up(used: Path, hold: Hold) -> None:
    first = hold(used)
    before = urlsplit(first.urls()["BROKER_URL"]).port
    first.let_go()

    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", before or 0))
        other.listen()
        after = hold(used).urls()["BROKER_URL"]
        assert urlsplit(after).port != before
        assert redis.Redis.from_url(after).ping()


def test_what_is_named_outside_does_not_start(home: Path, hold: Hold) -> None:
    holder = hold(home, DATABASE_URL="postgresql://elsewhere/db", BROKER_URL="amqp://elsewhere")

    urls = holder.urls()

    assert urls["DATABASE_URL"] == "postgresql://elsewhere/db"
    assert "DATABASE_OWNER_URL" not in urls
    assert list(holder.servers()) == ["mirror"]
    assert not (home / "postgres").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL set but empty"),
        ({"DATABASE_OWNER_URL": "postgresql://a/b"}, "DATABASE_OWNER_URL is set without"),
    ],
)
def test_half_a_setting_is_a_mistake(home: Path, given: dict[str, str], said: str) -> None:
    with pytest.raises(embedded.EmbeddedError, match=said):
        embedded.provide_missing({"LOCKGATE_HOME": str(home), **given})
    assert not home.exists()


def test_three_processes_at_once_start_one_set_of_servers(home: Path, hold: Hold) -> None:
    racers = [hold(home) for _ in range(3)]

    found = [racer.urls() for racer in racers]

    assert len({each["DATABASE_URL"] + each["BROKER_URL"] for each in found}) == 1
    assert len({each["SECRET_KEY_FILE"] for each in found}) == 1
    assert roles(found[0]["DATABASE_URL"]) == ("lockgate_app", False)
    clusters = list((home / "postgres").glob("data*"))
    assert [each.name for each in clusters] == ["data"]


@pytest.mark.parametrize("caller", ["main", "thread"])
def test_nothing_is_left_after_a_kill_and_the_next_start_works(
    used: Path, hold: Hold, caller: str
) -> None:
    first = hold(used, caller)
    before = first.urls()
    pids = first.servers()
    assert len(pids) == 3
    assert roles(before["DATABASE_URL"]) == ("lockgate_app", False)

    first.kill()
    second = hold(used)  # at once, while they are still ending
    after = second.urls()

    assert gone(pids) == []
    assert roles(after["DATABASE_URL"]) == ("lockgate_app", False)
    assert after["BROKER_URL"].count(":") == before["BROKER_URL"].count(":")


def test_a_home_that_cannot_be_written_is_said_in_one_line(place: Path, hold: Hold) -> None:
    (place / "file").write_text("not a folder")

    said = hold(place / "file").error()

    assert said == f"Lockgate: {place}/file: File exists (home: {place}/file)\n"
