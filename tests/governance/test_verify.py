"""Whoever changes the log, even as its owner, is found out, and the entry named."""

import json
from contextlib import contextmanager
from io import StringIO

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, connections

from governance.audit import chain, verify
from governance.audit.models import Entry
from governance.services.environments import define_environment

pytestmark = pytest.mark.django_db(transaction=True)
SIZE = 12


@contextmanager
def owner():
    """Be the owner of the tables, for whom triggers can be switched off."""
    settings = connections["default"].settings_dict
    with psycopg.connect(
        dbname=settings["NAME"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        host=settings["HOST"],
        port=settings["PORT"] or None,
        autocommit=True,
    ) as link:
        yield link


@pytest.fixture
def log(set_up):
    """Twelve entries of two objects."""
    for position in range(SIZE // 2):
        for slug in ("qa", "prod"):
            define_environment(slug=slug, kind="qa", position=position, actor=set_up)


@pytest.fixture
def tamper(log):
    """Run SQL as the owner with the log's triggers off, and switch them on again."""

    def run(*statements):
        with owner() as link:
            for table in ("audit_entry", "audit_payload"):
                link.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
            with link.transaction():
                for statement in statements:
                    link.execute(statement)
            for table in ("audit_entry", "audit_payload"):
                link.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")

    return run


def test_an_untouched_log_is_whole(log):
    report = verify.verify()
    assert (report.ok, report.entries, report.objects) == (True, SIZE, 2), report.findings
    assert report.head == Entry.objects.get(seq=SIZE).hash


def test_an_empty_log_is_whole():
    assert verify.verify().ok


FORGED = """
INSERT INTO audit_entry SELECT 13, at, replace(leaf, '"seq":12', '"seq":13'), repeat('b', 64),
    hash, object, object_seq + 1, subject, actor_kind, actor_id, action, model, model_version,
    environment, request, payload_sha256, xid FROM audit_entry WHERE seq = 12
"""


@pytest.mark.parametrize(
    ("statements", "first"),
    [
        (
            ["UPDATE audit_entry SET leaf = replace(leaf, 'tests', 'other') WHERE seq = 5"],
            "entry 5: its leaf does not have its hash",
        ),
        (
            ["UPDATE audit_entry SET leaf = leaf || ' ' WHERE seq = 5"],
            "entry 5: its leaf is not in canonical form",
        ),
        (["UPDATE audit_entry SET leaf = 'x' WHERE seq = 5"], "entry 5: its leaf is not JSON"),
        (["UPDATE audit_entry SET leaf = '[]' WHERE seq = 5"], "entry 5: "),
        (
            ["UPDATE audit_entry SET actor_id = 'x' WHERE seq = 5"],
            "entry 5: its column actor_id differs from its leaf",
        ),
        (
            ["UPDATE audit_entry SET at = at + interval '1 hour' WHERE seq = 5"],
            "entry 5: its column at differs from its leaf",
        ),
        (
            ["UPDATE audit_entry SET request = gen_random_uuid() WHERE seq = 5"],
            "entry 5: its column request differs from its leaf",
        ),
        (
            ["DELETE FROM audit_payload WHERE seq = 5", "DELETE FROM audit_entry WHERE seq = 5"],
            "entry 6: entry 5 is missing",
        ),
        (
            ["DELETE FROM audit_payload WHERE seq = 1", "DELETE FROM audit_entry WHERE seq = 1"],
            "entry 2: entry 1 is missing",
        ),
        (
            ["DELETE FROM audit_payload WHERE seq = 12", "DELETE FROM audit_entry WHERE seq = 12"],
            "head: the head stands at entry 12",
        ),
        (["DELETE FROM audit_payload", "DELETE FROM audit_entry"], "head: the head stands at"),
        ([FORGED], "entry 13: its leaf does not have its hash"),
        (
            ["UPDATE audit_payload SET body = replace(body, 'qa', 'zz') WHERE seq = 5"],
            "entry 5: its payload does not have the hash in its leaf",
        ),
        (
            ["UPDATE audit_payload SET salt = '\\x00' WHERE seq = 5"],
            "entry 5: its payload does not",
        ),
        (["DELETE FROM audit_payload WHERE seq = 5"], "entry 5: its payload is missing"),
        (
            ["UPDATE audit_payload SET body = NULL, salt = NULL WHERE seq = 5"],
            "entry 5: its payload was erased",
        ),
        (["UPDATE audit_payload SET salt = NULL WHERE seq = 5"], "entry 5: its payload"),
        (["UPDATE audit_head SET seq = 13"], "head: the head stands at entry 13"),
        (["UPDATE audit_head SET hash = repeat('a', 64)"], "head: the head stands at entry 12"),
        (["DELETE FROM audit_head"], "head: the head stands at entry 0"),
        (
            ["UPDATE audit_object_head SET seq = 7 WHERE object = 'environment:qa'"],
            "head: environment:qa should end with its entry 7, but ends with 6",
        ),
        (
            ["DELETE FROM audit_object_head WHERE object = 'environment:qa'"],
            "head: environment:qa has entries but no head",
        ),
        (
            ["INSERT INTO audit_object_head VALUES ('environment:x', 1, repeat('a', 64))"],
            "head: environment:x should end with its entry 1, but ends with 0",
        ),
    ],
)
def test_a_change_is_found_and_the_entry_named(tamper, statements, first):
    tamper(*statements)
    report = verify.verify()
    assert str(report.findings[0]).startswith(first), report.findings


def test_two_entries_that_changed_places_are_found(tamper):
    tamper(
        "UPDATE audit_entry SET seq = 0 WHERE seq = 5",
        "UPDATE audit_entry SET seq = 5 WHERE seq = 6",
        "UPDATE audit_entry SET seq = 6 WHERE seq = 0",
    )
    findings = {finding.seq for finding in verify.verify().findings}
    assert {5, 6} <= findings


def test_a_rewritten_entry_with_a_right_hash_breaks_the_next_one(tamper):
    entry = Entry.objects.get(seq=5)
    leaf = entry.leaf.replace('"actor_kind":"task"', '"actor_kind":"user"')
    forged = chain.leaf_hash(leaf.encode())
    tamper(
        f"UPDATE audit_entry SET leaf = '{leaf}', hash = '{forged}', actor_kind = 'user'"
        " WHERE seq = 5"
    )
    assert verify.verify().findings[0].seq == 6


@pytest.mark.parametrize("leaf", ["[]", "1", "null", '{"seq":"x"}', "[" * 5_000 + "]" * 5_000])
def test_a_leaf_that_is_no_entry_is_found_even_with_a_right_hash(tamper, leaf):
    forged = chain.leaf_hash(leaf.encode())
    tamper(f"UPDATE audit_entry SET leaf = '{leaf}', hash = '{forged}' WHERE seq = 5")
    assert verify.verify().findings[0].seq == 5


def test_a_clock_that_went_backwards_is_found(tamper):
    with owner() as link:
        link.execute("UPDATE audit_head SET at = now() - interval '1 day'")
    last = Entry.objects.get(seq=SIZE)
    earlier = f"{last.at.replace(year=2020):%Y-%m-%dT%H:%M:%S.%f}Z"
    fields = {**json.loads(last.leaf), "at": earlier}
    leaf = chain.canonical(fields)
    forged = chain.leaf_hash(leaf.encode())
    tamper(
        f"UPDATE audit_entry SET leaf = '{leaf}', hash = '{forged}', at = '{earlier}'"
        f" WHERE seq = {SIZE}",
        f"UPDATE audit_head SET hash = '{forged}'",
        f"UPDATE audit_object_head SET hash = '{forged}' WHERE hash = '{last.hash}'",
    )
    (finding,) = verify.verify().findings
    assert str(finding) == "entry 12: its time is before that of the entry before it"


@pytest.mark.parametrize(
    ("do", "undo", "finding"),
    [
        (
            "ALTER TABLE audit_entry DISABLE TRIGGER append_only",
            "ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER append_only",
            "guard: the trigger append_only of audit_entry is not switched on for all",
        ),
        (
            "ALTER TABLE audit_entry ENABLE TRIGGER append_only",
            "ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER append_only",
            "guard: the trigger append_only of audit_entry is not switched on for all",
        ),
        (
            "ALTER TABLE promotion_deployment DISABLE TRIGGER audited",
            "ALTER TABLE promotion_deployment ENABLE ALWAYS TRIGGER audited",
            "guard: the trigger audited of promotion_deployment is not switched on for all",
        ),
        (
            "ALTER TRIGGER arrows ON promotion_deployment RENAME TO sleeping",
            "ALTER TRIGGER sleeping ON promotion_deployment RENAME TO arrows",
            (
                "guard: the trigger arrows of promotion_deployment is missing, "
                "guard: the trigger sleeping of promotion_deployment is none of ours"
            ),
        ),
        (
            "GRANT UPDATE ON audit_entry TO lockgate_app",
            "REVOKE UPDATE ON audit_entry FROM lockgate_app",
            "guard: the application's role may UPDATE audit_entry",
        ),
        (
            "GRANT TRUNCATE ON promotion_deployment TO lockgate_app",
            "REVOKE TRUNCATE ON promotion_deployment FROM lockgate_app",
            "guard: the application's role may TRUNCATE promotion_deployment",
        ),
    ],
)
def test_an_open_guard_is_found(do, undo, finding):
    with owner() as link:
        link.execute(do)
    try:
        assert ", ".join(str(found) for found in verify.verify().findings) == finding
    finally:
        with owner() as link:
            link.execute(undo)


def test_a_role_that_owns_the_log_is_found():
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
    try:
        reasons = [finding.reason for finding in verify.verify().findings]
    finally:
        connection.close()
    assert "the application's role owns the log: set DATABASE_OWNER_URL" in reasons


def test_every_guard_of_the_schema_is_checked():
    with connection.cursor() as cursor:
        cursor.execute(verify._TRIGGERS)
        found = {(table, trigger) for table, trigger, _ in cursor.fetchall()}
    assert found == verify.GUARDS


def test_the_command_tells_people_and_programs(log, tamper):
    out = StringIO()
    call_command("audit_verify", stdout=out)
    assert out.getvalue().startswith("The audit log is whole: 12 entries about 2 objects")

    tamper("UPDATE audit_entry SET actor_id = 'x' WHERE seq > 2")
    out = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("audit_verify", stdout=out)
    assert end.value.code == 1
    assert "First: entry 3: its column actor_id differs" in out.getvalue()

    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("audit_verify", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert (told["ok"], told["entries"], told["findings"][0]["seq"]) == (False, 12, 3)
