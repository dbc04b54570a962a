"""What is new is sealed, brought to the sinks, and never sealed twice nor differently."""

import os
import signal
import subprocess
import sys
import time

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection

from governance import notes
from governance.audit import merkle
from governance.audit.models import Block, Checkpoint, Entry, SealerReport
from governance.audit.verify import verify
from governance.embedded import keys as made_keys
from tests.conftest import as_owner
from tests.governance.sealing.conftest import ORIGIN

pytestmark = pytest.mark.django_db(transaction=True)


def root_of(size):
    """The root over the first entries, from the entries alone."""
    leaves = Entry.objects.filter(seq__lte=size).values_list("leaf", flat=True)
    return merkle.root(merkle.leaf(text.encode()) for text in leaves)


def test_what_is_new_is_sealed_and_kept_outside(sealer, log, write, kept, sink):
    write(3)
    done = sealer.round(log)

    assert (done.sealed, done.size, done.waiting, done.trouble) == (3, 3, 0, "")
    assert kept() == ["0001/00000000000/000000000000003.note"]
    row = Checkpoint.objects.get()
    assert (sink / kept()[0]).read_text() == row.note
    found = notes.open_note(row.note, sealer.verifiers())
    assert (found.origin, found.size, found.root) == (ORIGIN, 3, root_of(3))
    assert found.objects == 1
    assert verify().findings == []


def test_nothing_new_makes_no_checkpoint(sealer, log, write):
    assert sealer.round(log).sealed == 0
    write(2)
    sealer.round(log)
    assert sealer.round(log).sealed == 0
    assert Checkpoint.objects.count() == 1


def test_each_checkpoint_is_the_tree_at_its_size_and_blocks_are_kept(sealer, log, write):
    for count in (1, 254, 1, 3, 300):
        write(count, object=f"environment:place-{count}")
        sealer.round(log)

    sizes = list(Checkpoint.objects.values_list("size", "root"))
    assert [size for size, _ in sizes] == [1, 255, 256, 259, 559]
    assert [root for _, root in sizes] == [root_of(size).hex() for size, _ in sizes]
    assert list(Block.objects.values_list("number", "root")) == [
        (0, root_of(256).hex()),
        (1, _block(256, 512)),
    ]


def _block(first, last):
    leaves = Entry.objects.filter(seq__gt=first, seq__lte=last).values_list("hash", flat=True)
    return merkle.root(map(bytes.fromhex, leaves)).hex()


def test_the_root_over_objects_is_of_where_their_chains_end(sealer, log, write):
    write(2, object="environment:qa")
    write(1, object="model:Zürich")
    sealer.round(log)

    ends = [
        (name, Entry.objects.filter(object=name).order_by("-object_seq").first())
        for name in ("environment:qa", "model:Zürich")
    ]
    leaves = [merkle.leaf(notes.object_leaf(n, e.object_seq, e.hash)) for n, e in ends]
    found = notes.open_note(Checkpoint.objects.get().note, sealer.verifiers())
    assert (found.objects, found.objects_root) == (2, merkle.root(leaves))


def test_a_sealer_killed_before_it_kept_its_note_takes_it_from_the_sink(
    make_sealer, log, write, kept
):
    write(3)
    first = make_sealer()
    keep, first_notes = log.keep, []
    log.keep = lambda sealed, **_: first_notes.append(sealed.note)  # the kill
    first.round(log)
    log.keep = keep
    assert not Checkpoint.objects.exists()
    write(2)

    done = make_sealer().round(log)

    assert (done.trouble, done.size) == ("", 5)
    assert Checkpoint.objects.get(size=3).note == first_notes[0]
    assert len(kept()) == 2


def test_a_key_and_its_successor_both_sign_for_a_while(make_sealer, log, write, keys):
    successor = Ed25519PrivateKey.generate()
    for signing in (keys, [keys[0], successor], [successor]):
        write(1)
        assert make_sealer(signing=signing).round(log).trouble == ""

    first, both, last = Checkpoint.objects.all()
    old, new = (
        notes.Verifier(ORIGIN, k.public_key().public_bytes_raw()) for k in (*keys, successor)
    )
    for row, known in ((first, [old]), (both, [old]), (both, [new]), (last, [new])):
        assert notes.open_note(row.note, known).size == row.size
    for row, known in ((first, [new]), (last, [old])):
        with pytest.raises(notes.BadNote, match="no key that is known"):
            notes.open_note(row.note, known)


def test_a_sealer_with_a_strange_key_seals_nothing_over_what_is_there(make_sealer, log, write):
    write(1)
    make_sealer().round(log)
    write(1)
    done = make_sealer(signing=[Ed25519PrivateKey.generate()]).round(log)
    assert "no key that is known here has signed" in done.trouble
    assert Checkpoint.objects.count() == 1


def test_after_a_key_was_lost_the_next_takes_up_what_it_had_signed(make_sealer, log, write):
    write(1)
    old = make_sealer()
    old.round(log)
    write(1)
    new = make_sealer(signing=[Ed25519PrivateKey.generate()])
    new.former = old.verifiers()
    assert new.round(log).trouble == ""
    assert notes.open_note(Checkpoint.objects.last().note, new.verifiers()).size == log.size()


WITHOUT_5 = "DELETE FROM audit_payload WHERE seq = 5;"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "UPDATE audit_entry SET leaf = replace(leaf, 'qa', 'qb') WHERE seq = 5",
            "leaf of entry 5",
        ),
        (
            "DELETE FROM audit_payload WHERE seq = 5; DELETE FROM audit_entry WHERE seq = 5",
            "missing",
        ),
        ("UPDATE audit_entry SET prev_hash = 'x' WHERE seq = 5", "entry 5 does not follow"),
        ("UPDATE audit_object_head SET seq = 9", "do not add up"),
        ("UPDATE audit_checkpoint SET frontier = repeat('a', 64)", "kept in the database"),
        ("UPDATE audit_checkpoint SET note = replace(note, '2', '3')", "newest checkpoint"),
    ],
)
def test_a_log_that_was_changed_is_not_sealed_any_further(sealer, log, write, change, said):
    write(4)
    sealer.round(log)
    write(3)
    with as_owner(connection), connection.cursor() as cursor:
        for table in ("entry", "payload", "checkpoint"):
            cursor.execute(f"ALTER TABLE audit_{table} DISABLE TRIGGER append_only")
        cursor.execute(change)
        for table in ("entry", "payload", "checkpoint"):
            cursor.execute(f"ALTER TABLE audit_{table} ENABLE ALWAYS TRIGGER append_only")

    done = sealer.round(log)

    assert said in done.trouble
    assert (done.sealed, Checkpoint.objects.count()) == (0, 1)
    assert SealerReport.objects.get().said["refused"] == done.trouble


def test_the_sealers_role_reads_no_payload_and_changes_nothing(sealers_url, write):
    write(1)
    with psycopg.connect(sealers_url, autocommit=True) as link:
        for statement in (
            "SELECT * FROM audit_payload",
            "SELECT * FROM governance_user",
            "INSERT INTO audit_checkpoint SELECT * FROM audit_checkpoint",
            "UPDATE audit_head SET seq = 0",
            "DELETE FROM audit_entry",
            "SELECT audit_append('a', 'b', 'c', 'd', 'e', null, null, null, null, 'f', 'g')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                link.execute(statement)


def test_the_application_can_neither_seal_nor_change_what_is_sealed(sealer, log, write):
    write(1)
    sealer.round(log)
    with connection.cursor() as cursor:
        for statement in (
            "SELECT audit_seal(2, 1, 'r', 'n', 'f', now(), 0, '{}')",
            "SELECT audit_sealer_says('{}')",
            "DELETE FROM audit_checkpoint",
            "UPDATE audit_block SET root = ''",
            "TRUNCATE audit_checkpoint",
        ):
            with pytest.raises(Exception, match="permission denied"):
                cursor.execute(statement)


def test_a_checkpoint_in_the_table_is_never_changed_even_by_its_owner(sealer, log, write):
    write(1)
    sealer.round(log)
    with as_owner(connection), connection.cursor() as cursor:
        for statement in ("UPDATE audit_checkpoint SET size = 9", "DELETE FROM audit_checkpoint"):
            with pytest.raises(Exception, match="never changed or removed"):
                cursor.execute(statement)


def test_the_process_seals_what_is_new_and_a_last_time_when_it_ends(
    sealers_url, write, sink, tmp_path
):
    key = tmp_path / "key"
    key.write_bytes(made_keys.signing_key())
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "SEALER_DATABASE_URL": sealers_url,
        "SEALER_KEY_FILE": str(key),
        "SEALER_ORIGIN": ORIGIN,
        "SEALER_SECONDS": "0.3",
        "CHECKPOINT_SINKS": sink.as_uri(),
    }
    command = [sys.executable, "-W", "error", "-m", "governance.sealing"]

    def ran(word, **changed):
        return subprocess.run(
            [*command, word], env=environ | changed, check=False, capture_output=True, text=True
        )

    assert ran("keys").stdout.encode() == made_keys.verifier(key, ORIGIN)
    write(2)
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 20
        while Checkpoint.objects.count() < 1:
            assert time.monotonic() < until
            time.sleep(0.05)
        write(5)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert said.splitlines()[0] == "sealed 2 entries: 2 in all"
    assert Checkpoint.objects.last().size == 7
    assert ran("once").stdout == ""
    for changed, named in (
        ({"SEALER_KEY_FILE": "/nowhere"}, "SEALER_KEY_FILE"),
        ({"CHECKPOINT_SINKS": "ftp://there"}, "CHECKPOINT_SINKS"),
        ({"SEALER_ORIGIN": "two words"}, "SEALER_ORIGIN"),
    ):
        wrong = ran("once", **changed)
        assert (wrong.returncode, named in wrong.stderr) == (1, True), wrong.stderr
        assert "Traceback" not in wrong.stderr
    gone = ran("once", SEALER_DATABASE_URL="postgresql://nobody@/x?host=/nowhere")
    assert (gone.returncode, "the database:" in gone.stdout) == (1, True)
