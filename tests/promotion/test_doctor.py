"""The system examines itself: each thing that can be ill is found, with what helps."""

from datetime import timedelta
from pathlib import Path

import pytest
from celery import current_app
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from governance import signing
from governance.embedded import keys
from promotion.models import Agent, AgentReport, Pulse, Telling
from promotion.services import sweeping, watching
from registry.adapters import store
from tests.conftest import as_owner

NAMES = [
    "database role",
    "triggers",
    "migrations",
    "sealing",
    "clock",
    "broker",
    "mirror",
    "signing key",
    "store",
    "worker",
    "watch",
    "agents qa live",
    "agents prod-eu live",
    "agents prod-eu dark",
]


@pytest.fixture
def examine(world, api, omar):
    """What an operator is told, by name."""
    client = api(omar)

    def ask():
        answer = client.get("/api/v1/doctor")
        assert answer.status_code == 200, answer.content
        return {check["name"]: check for check in answer.json()["checks"]}

    return ask


@pytest.fixture
def config(settings):
    """Change what the environment said."""

    def change(**changes):
        settings.CONFIG = settings.CONFIG.model_copy(update=changes)

    return change


def test_a_well_system_is_found_well(examine, world):
    world.agent("eu-1")
    sweeping.sweep()
    watching.look()

    found = examine()

    assert list(found) == NAMES
    assert {check["verdict"] for check in found.values()} == {"ok"}, found
    assert found["database role"]["found"].startswith("lockgate_app ")
    assert signing.fingerprint(signing.public_keys()[0]) in found["signing key"]["found"]
    assert found["agents prod-eu live"]["found"].startswith("1 of 1 heard")
    assert {check["fix"] for check in found.values()} == {""}


def test_the_docs_show_every_check():
    page = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text()
    assert [name for name in NAMES if f"\nok    {name} " not in page] == []


def test_only_those_who_run_it_may_ask(api, ada, omar, vera, bram):
    for actor, status in ((ada, 200), (omar, 200), (vera, 403), (bram, 403)):
        assert api(actor).get("/api/v1/doctor").status_code == status


def bad(check, verdict="fail"):
    assert check["verdict"] == verdict, check
    assert check["meaning"]
    assert check["fix"]
    return check["found"]


def test_a_trigger_that_is_off_is_named(examine):
    with as_owner(connection), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE promotion_request DISABLE TRIGGER audited")
    assert "the trigger audited of promotion_request is not" in bad(examine()["triggers"])


def test_a_role_with_too_many_rights_is_named(examine):
    with as_owner(connection), connection.cursor() as cursor:
        cursor.execute("GRANT TRUNCATE ON audit_entry TO lockgate_app")
    assert "may TRUNCATE audit_entry" in bad(examine()["database role"])


def test_a_migration_that_is_not_applied_is_named(examine):
    with as_owner(connection), connection.cursor() as cursor:
        [(app, newest)] = MigrationLoader(connection).graph.leaf_nodes("governance")
        cursor.execute("DELETE FROM django_migrations WHERE name = %s", [newest])
    assert f"{app} {newest}" in bad(examine()["migrations"])


def test_a_migration_of_newer_code_is_named(examine):
    with as_owner(connection), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied)"
            " VALUES ('registry', '9999_later', now())"
        )
    assert "registry 9999_later" in bad(examine()["migrations"], "warn")


@pytest.mark.parametrize(("seconds", "verdict"), [(3, "warn"), (-60, "fail")])
def test_a_clock_that_is_off_is_measured(examine, monkeypatch, seconds, verdict):
    from datetime import UTC, datetime

    from governance.services import checking

    class Off(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(UTC) + timedelta(seconds=seconds)

    monkeypatch.setattr(checking, "datetime", Off)
    found = bad(examine()["clock"], verdict)
    assert f"{abs(seconds)}.0 s {'behind' if seconds > 0 else 'ahead of'}" in found


def test_a_broker_that_does_not_answer_is_found(examine, monkeypatch):
    monkeypatch.setattr(current_app.conf, "broker_write_url", "redis://127.0.0.1:9/0")
    assert bad(examine()["broker"]).startswith("it does not answer")


def test_one_server_for_broker_and_mirror_is_worth_a_look(examine, config, settings):
    config(mirror_url=settings.CONFIG.broker_url)
    assert "same server" in bad(examine()["broker"], "warn")


def test_a_mirror_that_does_not_answer_is_found(examine, config):
    config(mirror_url="redis://127.0.0.1:9/0")
    assert bad(examine()["mirror"]).startswith("it does not answer")


def test_a_key_that_is_gone_changed_or_open_to_others_is_found(examine, config, tmp_path):
    file = tmp_path / "signing.pem"
    config(signing_key_file=file)
    assert "cannot be read" in bad(examine()["signing key"])

    file.write_bytes(keys.signing_key())
    assert "another key" in bad(examine()["signing key"])


def test_a_key_that_others_can_read_is_found(examine, config, settings, tmp_path):
    file = tmp_path / "signing.pem"
    file.write_bytes(settings.CONFIG.signing_key_file.read_bytes())
    file.chmod(0o644)
    config(signing_key_file=file)
    assert "mode 644" in bad(examine()["signing key"], "warn")


def test_a_store_that_takes_nothing_is_found(examine, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    broken = store.open_store(f"file://{tmp_path}/file/store")
    monkeypatch.setattr(store, "default", lambda: broken)
    bad(examine()["store"])


def test_a_worker_that_stopped_is_found(examine):
    assert bad(examine()["worker"]) == "it has never swept"
    Pulse.objects.create(name=Pulse.SWEEP, at=timezone.now() - timedelta(minutes=3))
    assert bad(examine()["worker"]) == "last sweep 3 minutes ago"
    sweeping.sweep()
    assert examine()["worker"]["verdict"] == "ok"


def _silence(agent: Agent) -> None:
    AgentReport.objects.filter(agent=agent).update(at=timezone.now() - timedelta(hours=1))


def test_silent_agents_are_named(examine, world):
    first, _ = world.agent("eu-1"), world.agent("eu-2")
    _silence(first.agent)
    found = bad(examine()["agents prod-eu live"], "warn")
    assert found == "1 of 2 heard within their lease; silent: eu-1"


def test_a_champion_that_nobody_serves_is_a_failure(examine, world, ask, asha, bram, sign):
    rig = world.agent("eu-1")
    sign(ask(world.version(authors=("mia",)), by=asha), bram)
    world.settle()
    assert examine()["agents prod-eu live"]["verdict"] == "ok"
    _silence(rig.agent)
    bad(examine()["agents prod-eu live"])


def test_an_agent_that_hints_do_not_reach_is_named(examine, world):
    rig, version = world.agent("eu-1"), world.version()
    told = {"agent": rig.agent, "action": "load", "version": version}
    Telling.objects.create(**told, generation=1, error="ConnectTimeout")
    found = bad(examine()["agents prod-eu live"], "warn")
    assert "eu-1 (ConnectTimeout)" in found

    Telling.objects.create(**told, generation=2, acknowledged_at=timezone.now())
    assert examine()["agents prod-eu live"]["verdict"] == "ok"


def test_more_agents_cost_no_more_queries(examine, world):
    def queries():
        with CaptureQueriesContext(connection) as seen:
            examine()
        return len(seen)

    world.agent("eu-0")
    examine()
    before = queries()
    for number in range(1, 5):
        world.agent(f"eu-{number}")
    assert queries() == before
