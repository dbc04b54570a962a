"""The verifier alone: it proves the good bundle, and names what was done to each other one."""

import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from governance import notes
from governance.audit import forging
from governance.audit.standalone import verify

VERIFIER = Path(verify.__file__)
VECTORS = VERIFIER.with_name("vectors")
NAMED = {
    "edit": "entry 17 is not the one that entry 18 follows",
    "delete": "entry 17 is missing: entry 18 stands in its place",
    "insert": "entry 17 is not the one that entry 18 follows",
    "reorder": "entry 17 is missing: entry 18 stands in its place",
    "cut-tail": "entry 36 is missing, with all after it: 42 entries were sealed",
    "rechained-rewrite": "entries 11 to 20 are not those that were sealed",
    "fork": "the log was forked: two checkpoints of 40 entries",
    "old-backup": "entries 31 to 40 are not those that were sealed",
    "swapped-key": "signed by a key that calls itself lockgate.vectors/audit",
    "bad-signature": "000042.note has a false signature of lockgate.vectors/audit",
    "duplicate-seq": "entry 17 is there twice",
    "non-canonical": "entry 17 is not in canonical form",
    "clock-backwards": "entry 17: its time is before that of the entry before it",
    "wrong-report": "the report's statements.champions[0].version is 1, and by the entries it is 2",
}


def pythons():
    """This one, and every other one of this machine that is new enough."""
    found = {sys.executable}
    for minor in range(9, 15):
        for path in (Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.*/bin/python"):
            found.add(str(path))
        if there := shutil.which(f"python3.{minor}", path="/usr/bin:/usr/local/bin"):
            found.add(there)
    return sorted(found)


@pytest.fixture
def alone(tmp_path):
    """Run the verifier, copied alone into an empty folder, with nothing but the language."""
    copy = tmp_path / "verify.py"
    shutil.copy(VERIFIER, copy)

    def run(*arguments, python=sys.executable):
        return subprocess.run(
            [python, "-I", "-S", "-W", "error", str(copy), *map(str, arguments)],
            cwd=tmp_path,
            env={"PATH": "/usr/bin"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_vectors_are_what_the_script_makes():
    made = forging.made_files()
    assert {path.name for path in VECTORS.iterdir()} == set(made)
    for name, content in made.items():
        there = (VECTORS / name).read_bytes()
        assert _unpacked(there) == _unpacked(content), f"run: python -m {forging.__name__}"


def _unpacked(content):
    if not content.startswith(b"PK"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


@pytest.mark.parametrize("python", pythons())
def test_every_python_gives_the_same_answers(alone, python):
    said = alone("--keys", VECTORS / "keys.txt", VECTORS / "good.zip", python=python)
    assert (said.returncode, said.stderr) == (0, ""), said.stderr
    assert said.stdout.startswith("PROVEN: 42 of 42 entries of lockgate.vectors/audit, sealed at")
    assert "1 payloads were erased, and entries say so" in said.stdout
    for name in ("edit", "rechained-rewrite", "bad-signature"):
        path = VECTORS / f"tampered-{name}.zip"
        said = alone("--keys", VECTORS / "keys.txt", path, python=python)
        assert (said.returncode, said.stderr) == (1, "")
        assert NAMED[name] in said.stdout


@pytest.mark.parametrize("name", sorted(NAMED))
def test_each_way_to_tamper_is_proven_and_named(alone, name):
    said = alone("--keys", VECTORS / "keys.txt", VECTORS / f"tampered-{name}.zip")
    assert said.returncode == 1, said.stdout
    assert said.stdout.startswith("TAMPERING PROVEN: ")
    assert NAMED[name] in said.stdout
    assert said.stderr == ""


def test_there_are_fourteen_ways_and_all_are_tried():
    assert set(NAMED) == set(forging.TAMPERED)
    assert len(NAMED) == 14


def test_every_vector_but_the_packing_itself_is_packed_by_who_may_pack():
    """So that it is the evidence that gives them away, and not the list of files."""
    for make in forging.TAMPERED.values():
        files = make().files()
        note = verify.Note(files["MANIFEST.txt"], verify.read_keys(forging.keys_text()), "list")
        assert note.known == ["lockgate.vectors/audit/bundles"]


def test_usage_has_a_code_of_its_own(alone, tmp_path):
    (tmp_path / "no-keys.txt").write_text("# none\n")
    (tmp_path / "bad-keys.txt").write_text("name+00000000+AAAA\n")
    keys, good = VECTORS / "keys.txt", VECTORS / "good.zip"
    for arguments in (
        [],
        [good],
        ["--keys", keys],
        ["--keys", keys, good, good],
        ["--keys"],
        ["--keys", keys, "--fast", good],
        ["--keys", keys, "--keys", keys, good],
        ["--keys", "/nowhere", good],
        ["--keys", keys, "/nowhere"],
        ["--keys", tmp_path, good],
        ["--keys", tmp_path / "no-keys.txt", good],
        ["--keys", tmp_path / "bad-keys.txt", good],
        ["--keys", good, good],
        ["--keys", keys, good, "--since", "/nowhere"],
    ):
        said = alone(*arguments)
        assert said.returncode == 3, (arguments, said.stdout, said.stderr)
        assert "Traceback" not in said.stderr
    assert alone("--help").returncode == 0


def verified(made, *, keys=None, since=None):
    content = made if isinstance(made, bytes) else made.content()
    return verify.verify(io.BytesIO(content), keys or forging.keys_text(), since)


def test_without_the_right_keys_nothing_is_decided():
    key = forging.STRANGER.public_key().public_bytes_raw()
    strange = f"{notes.Verifier('somebody.else/audit', key)}\n"
    assert verified(forging.good(), keys=strange).code == 2
    sealer = "".join(forging.keys_text().splitlines(keepends=True)[:2])
    found = verified(forging.good(), keys=sealer)
    assert (found.code, "MANIFEST.txt" in found.line) == (2, True)


def test_the_key_that_packs_seals_nothing():
    """Whoever has the control plane's key cannot sign as the sealer."""
    made = forging.good()
    packer, name = forging.PACKER, f"{forging.ORIGIN}/bundles"
    made.notes = {
        size: notes.sign(note.partition("\n\n")[0] + "\n", name=name, keys=[packer])
        for size, note in made.notes.items()
    }
    assert verified(made).code != 0
    renamed = forging.good()
    renamed.notes = {
        size: notes.sign(
            note.partition("\n\n")[0].replace(forging.ORIGIN, name) + "\n", name=name, keys=[packer]
        )
        for size, note in renamed.notes.items()
    }
    assert verified(renamed).code != 0


def test_a_checkpoint_that_was_kept_finds_a_rewritten_history():
    before = forging.good()
    kept = before.notes["000000000000020"]
    assert verified(before, since=kept).notes == [
        "the log still begins with the 20 entries you had seen sealed",
        "1 payloads were erased, and entries say so",
    ]
    story = forging.told()
    story.rows[16] = forging.edited(story.rows, 16)
    rewritten = forging.bundle(story, [30, 42])
    assert verified(rewritten).code == 0, "the sealer itself has signed the other history"
    found = verified(rewritten, since=kept)
    assert found.code == 1
    assert "entries 1 to 20 are not those of the checkpoint you kept" in found.line


def test_a_log_that_is_shorter_than_what_was_kept_went_back():
    story = forging.told()
    kept = forging.good().notes["000000000000042"]
    del story.rows[40:]
    story.rows[5] = forging.told().rows[5]
    shorter = forging.bundle(forging.Story(forging.told().rows[:5]), [5])
    found = verified(shorter, since=kept)
    assert found.code == 1
    assert "entry 6 is missing, with all after it: the checkpoint you kept covers 42" in found.line


@pytest.mark.parametrize(
    ("since", "code"),
    [("", 1), ("x\n", 1), ("a\n\n\u2014 b eHh4eHg=\n", 1), ("\udcff", 1)],
)
def test_what_is_no_checkpoint_is_not_compared_with(since, code):
    assert verified(forging.good(), since=since).code == code


def test_a_payload_that_is_missing_is_only_missing_with_an_entry_that_says_so():
    made = forging.good()
    for gone, words in (
        ("9 erased 0", "its payload is missing, and no entry says so"),
        ("9 erased 12", "its payload is missing, and entry 12 does not say so"),
        ("9 erased 41", "its payload is missing, and entry 41 does not say so"),
        ("8 00 {}", "its payload is missing, or is another's"),
        ("9 zz {}", "its payload has no salt"),
        (made.beside[8].replace("0", "1"), "its payload"),
        (made.beside[8] + " ", "entry 9: its payload is not the one that was recorded"),
    ):
        beside = [*made.beside[:8], gone, *made.beside[9:]]
        found = verified(forging.Bundle(made.lines, beside, made.notes, 42, made.report))
        assert (found.code, words in found.line) == (1, True), (gone, found.line)


@pytest.mark.parametrize(
    ("moves", "words"),
    [
        ([(1, "dark", "")], "entry 1: a version begins as trained, not as dark"),
        (
            [(1, "trained", ""), (1, "retired", ""), (1, "trained", "")],
            "entry 3: no arrow leads from retired to trained",
        ),
        (
            [
                (1, "trained", ""),
                (2, "trained", ""),
                (1, "production", "champion"),
                (2, "production", "champion"),
            ],
            "entry 4: version 1 is still the champion",
        ),
        ([(1, "trained", ""), (1, "production", "champion")], ""),
    ],
)
def test_the_lifecycle_is_replayed(moves, words):
    story = forging.Story()
    for version, state, role in moves:
        place = {"version": version, "environment": "qa", "state": state, "role": role}
        story.add("deployment.moved", about=f"deployment:{version}", **place)
    lines, size = forging.chained(story.rows), len(moves)
    signed = {f"{size:015d}": forging.sealed(lines)}
    beside = [row.beside() for row in story.rows]
    made = forging.Bundle(lines, beside, signed, size, {})
    if words:
        found = verified(made)
        assert (found.code, found.line) == (1, words)
    else:
        made.report["statements"] = forging.statements(made)
        assert verified(made).code == 0
        assert made.report["statements"]["champions"] == [
            {"environment": "qa", "model": "credit-default", "version": 1}
        ]
