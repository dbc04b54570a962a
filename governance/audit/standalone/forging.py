"""Makes ``vectors/``: a good bundle, and one for each way to tamper with it.

    python -m governance.audit.standalone.forging [FOLDER]

Whoever tampers here can do most: own the database, pack bundles with the control plane's
key, and chain everything anew. Only the sealer's key is out of reach, but where the
vector says so. All keys are made up, and the same run gives the same bytes.
"""

import base64
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance import notes
from governance.audit import chain, merkle
from governance.audit.standalone import verify

ORIGIN = "lockgate.vectors/audit"
BEGAN = datetime(2026, 11, 20, 8, tzinfo=UTC)
MODEL = "model:credit-default"
VECTORS = Path(__file__).with_name("vectors")
README = "A bundle made up for tests. docs/audit-bundle.md says what is in it.\n"


def key(name: str) -> Ed25519PrivateKey:
    """Make a key that anybody can make: of its name."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


SEALER, PACKER, STRANGER = key("sealer"), key("packer"), key("stranger")


def keys_text() -> str:
    """Return the file of keys that auditors are given."""
    pairs = ((ORIGIN, SEALER), (f"{ORIGIN}/bundles", PACKER))
    lines = [str(notes.Verifier(name, k.public_key().public_bytes_raw())) for name, k in pairs]
    return "# Keys of the vectors; nobody else's.\n" + "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Row:
    """One entry: what is hashed of it, but for its place in the chains, and what lies beside."""

    fields: Mapping[str, Any]
    payload: str | None
    salt: bytes
    erased_by: int = 0

    def beside(self) -> str:
        seq = self.fields["seq"]
        if self.payload is None:
            return f"{seq} erased {self.erased_by}"
        return f"{seq} {self.salt.hex()} {self.payload}"


@dataclass(slots=True)
class Story:
    """A log that grows."""

    rows: list[Row] = field(default_factory=list)
    erased: dict[int, int] = field(default_factory=dict)
    """Entries whose payloads are gone by now, and the entries that say so."""

    def add(
        self, action: str, *, about: str, object: str = MODEL, by: str = "asha", **facts: Any
    ) -> int:
        """Record something; return its number."""
        place = {name: facts.pop(name, None) for name in ("environment", "request")}
        version, seq = facts.pop("version", None), len(self.rows) + 1
        payload = chain.canonical({"actor": by, **facts})
        salt = hashlib.sha256(b"salt %d" % seq).digest()[:16]
        fields = {
            "action": action,
            "actor_id": hashlib.sha256(by.encode()).hexdigest()[:12],
            "actor_kind": "user",
            "at": f"{BEGAN + timedelta(seconds=37 * seq):%Y-%m-%dT%H:%M:%S.%f}Z",
            "model": object.removeprefix("model:") if object.startswith("model:") else None,
            "model_version": version,
            "object": object,
            "payload_sha256": chain.payload_hash(salt, payload.encode()),
            "seq": seq,
            "subject": about,
            "v": 1,
            **place,
        }
        self.rows.append(Row(fields, payload, salt))
        return seq

    def erase(self, seq: int) -> None:
        """Take one payload away; an entry says so."""
        self.erased[seq] = self.add(
            "payload.erased", about=f"entry:{seq}", by="dpo", reason="article 17"
        )
        gone = self.rows[seq - 1]
        self.rows[seq - 1] = replace(gone, payload=None, erased_by=self.erased[seq])


def chained(rows: Iterable[Row]) -> list[bytes]:
    """Give every entry its place in both chains: the exact bytes that are hashed."""
    previous, ends, lines = chain.GENESIS, dict[str, tuple[int, str]](), []
    for row in rows:
        seq, last = ends.get(row.fields["object"], (0, chain.GENESIS))
        links = {"object_seq": seq + 1, "prev_hash": previous, "prev_object_hash": last}
        line = chain.canonical({**row.fields, **links}).encode()
        previous = chain.leaf_hash(line)
        ends[row.fields["object"]] = seq + 1, previous
        lines.append(line)
    return lines


def sealed(lines: list[bytes], *, signing: Ed25519PrivateKey = SEALER, origin: str = ORIGIN) -> str:
    """Sign a checkpoint over these entries."""
    ends = dict[str, tuple[int, str]]()
    for line in lines:
        fields = json.loads(line)
        ends[fields["object"]] = fields["object_seq"], chain.leaf_hash(line)
    leaves = [merkle.leaf(notes.object_leaf(n, *ends[n])) for n in sorted(ends, key=str.encode)]
    root = merkle.root(merkle.leaf(line) for line in lines)
    at = datetime.fromisoformat(json.loads(lines[-1])["at"]) + timedelta(seconds=20)
    made = notes.Checkpoint(
        origin, len(lines), root, len(ends), merkle.root(leaves), at.replace(microsecond=0)
    )
    return notes.sign(made.text(), name=ORIGIN, keys=[signing])


@dataclass(slots=True)
class Bundle:
    """What is packed; each part may be tampered with before it is."""

    lines: list[bytes]
    beside: list[str]
    notes: dict[str, str]
    size: int
    report: dict[str, Any]
    packing: Ed25519PrivateKey = PACKER
    changed: dict[str, bytes] = field(default_factory=dict)
    """Files that are changed after they were packed."""

    def files(self) -> dict[str, bytes]:
        """Return every file, the signed list of all of them included."""
        about = {"schema": verify.SCHEMA, "kind": "log", "objects": [], "size": self.size}
        files = {
            "README.txt": README.encode(),
            "verify.py": b"# not in the vectors: take the one beside them\n",
            "bundle.json": chain.canonical(about).encode(),
            "entries.ndjson": b"".join(line + b"\n" for line in self.lines),
            "payloads.txt": "".join(f"{line}\n" for line in self.beside).encode(),
            **{f"checkpoints/{name}.note": text.encode() for name, text in self.notes.items()},
            "report.json": chain.canonical(self.report).encode(),
        }
        listed = "".join(
            f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)
        )
        text = f"{verify.SCHEMA}\n{listed}"
        note = notes.sign(text, name=f"{ORIGIN}/bundles", keys=[self.packing])
        return {**files, "MANIFEST.txt": note.encode(), **self.changed}

    def content(self) -> bytes:
        """Return the archive."""
        return packed(self.files())


def packed(files: Mapping[str, bytes]) -> bytes:
    """Pack files; the same ones give the same bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
            archive.writestr(info, content)
    return made.getvalue()


def bundle(story: Story, sizes: Iterable[int]) -> Bundle:
    """Pack a story that was sealed at these sizes, the last of which is its end."""
    lines, beside = chained(story.rows), [row.beside() for row in story.rows]
    signed = {f"{size:015d}": sealed(lines[:size]) for size in sizes}
    made = Bundle(lines, beside, signed, len(lines), {})
    made.report = {
        "schema": "lockgate.audit-report/1",
        "statements": statements(made),
        "report": {},
    }
    return made


def statements(made: Bundle) -> dict[str, Any]:
    """Derive what the entries say, as whoever writes a bundle does."""
    newest = verify.Checkpoint(made.notes[max(made.notes)].encode(), {}, "the newest")
    log, replay = verify.Log(set(), [newest], verify.Proofs({})), verify.Replay()
    for line, beside in zip(made.lines, made.beside, strict=True):
        fields, payload = log.take(line, beside.encode())
        replay.take(fields, payload)
        log.note_tombstone(fields)
    return replay.statements(log, log.close())


# -- The story ---------------------------------------------------------------------------


def told() -> Story:
    """One model's life in 42 entries: two versions, one after the other, in one environment."""
    story = Story()
    story.add("system.started", about="system:1", object="system", by="system", software="0.1.0")
    for slug in ("qa", "prod-eu"):
        story.add(
            "environment.defined",
            about=f"environment:{slug}",
            object=f"environment:{slug}",
            environment=slug,
            kind="production",
        )
    story.add("model.registered", about=MODEL, purpose='Scores "clients"\nof Zürich \U0001f512')
    for version in (1, 2):
        story.add("version.registered", about=f"version:{version}", version=version, digest="d" * 8)
        story.add("version.inspected", about=f"version:{version}", version=version, status="ready")
        for slug in ("qa", "prod-eu"):
            _promoted(story, version, slug)
    story.erase(6)
    story.add("attempt.refused", about="request:none", by="eva", rule="four_eyes")
    return story


def _promoted(story: Story, version: int, slug: str) -> None:
    """Ask, sign, and switch."""
    request = f"00000000-0000-4000-8000-0000000000{version}{len(slug)}"
    place: dict[str, Any] = {"version": version, "environment": slug}
    asked = {**place, "request": request, "content_hash": f"{version}" * 64}
    subject = f"deployment:{version}-{slug}"
    story.add("deployment.opened", about=subject, **place, state="trained", role="")
    about = f"request:{request}"
    story.add("request.opened", about=about, **asked, kind="promote", state="open", reason="Tests")
    for person, role in (("bram", "approver"), ("cleo", "risk")):
        signed = {**asked, "person": person, "role": role, "meaning": "approval"}
        story.add("request.approved", about=f"approval:{person}-{request}", by=person, **signed)
    moved = {**place, "request": request, "by": "system"}
    story.add("deployment.admitted", about=subject, **moved, state="production", role="candidate")
    if version > 1:
        former = {**moved, "version": version - 1}
        about = f"deployment:{version - 1}-{slug}"
        story.add("deployment.baked", about=about, **former, state="production", role="bake")
    story.add("deployment.promoted", about=subject, **moved, state="production", role="champion")
    if version > 1:
        story.add("deployment.retired", about=about, **former, state="retired", role="")
    story.add("request.executed", about=f"request:{request}", **asked, kind="promote", state="done")


# -- The ways to tamper ------------------------------------------------------------------


def good() -> Bundle:
    """What nobody has touched."""
    story = told()
    return bundle(story, [*range(10, len(story.rows), 10), len(story.rows)])


def _edited(rows: list[Row], at: int) -> Row:
    """Let somebody else have done it."""
    return replace(rows[at], fields={**rows[at].fields, "actor_id": "somebody"})


def edit() -> Bundle:
    made = good()
    fields = json.loads(made.lines[16])
    made.lines[16] = chain.canonical({**fields, "actor_id": "somebody"}).encode()
    return made


def delete() -> Bundle:
    made = good()
    del made.lines[16], made.beside[16]
    return made


def insert() -> Bundle:
    """A forged entry after the 16th, linked to it; all after it are numbered anew."""
    made = good()
    forged = {**json.loads(made.lines[16]), "actor_id": "somebody"}
    after = [json.loads(line) for line in made.lines[16:]]
    moved = [chain.canonical({**each, "seq": each["seq"] + 1}).encode() for each in after]
    made.lines = [*made.lines[:16], chain.canonical(forged).encode(), *moved]
    rest = [line.split(" ", 1) for line in made.beside[16:]]
    shifted = [f"{int(seq) + 1} {words}" for seq, words in rest]
    made.beside = [*made.beside[:17], *shifted]
    return made


def reorder() -> Bundle:
    made = good()
    made.lines[16], made.lines[17] = made.lines[17], made.lines[16]
    made.beside[16], made.beside[17] = made.beside[17], made.beside[16]
    return made


def cut_tail() -> Bundle:
    made = good()
    del made.lines[35:], made.beside[35:]
    return made


def rechained_rewrite() -> Bundle:
    """Everything after the change is chained anew; the sealer's checkpoints stay."""
    story, made = told(), good()
    story.rows[16] = _edited(story.rows, 16)
    return replace(made, lines=chained(story.rows))


def fork() -> Bundle:
    """The sealer's key was used twice for one size: two readers were shown two logs."""
    story, made = told(), good()
    story.rows[32] = _edited(story.rows, 32)
    made.notes["000000000000040-2"] = sealed(chained(story.rows)[:40])
    return made


def old_backup() -> Bundle:
    """Entries from the 31st on are another history, sealed at its end; 40 was sealed before."""
    story, before = told(), good()
    for at in range(30, len(story.rows)):
        story.rows[at] = _edited(story.rows, at)
    made = bundle(story, [10, 20, 30, len(story.rows)])
    made.notes["000000000000040"] = before.notes["000000000000040"]
    return made


def swapped_key() -> Bundle:
    """All is signed anew, by a key that calls itself the log's."""
    made = good()
    made.notes = {name: sealed(made.lines[: int(name)], signing=STRANGER) for name in made.notes}
    return made


def bad_signature() -> Bundle:
    made = good()
    name = max(made.notes)
    text, line = made.notes[name].split("\n\n")
    head, encoded = line.rstrip("\n").rsplit(" ", 1)
    raw = bytearray(base64.b64decode(encoded))
    raw[40] ^= 1
    made.notes[name] = f"{text}\n\n{head} {base64.b64encode(raw).decode()}\n"
    return made


def duplicate_seq() -> Bundle:
    made = good()
    made.lines.insert(17, made.lines[16])
    made.beside.insert(17, made.beside[16])
    return made


def non_canonical() -> Bundle:
    """The same values in other bytes, and all chained and sealed so."""
    made = good()
    made.lines[16] = json.dumps(json.loads(made.lines[16])).encode()
    return made


def clock_backwards() -> Bundle:
    """The database's clock was set back; the sealer took it, the verifier does not."""
    story = told()
    early = {**story.rows[16].fields, "at": story.rows[10].fields["at"]}
    story.rows[16] = replace(story.rows[16], fields=early)
    lines, made = chained(story.rows), good()
    made.lines = lines
    made.notes = {name: sealed(lines[: int(name)]) for name in made.notes}
    return made


def wrong_report() -> Bundle:
    made = good()
    made.report["statements"]["champions"][0]["version"] = 1
    return made


TAMPERED: dict[str, Callable[[], Bundle]] = {
    "edit": edit,
    "delete": delete,
    "insert": insert,
    "reorder": reorder,
    "cut-tail": cut_tail,
    "rechained-rewrite": rechained_rewrite,
    "fork": fork,
    "old-backup": old_backup,
    "swapped-key": swapped_key,
    "bad-signature": bad_signature,
    "duplicate-seq": duplicate_seq,
    "non-canonical": non_canonical,
    "clock-backwards": clock_backwards,
    "wrong-report": wrong_report,
}


def made_files() -> dict[str, bytes]:
    """Return every file of ``vectors/``."""
    files = {"keys.txt": keys_text().encode(), "good.zip": good().content()}
    return files | {f"tampered-{name}.zip": make().content() for name, make in TAMPERED.items()}


def main() -> None:
    """Write the vectors."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else VECTORS
    folder.mkdir(exist_ok=True)
    for name, content in made_files().items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
