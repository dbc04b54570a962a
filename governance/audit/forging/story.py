"""A log that is made up, its keys, and how it is packed into a bundle.

All keys are made of their names, so anybody can make them, and the same run gives the
same bytes.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance import notes
from governance.audit import chain, merkle
from governance.audit.standalone import verify

ORIGIN = "lockgate.vectors/audit"
BEGAN = datetime(2026, 11, 20, 8, tzinfo=UTC)
MODEL = "model:credit-default"
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
