"""The log is checked stretch by stretch, and each stretch says how far it came."""

import itertools

import pytest
from django.db import connection

from governance.audit import merkle, stretches
from governance.errors import Conflict
from tests.governance.test_verify import owner

pytestmark = pytest.mark.django_db(transaction=True)
SIZE = 1_000


@pytest.fixture
def known_keys(sealer, settings, tmp_path):
    """The sealer's public key, given to the control plane."""
    path = tmp_path / "sealer.keys"
    path.write_text("".join(f"{line}\n" for line in sealer.verifiers()))
    settings.CONFIG = settings.CONFIG.model_copy(update={"checkpoint_keys_file": path})


@pytest.fixture
def busy(write, sealer, log, known_keys):
    """A thousand entries of three objects, sealed twice; the last thirty are not."""
    for turn in range(10):
        write(60, object="model:a")
        write(27, object="environment:qa")
        write(10, object="principal:7")
        if turn in {3, 9}:
            sealer.round(log)
    return write(30)


def one_chunk_at_a_time():
    """A clock by which a second passes whenever it is looked at."""
    ticks = itertools.count()
    return lambda: float(next(ticks))


def test_an_untouched_log_is_whole_and_was_held_against_what_was_sealed(busy):
    found = stretches.check()
    assert found.findings == []
    assert (found.first, found.last, found.head, found.next) == (1, SIZE, SIZE, None)
    assert (found.entries, found.blocks, found.checkpoints) == (SIZE, SIZE // merkle.BLOCK, 2)
    assert (found.keys, found.signatures) == (True, 2)


def test_an_empty_log_is_whole(write):
    found = stretches.check()
    assert (found.is_whole, found.entries, found.next) == (True, 0, None)


def test_stretches_follow_each_other_to_the_end(busy, monkeypatch):
    monkeypatch.setattr(stretches, "CHUNK", merkle.BLOCK)
    first, seen = 1, []
    while first is not None:
        found = stretches.check(first, seconds=0.5, clock=one_chunk_at_a_time())
        assert found.findings == []
        seen.append((found.first, found.last))
        first = found.next
    assert seen == [(1, 256), (257, 512), (513, 768), (769, 1000)]


@pytest.mark.parametrize("first", [0, 1, 300, SIZE, SIZE + 1, 10**18])
def test_a_stretch_begins_with_the_block_of_its_entry(busy, first):
    found = stretches.check(first)
    assert found.is_whole, found.findings
    assert (found.first - 1) % merkle.BLOCK == 0
    assert found.last == SIZE


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE audit_entry SET actor_id = 'x' WHERE seq = 700", "entry 700"),
        (
            "UPDATE audit_entry SET leaf = replace(leaf, 'tests', 'other') WHERE seq = 700",
            "entry 700",
        ),
        ("UPDATE audit_payload SET body = '{}' WHERE seq = 700", "entry 700"),
        ("DELETE FROM audit_payload WHERE seq = 700", "entry 700"),
        ("UPDATE audit_payload SET body = NULL, salt = NULL WHERE seq = 700", "no entry says so"),
        ("UPDATE audit_block SET root = repeat('0', 64) WHERE number = 2", "513 to 768"),
        ("UPDATE audit_checkpoint SET root = repeat('0', 64) WHERE size = 970", "970 entries"),
        ("UPDATE audit_head SET hash = repeat('0', 64)", "the head stands at"),
        ("UPDATE audit_object_head SET seq = seq + 1", "objects do not end"),
        ("DELETE FROM audit_object_head WHERE object = 'model:a'", "objects do not end"),
    ],
)
def test_what_was_changed_is_named(busy, statement, said):
    tables = ("audit_entry", "audit_payload", "audit_block", "audit_checkpoint")
    with owner() as link:
        for table in tables:
            link.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
        link.execute(statement)
        for table in tables:
            link.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")
    found = stretches.check()
    assert not found.is_whole
    assert any(said in str(one) for one in found.findings), found.findings


def test_a_log_rewritten_whole_is_not_the_one_that_was_sealed(busy):
    """Chained anew from entry 900 on, heads and all: only the checkpoint tells."""
    with owner() as link:
        for table in ("audit_entry", "audit_payload"):
            link.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
        link.execute("DELETE FROM audit_payload WHERE seq > 900")
        link.execute("DELETE FROM audit_entry WHERE seq > 900")
        link.execute(
            "UPDATE audit_head SET seq = 900, hash = (SELECT hash FROM audit_entry WHERE seq = 900)"
        )
        link.execute(
            "UPDATE audit_object_head AS head SET (seq, hash) = (SELECT object_seq, hash FROM"
            " audit_entry AS entry WHERE entry.object = head.object"
            " ORDER BY object_seq DESC LIMIT 1)"
        )
        for table in ("audit_entry", "audit_payload"):
            link.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")
    found = stretches.check()
    assert [str(one) for one in found.findings] == [
        "checkpoint: 970 entries were sealed, and the log has 900"
    ]


def test_a_checkpoint_that_no_given_key_has_signed_is_named(busy):
    with owner() as link:
        link.execute("ALTER TABLE audit_checkpoint DISABLE TRIGGER append_only")
        link.execute("UPDATE audit_checkpoint SET note = 'forged' WHERE size = 970")
        link.execute("ALTER TABLE audit_checkpoint ENABLE ALWAYS TRIGGER append_only")
    [finding] = stretches.check().findings
    assert "the checkpoint of 970 entries is not signed by a key we were given" in str(finding)


def test_without_keys_it_says_that_signatures_were_not_checked(busy, settings):
    settings.CONFIG = settings.CONFIG.model_copy(update={"checkpoint_keys_file": None})
    found = stretches.check()
    assert (found.is_whole, found.keys, found.signatures) == (True, False, 0)


def test_one_at_a_time(busy):
    with owner() as link, link.transaction():
        link.execute("SELECT pg_advisory_xact_lock(hashtext('audit.verified'))")
        with pytest.raises(Conflict) as refusal:
            stretches.check()
    assert refusal.value.code == "verification_running"
    assert stretches.check().is_whole
    assert not connection.in_atomic_block
