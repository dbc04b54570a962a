"""A bundle is written from the database, and proven by the verifier that lies in it."""

import io
import json
import subprocess
import sys
import zipfile

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from governance import signing
from governance.audit import bundles, checkpoints
from governance.audit.bundles import Question
from governance.audit.models import Checkpoint, Entry
from governance.audit.standalone import verify
from governance.errors import Conflict, NotFound
from tests.conftest import as_owner

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def given(sealer, log):
    """What an auditor is given, once something is sealed."""

    def text():
        lines = [*sealer.verifiers(), *bundles.verifier_of_bundles()]
        return "".join(f"{line}\n" for line in lines)

    return text


def made(**question):
    file = io.BytesIO()
    written = bundles.write(file, Question(**question))
    return written, file


@pytest.fixture
def busy(write, sealer, log):
    """700 entries of three objects, sealed twice; and two that are not."""
    for _ in range(7):
        write(50, object="model:credit-default")
        write(20, object="environment:qa")
        write(30, object='model:"Zürich"\n\t')
        if _ in {2, 6}:
            sealer.round(log)
    write(2)
    return Checkpoint.objects.order_by("size")


def test_the_whole_log_is_proven_alone_by_the_verifier_in_the_bundle(busy, given, tmp_path):
    written, file = made()
    assert (written.entries, written.size) == (700, 700)
    with zipfile.ZipFile(file) as archive:
        archive.extractall(tmp_path / "taken")
    (tmp_path / "bundle.zip").write_bytes(file.getvalue())
    (tmp_path / "keys.txt").write_text(given())
    kept = tmp_path / "kept.note"
    kept.write_text(busy.first().note)
    command = [sys.executable, "-I", "-S", "taken/verify.py", "--keys", "keys.txt", "bundle.zip"]
    said = subprocess.run(
        [*command, "--since", str(kept)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "700 of 700 entries" in said.stdout
    assert "the log still begins with the 300 entries" in said.stdout
    readme = (tmp_path / "taken/README.txt").read_text()
    assert "700 of 700 entries" in readme
    report = json.loads((tmp_path / "taken/report.json").read_bytes())
    assert report["statements"]["by_action"] == {"environment.defined": 700}
    assert report["statements"]["objects"]['model:"Zürich"\n\t']["entries"] == 210


def test_the_same_question_gives_the_same_bytes(busy):
    assert made()[1].getvalue() == made()[1].getvalue()
    one = {"objects": frozenset({"environment:qa"})}
    assert made(**one)[1].getvalue() == made(**one)[1].getvalue()


def test_one_object_is_proven_to_be_complete(busy, given):
    since = busy.first()
    other = Entry.objects.filter(object="environment:qa", seq__lte=700).last()
    question = {
        "objects": frozenset({"model:credit-default", 'model:"Zürich"\n\t'}),
        "others": frozenset({other.seq, 1}),
        "since": since.size,
        "report": {"schema": verify.SAMPLE, "about": "credit-default"},
    }
    written, file = made(**question)
    assert (written.entries, written.size) == (350 + 210 + 1, 700)
    found = verify.verify(file, given())
    assert found.code == 0, found.line
    assert verify.verify(file, given(), since.note).code == 0
    without = made(**{**question, "since": 0})[1]
    assert verify.verify(without, given(), since.note).code == 2
    with zipfile.ZipFile(file) as archive:
        assert json.loads(archive.read("report.json"))["report"] == question["report"]


def test_an_object_whose_last_entries_are_kept_back_is_found_out(busy, given):
    file = made(objects=frozenset({"environment:qa"}))[1]
    with zipfile.ZipFile(file) as archive:
        files = {info.filename: archive.read(info) for info in archive.infolist()}
    lines = files["entries.ndjson"].splitlines(keepends=True)[:-1]
    payloads = files["payloads.txt"].splitlines(keepends=True)[:-1]
    files |= {"entries.ndjson": b"".join(lines), "payloads.txt": b"".join(payloads)}
    again = io.BytesIO()
    with zipfile.ZipFile(again, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    found = verify.verify(again, given())
    assert (found.code, found.line) == (1, "environment:qa: entries after its 139th are missing")


def test_what_is_not_sealed_is_not_in_a_bundle(write, given, sealer, log):
    with pytest.raises(Conflict) as refusal:
        made()
    assert refusal.value.code == "not_sealed"
    write(3)
    sealer.round(log)
    write(4, object="model:later")
    assert made()[0].entries == 3
    with pytest.raises(NotFound) as refusal:
        made(objects=frozenset({"model:later"}))
    assert refusal.value.code == "unknown_object"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE audit_entry SET leaf = replace(leaf, 'tests', 'other') WHERE seq = 5", "entry 5 "),
        ("UPDATE audit_payload SET body = '{}' WHERE seq = 5", "entry 5: its payload is not"),
        ("UPDATE audit_payload SET body = NULL, salt = NULL WHERE seq = 5", "entry 5: its payload"),
        ("UPDATE audit_checkpoint SET note = replace(note, 'time 2', 'time 3')", "false signature"),
        ("UPDATE audit_checkpoint SET note = 'x'", "is no signed note"),
    ],
)
def test_of_a_log_that_was_changed_a_bundle_is_written_and_names_it(
    write, sealer, log, given, change, words
):
    write(12)
    sealer.round(log)
    known = given()
    with as_owner(connection), connection.cursor() as cursor:
        for table in ("entry", "payload", "checkpoint"):
            cursor.execute(f"ALTER TABLE audit_{table} DISABLE TRIGGER append_only")
        cursor.execute(change)
        for table in ("entry", "payload", "checkpoint"):
            cursor.execute(f"ALTER TABLE audit_{table} ENABLE ALWAYS TRIGGER append_only")
    found = verify.verify(made()[1], known)
    assert (found.code, words in found.line) == (1, True), found.line


def test_a_checkpoint_that_covers_an_entry_is_found(busy):
    assert checkpoints.covering(1).size == checkpoints.covering(300).size == 300
    assert checkpoints.covering(301).size == 700
    assert checkpoints.covering(701) is None


def test_it_is_written_from_the_command_line(busy, given, tmp_path, capsys):
    file = tmp_path / "bundle.zip"
    call_command("audit_bundle", str(file), "--object", "model:credit-default", "--since", "300")
    assert "350 of 700 entries" in capsys.readouterr().out
    with file.open("rb") as content:
        assert verify.verify(content, given()).code == 0
    call_command("audit_keys")
    printed = capsys.readouterr().out
    assert str(bundles.verifier_of_bundles()[0]) in printed
    assert signing.fingerprint(signing.public_keys()[0]) in printed
    with pytest.raises(CommandError, match="is there already"):
        call_command("audit_bundle", str(file))
    with pytest.raises(CommandError, match="is about model:none"):
        call_command("audit_bundle", str(tmp_path / "other.zip"), "--object", "model:none")
    assert not (tmp_path / "other.zip").exists()
