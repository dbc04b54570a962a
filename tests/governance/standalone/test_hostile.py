"""A bundle is taken to be hostile: whatever it is, it costs little and gets an answer."""

import io
import json
import stat
import struct
import time
import tracemalloc
import zipfile

import pytest

from governance.audit import forging
from governance.audit.standalone import verify

MIB = 1024**2


@pytest.fixture(scope="module")
def files():
    return forging.bundle(forging.told(), [42]).files()


def archive_of(files, *, infos=(), compression=zipfile.ZIP_DEFLATED, comment=b""):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
        for info, content in infos:
            archive.writestr(info, content)
        archive.comment = comment
    return made.getvalue()


def looked_at(content):
    """Verify, and see to it that it costs neither time nor memory."""
    tracemalloc.start()
    began = time.process_time()
    try:
        found = verify.verify(io.BytesIO(content), forging.keys_text())
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 10
    assert most < 120 * MIB
    assert "cannot be checked" not in found.line, found.line
    return found


def test_what_is_packed_here_is_good(files):
    assert looked_at(archive_of(files)).code == 0


def named(name, *, mode=0o100644, method=zipfile.ZIP_DEFLATED):
    info = zipfile.ZipInfo(name)
    info.external_attr, info.compress_type = mode << 16, method
    return info


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (named("../../etc/passwd"), "that no bundle has"),
        (named("/etc/passwd"), "that no bundle has"),
        (named("C:\\windows\\x"), "that no bundle has"),
        (named("checkpoints/../verify.py"), "that no bundle has"),
        (named("checkpoints/000000000000042.note/x"), "that no bundle has"),
        (named("entries.ndjson "), "that no bundle has"),
        (named("Entries.ndjson"), "that no bundle has"),
        (named("report\u202elmth."), "that no bundle has"),
        (named("report.html", mode=stat.S_IFLNK | 0o777), "no plain file"),
        (named("report.html", mode=stat.S_IFIFO | 0o644), "no plain file"),
        (named("report.html", method=zipfile.ZIP_LZMA), "packed in a way"),
        (named("report.html", method=zipfile.ZIP_BZIP2), "packed in a way"),
    ],
)
def test_a_file_that_has_no_place_in_a_bundle_is_refused(files, info, words):
    found = looked_at(archive_of(files, infos=[(info, b"verify.py")]))
    assert (found.code, words in found.line) == (2, True), found.line


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_refused(files):
    found = looked_at(archive_of(files, infos=[(named("README.txt"), b"other")]))
    assert (found.code, "twice" in found.line) == (2, True)


def test_a_file_that_is_missing_is_named(files):
    for name in files:
        found = looked_at(archive_of({n: c for n, c in files.items() if n != name}))
        assert found.code == 2, name


def test_bombs_are_not_unpacked(files):
    for name, size in (("entries.ndjson", 300), ("payloads.txt", 300), ("report.json", 65)):
        found = looked_at(archive_of({**files, name: b"0" * size * MIB}))
        assert found.code == 2, name
    many = {f"checkpoints/{n:015d}.note": b"x" for n in range(1, 2_100)}
    assert "files or parts" in looked_at(archive_of({**files, **many})).line


@pytest.mark.parametrize("name", ["entries.ndjson", "payloads.txt"])
def test_a_line_without_an_end_is_not_read_to_its_end(files, name):
    block = bytes(range(32, 127)) * 11_000
    found = looked_at(archive_of({**files, name: block * 20}, compression=zipfile.ZIP_STORED))
    assert found.code in {1, 2}
    assert looked_at(archive_of({**files, name: files[name][:-1]})).code == 2


def test_nothing_lies_before_between_or_after_the_files(files):
    good = archive_of(files)
    for content in (b"MZ" + good, good + b"x", archive_of(files, comment=b"hi"), good[:-1], b""):
        assert looked_at(content).code == 2
    with_extra = named("report.html")
    with_extra.extra = struct.pack("<HH4s", 0x7075, 4, b"evil")
    assert looked_at(archive_of(files, infos=[(with_extra, b"x")])).code == 2


def test_an_archive_that_says_two_things_of_a_file_is_refused(files):
    good = bytearray(archive_of(files))
    first = good.index(b"README.txt")
    renamed = good[:first] + b"readme.TXT" + good[first + 10 :]
    assert looked_at(bytes(renamed)).code == 2
    for at in (6, 8, 14, 18, 22):  # flags, method, CRC and both sizes of the first file
        twisted = bytearray(good)
        twisted[at] ^= 1
        assert looked_at(bytes(twisted)).code == 2


def test_a_file_that_is_encrypted_or_streamed_is_refused(files):
    for bit in (1, 8):
        content = bytearray(archive_of(files))
        content[6] |= bit
        directory = content.index(b"PK\x01\x02")
        content[directory + 8] |= bit
        assert looked_at(bytes(content)).code == 2


def test_a_second_larger_directory_is_not_believed(files):
    good = archive_of(files)
    end = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 10**6, 10**6, 10**9, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(good) - 22, 1)
    assert looked_at(good[:-22] + end + locator + good[-22:]).code == 2


@pytest.mark.parametrize("name", ["bundle.json", "report.json"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"statements":{},"statements":{}}',
        b'{"size":NaN}',
        b'{"size":1e999}',
        b'{"size":' + b"9" * 100_000 + b"}",
        b'{"statements":"\\ud800"}',
    ],
    ids=range(12),
)
def test_json_that_is_meant_to_hurt_does_not(files, name, content):
    assert looked_at(archive_of({**files, name: content})).code in {1, 2}


@pytest.mark.parametrize(
    "about",
    [
        {"kind": "objects", "objects": ["model:x"]},
        {"kind": "objects", "objects": []},
        {"kind": "log", "objects": ["model:x"]},
        {"kind": "other"},
        {"objects": [1]},
        {"objects": {"a": 1}},
        {"size": True},
        {"size": "42"},
        {"size": 41},
        {"schema": "lockgate.audit-bundle/2"},
        {"more": 1},
    ],
)
def test_what_the_bundle_says_of_itself_is_not_believed(files, about):
    said = {**json.loads(files["bundle.json"]), **about}
    assert looked_at(archive_of({**files, "bundle.json": json.dumps(said).encode()})).code in {1, 2}


@pytest.mark.parametrize(
    "proofs",
    [
        {},
        {"objects": {"model:credit-default": {"index": 0, "path": []}}},
        {"objects": {"model:credit-default": {"index": "x", "path": [1]}}},
        {"objects": {"model:credit-default": {"index": 10**18, "path": ["00" * 32] * 200}}},
        {"objects": [], "entries": {"1": ["zz"]}},
        {"entries": {"1": ["00" * 32]}},
    ],
)
def test_proofs_that_prove_nothing_prove_nothing(files, proofs):
    about = {**json.loads(files["bundle.json"]), "kind": "objects"}
    about["objects"] = ["model:credit-default"]
    changed = {
        "bundle.json": json.dumps(about).encode(),
        "proofs.json": json.dumps(proofs).encode(),
    }
    assert looked_at(archive_of({**files, **changed})).code in {1, 2}


def test_nothing_in_a_bundle_speaks_to_the_terminal(files):
    evil = json.loads(files["report.json"])
    evil["statements"]["first_at"] = "\x1b[2J\x1b]0;owned\x07\n\r"
    found = looked_at(archive_of({**files, "report.json": json.dumps(evil).encode()}))
    assert found.code == 1
    assert verify._shown(found.line).isprintable()
