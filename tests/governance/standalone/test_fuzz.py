"""Thousands of changed bundles: none is proven, and none makes the verifier stumble.

A change counts when it changes what is in the bundle: its files and their bytes. That a
zip archive names another hour or packs a file less tightly changes nothing. Who holds the
control plane's key may pack a bundle anew, with another README; so of those bundles the
evidence counts: entries, payloads, the newest checkpoint, and what the report states.
"""

import io
import json
import os
import random
import secrets
import time
import zipfile

import pytest

from governance.audit import forging
from governance.audit.standalone import verify

TOTAL = int(os.environ.get("LOCKGATE_FUZZ", "5000"))
SEED = int(os.environ.get("LOCKGATE_SEED") or secrets.randbelow(2**32))
TOKENS = (b"0", b"1", b'"', b"\n", b"\\", b" ", b"null", b"{", b"\x00", b"\xff", b"9" * 40, b"e3")
EVIDENCE = ("entries.ndjson", "payloads.txt", "report.json", "bundle.json")


@pytest.fixture(scope="module")
def good():
    """A small bundle: one checkpoint, so that each try is quick."""
    return forging.bundle(forging.told(), [42])


@pytest.fixture(scope="module")
def keys():
    return forging.keys_text()


def mutated(content, chance):
    """Change some bytes, in one of the ways in which bytes change."""
    made, at = bytearray(content), chance.randrange(len(content) or 1)
    way = chance.randrange(7)
    if way == 0:
        made[at] ^= 1 << chance.randrange(8)
    elif way == 1:
        del made[at : at + chance.randrange(1, 60)]
    elif way == 2:
        made[at:at] = chance.choice(TOKENS) * chance.randrange(1, 4)
    elif way == 3:
        made = made[:at]
    elif way == 4:
        made[at : at + 4] = chance.randbytes(4)
    elif way == 5:
        other = chance.randrange(len(content) or 1)
        made[at : at + 20] = content[other : other + 20]
    else:
        lines = bytes(made).split(b"\n")
        one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        lines[one], lines[other] = lines[other], lines[chance.choice((one, other))]
        made = bytearray(b"\n".join(lines))
    return bytes(made)


def in_the_archive(good, chance):
    """Bytes of the archive itself."""
    return mutated(good.content(), chance)


def in_a_file(good, chance):
    """Bytes of one file, packed by somebody without a key."""
    files = good.files()
    name = chance.choice(sorted(files))
    if chance.random() < 0.1:
        del files[name]
    elif chance.random() < 0.1:
        files[chance.choice(("../evil", "report.html", "x", "checkpoints/1.note"))] = b"x"
    else:
        files[name] = mutated(files[name], chance)
    return forging.packed(files)


def in_the_evidence(good, chance):
    """Bytes of the evidence, packed by somebody with the control plane's key."""
    part = chance.choice(("lines", "beside", "notes", "report"))
    made = forging.Bundle(
        list(good.lines),
        list(good.beside),
        dict(good.notes),
        42,
        json.loads(json.dumps(good.report)),
    )
    if part == "lines":
        made.lines = mutated(b"\n".join(good.lines), chance).split(b"\n")
    elif part == "beside":
        text = mutated("\n".join(good.beside).encode(), chance)
        made.beside = text.decode(errors="surrogateescape").split("\n")
    elif part == "notes":
        name = chance.choice(sorted(made.notes))
        made.notes[name] = mutated(made.notes[name].encode(), chance).decode(errors="replace")
    else:
        _alter(made.report["statements"], chance)
    try:
        return made.content()
    except UnicodeEncodeError:
        return in_the_evidence(good, chance)


def _alter(statement, chance):
    """Let the report state something else somewhere."""
    while True:
        inner = list(statement) if isinstance(statement, dict) else range(len(statement))
        if not inner:
            return
        at = chance.choice(list(inner))
        if isinstance(statement[at], dict | list) and statement[at] and chance.random() < 0.8:
            statement = statement[at]
            continue
        statement[at] = chance.choice([None, 0, 1, -1, "", "x", [], {}, True, 10**15])
        return


def content_of(archive):
    """Return what is in an archive, by name; None when it cannot be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return {info.filename: opened.read(info) for info in opened.infolist()}
    except Exception:  # noqa: BLE001 - whatever it is, it is no bundle
        return None


def evidence_of(content):
    """Return what of a bundle cannot be packed anew by the control plane."""
    newest = max(name for name in content if name.startswith("checkpoints/"))
    parts = {name: content[name] for name in EVIDENCE[:2]}
    parts["report.json"] = json.loads(content["report.json"]).get("statements")
    return {**parts, newest: content[newest].partition(b"\n\n")[0]}


WAYS = {
    in_the_archive: (0.4, lambda content: content),
    in_a_file: (0.3, lambda content: content),
    in_the_evidence: (0.3, evidence_of),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", list(WAYS), ids=lambda way: way.__name__)
def test_no_changed_bundle_is_proven(good, keys, way, capsys):
    share, counts = WAYS[way]
    before, chance = content_of(good.content()), random.Random(SEED)
    codes, tried, began = {1: 0, 2: 0}, 0, time.monotonic()
    while tried < TOTAL * share:
        archive = way(good, chance)
        after = content_of(archive)
        found = verify.verify(io.BytesIO(archive), keys)
        if after is not None and found.code == 0:
            assert counts(after) == counts(before), f"seed {SEED}, try {tried}: {found.line}"
            continue
        assert found.code in codes, f"seed {SEED}, try {tried}: {found.line}"
        assert "cannot be checked" not in found.line, f"seed {SEED}, try {tried}: {found.line}"
        codes[found.code] += 1
        tried += 1
    took = time.monotonic() - began
    with capsys.disabled():
        print(f"\n{way.__name__}: seed {SEED}, {tried:,} changed in {took:.0f} s, codes {codes}")
    assert sum(codes.values()) >= TOTAL * share


def test_what_changes_nothing_may_be_proven(good, keys):
    files = good.files()
    loose = io.BytesIO()
    with zipfile.ZipFile(loose, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, (2026, 11, 20, 1, 2, 4)), files[name])
    assert verify.verify(loose, keys).code == 0
