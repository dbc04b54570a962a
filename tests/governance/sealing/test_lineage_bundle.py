"""A lineage report as a bundle: proven alone, and no word of it altered unseen."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile

import pytest

from governance import signing
from governance.audit import bundles
from governance.audit.models import Checkpoint, Entry
from governance.audit.standalone import verify
from governance.errors import Conflict, NotFound
from governance.models import User
from governance.services import erasures
from promotion.lineage import body as bodies
from promotion.lineage import schema
from promotion.services.lineage import AsOf, bundle, report
from tests.promotion.conftest import (  # noqa: F401 - fixtures of the other half
    ask,
    rules,
    sign,
    world,
)
from tests.promotion.test_lineage import get
from tests.promotion.test_lineage_sections import MODEL, life  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(transaction=True)
ORIGIN = "lockgate.test/audit"


@pytest.fixture
def sealed(life, sealer, log):  # noqa: F811
    """The life of version 2, sealed."""
    sealer.round(log)
    return "".join(f"{key}\n" for key in [*sealer.verifiers(), *bundles.verifier_of_bundles()])


_MADE = {}


@pytest.fixture
def made(request):
    """The bundle, its report and the keys: for tests that only read them, made once."""
    if not _MADE:
        keys = request.getfixturevalue("sealed")
        document, file = packed(request.getfixturevalue("ada"))
        _MADE["all"] = bodies.canonical(document), file.getvalue(), keys
    document, file, keys = _MADE["all"]
    return json.loads(document), io.BytesIO(file), keys


def packed(actor, **asked):
    file = io.BytesIO()
    document = bundle(file, MODEL, 2, actor, **asked)
    return document, file


def told(file, keys):
    file.seek(0)
    return verify.verify(file, keys)


def forged(file, change, files=lambda _: None):
    """Alter the report, and pack and sign the bundle again as only the control plane can."""
    with zipfile.ZipFile(file) as old:
        packed = {info.filename: old.read(info) for info in old.infolist()}
    document = json.loads(packed["report.json"])
    change(document["report"]["body"])
    packed["report.json"] = json.dumps(document, ensure_ascii=False, sort_keys=True).encode()
    files(packed)
    del packed["MANIFEST.txt"]
    hashes = [f"{hashlib.sha256(packed[name]).hexdigest()}  {name}" for name in sorted(packed)]
    text = "".join(f"{line}\n" for line in [verify.SCHEMA, *hashes])
    packed["MANIFEST.txt"] = signing.sign_note(text, name=f"{ORIGIN}/bundles").encode()
    return zipped(packed)


def zipped(files):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return made


def test_it_is_proven_by_the_verifier_alone_in_an_empty_folder(made, tmp_path):
    document, file, keys = made
    (tmp_path / "bundle.zip").write_bytes(file.getvalue())
    (tmp_path / "keys.txt").write_text(keys)
    alone = tmp_path / "alone"
    alone.mkdir()
    with zipfile.ZipFile(file) as archive:
        archive.extract("verify.py", alone)
        assert document["report_id"] in archive.read("report.html").decode()
        assert json.loads(archive.read("report.json"))["report"] == document
    command = ["-I", "-S", "verify.py", "--keys", "../keys.txt", "../bundle.zip"]
    done = subprocess.run(
        [sys.executable, *command], cwd=alone, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("PROVEN: ")


def paths(value, path=()):
    """Walk a report and yield where it says something of an entry that it names."""
    if isinstance(value, dict):
        if type(value.get("entry")) is int:
            yield from ((*path, name) for name in value)
        for name, inner in value.items():
            yield from paths(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, (*path, index))


DERIVED = frozenset(
    {"entry", "closed", "revoked", "approvals", "segregation", "end", "break_glass", "entries"}
    | {"id", "decision", "because", "independent", "counted_for", "incident", "with", "way"}
    | {"direction", "binding", "until", "from", "since", "token", "signed_by", "last_scoring"}
    | {"replaced_by_version", "archive", "retained_until", "held_for_rollback", "agents"}
    | {"answered_until", "files_removed", "agent", "agent_id", "why", "evidence_is_sealed"}
)
"""What stands beside the number of an entry and is not read from that entry."""


def test_whatever_it_says_of_an_entry_is_the_entrys(made):
    """Alter each fact in turn, sign it all again, and be found out."""
    document, file, keys = made
    assert told(file, keys).code == verify.PROVEN
    kinds = {}
    for path in paths({k: v for k, v in document["body"].items() if k != "proof"}):
        if path[-1] not in DERIVED:
            kinds.setdefault((path[0], path[-1]), path)
    found = 0
    for path in kinds.values():

        def change(body, path=path):
            for step in path[:-1]:
                body = body[step]
            old = body[path[-1]]
            body[path[-1]] = old + 1 if type(old) is int else "somebody else"

        result = told(forged(file, change), keys)
        assert result.code == verify.TAMPERED, (path, result.line)
        found += 1
    assert found > 60


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b["lifecycle"]["requests"][1]["gates"][4].update(outcome="passed"),
        lambda b: b["validation"]["reports"][1]["document"].update(verdict="unfit"),
        lambda b: b["proof"]["documents"].pop(),
        lambda b: b["proof"]["documents"][0].update(document="{}"),
        lambda b: (
            b["deployment_record"]["serving"][0].update({"until": "goes on", "x": 1})
            or b["deployment_record"]["serving"][0].update({"from": "2026-01-01T00:00:00.000000Z"})
        ),
        lambda b: b["dark_evidence"]["periods"][0].update({"until": "2026-01-01T00:00:00.000000Z"}),
        lambda b: b["lifecycle"]["timeline"].append({"entry": 10**6, "at": "now"}),
    ],
    ids=["a verdict", "a report", "no proof", "a proof", "serving", "dark", "no such entry"],
)
def test_what_is_read_from_documents_and_intervals_is_too(made, change):
    _, file, keys = made
    assert told(forged(file, change), keys).code == verify.TAMPERED


def test_a_changed_word_without_the_key_is_found_out_too(made):
    _, file, keys = made
    with zipfile.ZipFile(file) as old:
        files = {info.filename: old.read(info) for info in old.infolist()}
    files["report.json"] = files["report.json"].replace(b"never backwards", b"backwards never")
    result = told(zipped(files), keys)
    assert (result.code, "report.json" in result.line) == (verify.TAMPERED, True)


def test_it_is_the_report_at_the_checkpoint_or_before_it_to_the_byte(sealed, ada):
    document, _ = packed(ada)
    size = Checkpoint.objects.get().size
    assert document["body"] == report(MODEL, 2, ada, as_of=AsOf(size=size))["body"]
    sealing = document["statement"]["sealing"]
    assert (sealing["newest_checkpoint"]["size"], sealing["not_sealed_yet"]) == (size, 0)
    assert sealing["newest_checkpoint"]["origin"] == ORIGIN
    assert sealing["newest_checkpoint"]["signatures"]

    earlier, file = packed(ada, as_of=AsOf(size=size - 20))
    assert earlier["body"]["header"]["log"]["size"] == size - 20
    assert told(file, sealed).code == verify.PROVEN


def test_what_is_not_sealed_is_in_no_bundle(life, ada, sealer, log):  # noqa: F811
    with pytest.raises(Conflict) as error:
        packed(ada)
    assert error.value.code == "not_sealed"
    sealer.round(log)
    size = Checkpoint.objects.get().size
    newer = life.version()
    assert packed(ada)[0]["body"]["header"]["log"]["size"] == size
    with pytest.raises(Conflict):
        packed(ada, as_of=AsOf(size=size + 1))
    with pytest.raises(Conflict) as error:
        bundle(io.BytesIO(), MODEL, newer.number, ada)
    assert error.value.code == "not_sealed", "it is there, and newer than what is sealed"
    with pytest.raises(NotFound):
        bundle(io.BytesIO(), MODEL, newer.number, ada, as_of=AsOf(size=size))


def erase(seq, *, asker, decider):
    facts = {"seq": seq, "user": User.objects.get(pk=asker.id), "actor": asker}
    erasures.ask(reason="a test", basis="Art. 17", **facts)
    facts = {"seq": seq, "user": User.objects.get(pk=decider.id), "actor": decider}
    erasures.decide(erase=True, comment="looked at it", **facts)


def test_of_what_was_erased_it_says_so_and_is_proven(sealed, ada, sealer, log, make_person):
    """The reason of a request, and of another object a grant: the names go, the proof stays."""
    opened = Entry.objects.filter(action="request.opened", model_version=2).latest("seq")
    granted = Entry.objects.filter(action="role.granted").earliest("seq")
    second = make_person("alan", "auditor").actor
    for entry in (opened, granted):
        erase(entry.seq, asker=ada, decider=second)
    sealer.round(log)
    document, file = packed(ada)

    assert told(file, sealed).code == verify.PROVEN
    body = document["body"]
    assert body["completeness"]["erased_payloads"] == [granted.seq, opened.seq]
    [request] = [r for r in body["lifecycle"]["requests"] if r["entry"] == opened.seq]
    assert (request["reason"], request["by"]["name"]) == ("erased", "erased")
    assert request["approvals"][0]["name"] == "dina"
    schema.Document.model_validate(document)


def test_over_http(sealed, ada):
    answer = get(ada, "application/zip", number=2)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/zip"
    assert "credit-default-2-lineage.zip" in answer["Content-Disposition"]
    content = io.BytesIO(b"".join(answer.streaming_content))
    answer.close()
    assert verify.verify(content, sealed).code == verify.PROVEN
    assert get(ada, "application/zip", number=9).status_code == 404
