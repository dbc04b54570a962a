"""Makes a large bundle for ``benchmarks.audit``: 10,000 models, a version after the other.

Straight from text, because a million entries through the database would take a quarter of
an hour. It is a whole bundle all the same: chained, sealed a hundred times, and packed.
"""

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from governance import notes
from governance.audit import chain, forging, merkle
from governance.audit.standalone import verify

MODELS, STEPS, SEALED = 10_000, 10, 100
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
GENESIS = "0" * 64


def write(path: Path, entries: int, *, cut: bool = False) -> None:
    """Write a bundle of that many entries; ``cut`` leaves the last one out."""
    log = _Log(entries)
    with tempfile.TemporaryFile() as lines, tempfile.TemporaryFile() as payloads:
        for leaf, beside in log.rows():
            if not (cut and log.size == entries):
                lines.write(leaf + b"\n")
                payloads.write(beside + b"\n")
        _pack(path, log, lines, payloads)


class _Log:
    """A log as it grows, with the verifier's own replay beside it for what the report states."""

    def __init__(self, entries: int) -> None:
        self.entries, self.size, self.signed = entries, 0, dict[int, str]()
        self.tree, self.ends = merkle.Frontier(), dict[str, tuple[int, str]]()
        self.replay = verify.Replay()

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        previous, stops = GENESIS, max(self.entries // SEALED, 1)
        for number in range(self.entries):
            fields, payload = _told(number)
            name, seq = fields["object"], number + 1
            object_seq, last = self.ends.get(name, (0, GENESIS))
            salt = hashlib.sha256(b"%d" % number).digest()[:16]
            leaf = _leaf(
                fields
                | {
                    "object_seq": object_seq + 1,
                    "payload_sha256": chain.payload_hash(salt, payload.encode()),
                    "prev_hash": previous,
                    "prev_object_hash": last,
                    "seq": seq,
                }
            )
            previous = chain.leaf_hash(leaf)
            self.ends[name] = object_seq + 1, previous
            self.tree.add(bytes.fromhex(previous))
            self.size = seq
            self.replay.take(verify.leaf_fields(leaf, seq), payload.encode())
            if seq % stops == 0 or seq == self.entries:
                self.signed[seq] = self._sealed()
            yield leaf, f"{seq} {salt.hex()} {payload}".encode()

    def statements(self) -> dict[str, object]:
        newest = verify.Checkpoint(self.signed[self.size].encode(), {}, "the newest")
        log = verify.Log(set(), [newest], verify.Proofs({}))
        log.count = self.size
        return self.replay.statements(log, {n.encode(): end for n, end in self.ends.items()})

    def _sealed(self) -> str:
        ends = ((n, *self.ends[n]) for n in sorted(self.ends, key=str.encode))
        over = merkle.root(merkle.leaf(notes.object_leaf(*end)) for end in ends)
        at = BEGAN + timedelta(seconds=self.size)
        made = notes.Checkpoint(
            forging.ORIGIN, self.size, self.tree.root(), len(self.ends), over, at
        )
        return notes.sign(made.text(), name=forging.ORIGIN, keys=[forging.SEALER])


def _leaf(fields: dict[str, object]) -> bytes:
    """Write canonically: all here is ASCII, without escapes, and no fraction."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _told(number: int) -> tuple[dict[str, object], str]:
    """One model's life: each version is asked for, signed twice, and replaces the one before."""
    model, turn = number % MODELS, number // MODELS
    version, step = turn // STEPS + 1, turn % STEPS
    name, request = f"model-{model:05d}", f"00000000-0000-4000-8000-{model:06d}{version:06d}"
    action, subject, facts, about = _step(step, version=version, request=request)
    at = BEGAN + timedelta(seconds=number)
    fields = {
        "action": action,
        "actor_id": f"{model % 50:012d}",
        "actor_kind": "user",
        "at": f"{at:%Y-%m-%dT%H:%M:%S}.{number % 1_000_000:06d}Z",
        "environment": "prod-eu",
        "model": name,
        "model_version": about,
        "object": f"model:{name}",
        "request": request,
        "subject": f"{subject}-{name}",
        "v": 1,
    }
    payload = {"actor": f"person-{model % 50}", "digest": "d" * 64, "reason": "retrained", **facts}
    return fields, json.dumps(payload, sort_keys=True, separators=(",", ":"))


def _step(step: int, *, version: int, request: str) -> tuple[str, str, dict[str, object], int]:
    """Return what happens: action, subject, facts, and the version it happens to."""
    former, subject = max(version - 1, 1), f"deployment:{version}"
    signed = {"meaning": "approval", "content_hash": "c" * 64, "method": "password"}
    moves: dict[int, tuple[str, str, str]] = {
        1: ("deployment.opened", "trained", ""),
        5: ("deployment.admitted", "production", "candidate"),
        7: ("deployment.promoted", "production", "champion"),
    }
    past = {6: ("deployment.baked", "production", "bake"), 8: ("deployment.retired", "retired", "")}
    if step in moves or (step in past and version > 1):
        action, state, role = (moves | past)[step]
        whose = version if step in moves else former
        facts = {"state": state, "role": role, "hold": "none", "barred": False}
        return action, f"deployment:{whose}", dict(facts), whose
    if step in {3, 4}:
        person = {"person": f"person-{step}", "name": f"Person {step}", "role": "approver"}
        return "request.approved", f"approval:{step}-{request}", {**signed, **person}, version
    if step in {2, 9}:
        action, state = ("request.opened", "open") if step == 2 else ("request.executed", "done")
        asked = {"kind": "promote", "state": state, "content_hash": "c" * 64}
        return action, f"request:{request}", dict(asked), version
    return "version.attested", subject.replace("deployment", "version"), {}, version


def _pack(path: Path, log: _Log, lines: IO[bytes], payloads: IO[bytes]) -> None:
    report = {"schema": "lockgate.audit-report/1", "statements": log.statements(), "report": {}}
    about = {"schema": verify.SCHEMA, "kind": "log", "objects": [], "size": log.size}
    files: dict[str, bytes | IO[bytes]] = {
        "README.txt": b"made by a benchmark\n",
        "verify.py": Path(verify.__file__).read_bytes(),
        "bundle.json": chain.canonical(about).encode(),
        "entries.ndjson": lines,
        "payloads.txt": payloads,
        **{f"checkpoints/{size:015d}.note": note.encode() for size, note in log.signed.items()},
        "report.json": json.dumps(report, sort_keys=True).encode(),
    }
    hashes = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            hashes[name] = _put(archive, name, content)
        listed = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
        text = f"{verify.SCHEMA}\n{listed}"
        note = notes.sign(text, name=f"{forging.ORIGIN}/bundles", keys=[forging.PACKER])
        _put(archive, "MANIFEST.txt", note.encode())


def _put(archive: zipfile.ZipFile, name: str, content: bytes | IO[bytes]) -> str:
    """Add one file; return its hash."""
    info, digest = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), hashlib.sha256()
    info.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(info, "w") as target:
        if isinstance(content, bytes):
            chunks = iter([content])
        else:
            content.seek(0)
            chunks = iter(lambda: content.read(2**20), b"")
        for chunk in chunks:
            digest.update(chunk)
            target.write(chunk)
    return digest.hexdigest()
