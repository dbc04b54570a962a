"""Writes what an auditor takes away: entries, payloads, checkpoints, proofs, and the verifier.

The format is docs/audit-bundle.md. A bundle is of the whole log, or of some objects with
proofs for what it leaves out. It ends with the newest checkpoint: what is not sealed yet
is not in it. The same question at the same checkpoint gives the same bytes.

Nothing is judged here: of a log that somebody has changed a bundle is written all the
same, for the verifier to name what is wrong with it.
"""

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from governance import notes, signing
from governance.audit import chain, checkpoints, merkle
from governance.audit.models import Checkpoint, Entry, Payload
from governance.audit.standalone import verify
from governance.errors import Conflict, NotFound, TooLarge

REPORT = "lockgate.audit-report/1"
MOST_CHECKPOINTS = 200
MOST_BYTES = 2 * 1000**3
"""Of one file: what a plain zip archive holds. A larger log is taken away by objects."""
MADE_AT = (1980, 1, 1, 0, 0, 0)
CHUNK = 2_000
VERIFIER = Path(verify.__file__)
README = """\
A bundle of the audit log of {origin}: {entries} of {size} entries, as sealed at {at}.

    python3 -I -S verify.py --keys keys.txt BUNDLE.zip

exits with 0 when it is proven, with 1 when tampering is proven, with 2 when neither is.
Python 3.9 or newer, nothing else: no network, no database, no library.

- Take keys.txt, and better verify.py too, from somebody you trust, not from this bundle.
  The SHA-256 of the verify.py in here is {verifier}.
- Keep checkpoints/{size:015d}.note. With --since and an older one that you kept, the
  verifier finds a history that was rewritten in between.
- entries.ndjson  what is hashed of each entry, one a line
- payloads.txt    number, salt and payload of each entry: names, reasons, facts
- checkpoints/    what the sealer signed
- report.json     what follows from the entries, under "statements", and what was reported
"""


@dataclass(frozen=True, slots=True)
class Question:
    """What a bundle is about."""

    objects: frozenset[str] = frozenset()
    """Objects such as ``model:<name>``, each with all its entries. None: the whole log."""
    others: frozenset[int] = frozenset()
    """Numbers of single entries of other objects, each with a proof that it is in the log."""
    since: int = 0
    """Size of an older checkpoint that the bundle has to be compared with; 0 for none."""
    report: Mapping[str, object] = field(default_factory=dict)
    """A document to go with it, under ``report``. Names in it mean no file of the bundle."""
    page: str = ""
    """The same for reading, as one HTML file."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written."""

    entries: int
    size: int
    statements: Mapping[str, Any] | None
    """None when the log is such that nothing follows from it: the verifier says why."""


def write(file: BinaryIO, question: Question) -> Written:
    """Write a bundle; ``file`` can be sought in.

    Raises:
        Conflict: ``not_sealed``, there is no checkpoint yet.
        NotFound: ``unknown_object``, nothing that is sealed is about it.
        Conflict: ``erasure_not_sealed``, a payload went after the newest checkpoint.
        TooLarge: the log is larger than one bundle.
    """
    is_outermost = not connection.in_atomic_block
    with transaction.atomic(), ExitStack() as stack:
        if is_outermost:
            _hold_still()
        packer = _Packer(question, _newest())
        entries = stack.enter_context(tempfile.TemporaryFile())
        payloads = stack.enter_context(tempfile.TemporaryFile())
        count, statements = packer.spool(entries, payloads)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            packer.pack(archive, entries=entries, payloads=payloads, statements=statements)
    return Written(count, packer.newest.size, statements)


def verifier_of_bundles() -> list[notes.Verifier]:
    """Return the public keys that sign what a bundle holds, for the auditors' file of keys."""
    name = f"{_name(_newest())}/bundles"
    return [notes.Verifier(name, public) for public in signing.public_keys()]


def _newest() -> Checkpoint:
    found = checkpoints.newest()
    if found is None:
        raise Conflict("Nothing is sealed yet; the sealer comes by the minute.", code="not_sealed")
    return found


def _hold_still() -> None:
    """Read everything as of one moment."""
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


def _name(checkpoint: Checkpoint) -> str:
    """Return the log's first name, under which its key signs."""
    found = _read(checkpoint)
    return found.name if found else "unknown"


def _read(checkpoint: Checkpoint) -> verify.Checkpoint | None:
    """Read a checkpoint as the verifier does; one that was damaged tells nothing."""
    try:
        return verify.Checkpoint(checkpoint.note.encode(), {}, "the newest checkpoint")
    except verify.Tampered:
        return None


class _Packer:
    """One bundle on its way."""

    def __init__(self, question: Question, newest: Checkpoint) -> None:
        self.question, self.newest = question, newest
        self.others = question.others | _tombstones(question.others)
        self.hashes: dict[str, str] = {}
        self.proofs = self._proofs() if question.objects else {}

    def spool(
        self, entries: IO[bytes], payloads: IO[bytes]
    ) -> tuple[int, Mapping[str, Any] | None]:
        """Write the two long files, and derive the statements on the way."""
        count, following = 0, _Following(self)
        for row in self._rows().iterator(chunk_size=CHUNK):
            leaf, beside = row["leaf"].encode(), _beside(row, size=self.newest.size)
            entries.write(leaf + b"\n")
            payloads.write(beside + b"\n")
            following.take(leaf, beside)
            count += 1
        if max(entries.tell(), payloads.tell()) > MOST_BYTES:
            raise TooLarge("The log is larger than one bundle: ask for objects.", entries=count)
        return count, following.statements()

    def pack(
        self,
        archive: zipfile.ZipFile,
        *,
        entries: IO[bytes],
        payloads: IO[bytes],
        statements: Mapping[str, Any] | None,
    ) -> None:
        """Put everything into the archive; the signed list of all files comes last."""
        about = {
            "schema": verify.SCHEMA,
            "kind": "objects" if self.question.objects else "log",
            "objects": sorted(self.question.objects),
            "size": self.newest.size,
        }
        put = _put(archive, self.hashes)
        put("README.txt", self._readme(statements).encode())
        put("verify.py", VERIFIER.read_bytes())
        put("bundle.json", chain.canonical(about).encode())
        for name, content in (("entries.ndjson", entries), ("payloads.txt", payloads)):
            content.seek(0)
            put(name, content)
        for row in self._checkpoints():
            put(f"checkpoints/{row.size:015d}.note", row.note.encode())
        if self.proofs:
            put("proofs.json", _json(self.proofs))
        report = {"schema": REPORT, "statements": statements, "report": self.question.report}
        put("report.json", _json(report))
        if self.question.page:
            put("report.html", self.question.page.encode())
        lines = [verify.SCHEMA, *(f"{self.hashes[name]}  {name}" for name in sorted(self.hashes))]
        name = f"{_name(self.newest)}/bundles"
        text = "".join(f"{line}\n" for line in lines)
        put("MANIFEST.txt", signing.sign_note(text, name=name).encode())

    def _rows(self) -> QuerySet[Entry, Any]:
        found = Entry.objects.filter(seq__lte=self.newest.size)
        if self.question.objects:
            wanted = Q(object__in=self.question.objects) | Q(seq__in=self.others)
            found = found.filter(wanted)
        return found.order_by("seq").values("seq", "leaf", "payload__salt", "payload__body")

    def _checkpoints(self) -> list[Checkpoint]:
        """The newest; of the whole log some older ones too, so that a change is narrowed down."""
        if self.question.objects:
            return [self.newest]
        sizes = list(Checkpoint.objects.order_by("size").values_list("size", flat=True))
        step = max(len(sizes) // MOST_CHECKPOINTS, 1)
        chosen = {*sizes[::step], self.newest.size} | {self.question.since}
        return list(Checkpoint.objects.filter(size__in=chosen, size__lte=self.newest.size))

    def _proofs(self) -> dict[str, Any]:
        """Prove that the objects end here, and that single entries are in the log."""
        ends = checkpoints.object_ends(size=self.newest.size)
        places = {name: index for index, (name, _, _) in enumerate(ends)}
        if missing := sorted(self.question.objects - places.keys()):
            message = f"Nothing that is sealed is about {', '.join(missing)}."
            raise NotFound(message, code="unknown_object")
        leaves = [merkle.leaf(notes.object_leaf(*end)) for end in ends]
        over = merkle.Tree([], lambda first, last: leaves[first:last])
        tree, size = checkpoints.tree(), self.newest.size
        others = Entry.objects.filter(seq__in=self.others, seq__lte=size)
        alone = others.exclude(object__in=self.question.objects).values_list("seq", flat=True)
        old = [self.question.since] if 0 < self.question.since < size else []
        return {
            "objects": {
                name: {
                    "index": places[name],
                    "path": _hex(over.inclusion(places[name], len(leaves))),
                }
                for name in sorted(self.question.objects)
            },
            "entries": {str(seq): _hex(tree.inclusion(seq - 1, size)) for seq in sorted(alone)},
            "consistency": {str(each): _hex(tree.consistency(each, size)) for each in old},
        }

    def _readme(self, statements: Mapping[str, Any] | None) -> str:
        found = _read(self.newest)
        return README.format(
            origin=found.origin if found else "unknown",
            entries=statements["entries"] if statements else "some",
            size=self.newest.size,
            at=found.at if found else "an unknown time",
            verifier=hashlib.sha256(VERIFIER.read_bytes()).hexdigest(),
        )


class _Following:
    """Derives what a report may say, by the verifier's own replay, while all goes well."""

    def __init__(self, packer: _Packer) -> None:
        newest = _read(packer.newest)
        objects = {name.encode() for name in packer.question.objects}
        proofs = verify.Proofs(packer.proofs)
        self.log = verify.Log(objects, [newest], proofs) if newest else None
        self.replay = verify.Replay(each=bool(objects))

    def take(self, leaf: bytes, beside: bytes) -> None:
        if self.log is None:
            return
        try:
            fields, payload = self.log.take(leaf, beside)
            self.replay.take(fields, payload)
            self.log.note_tombstone(fields)
        except (verify.Tampered, verify.Undecided):
            self.log = None

    def statements(self) -> Mapping[str, Any] | None:
        if self.log is None:
            return None
        try:
            return self.replay.statements(self.log, self.log.close())
        except (verify.Tampered, verify.Undecided):
            return None


def _beside(row: Mapping[str, Any], *, size: int) -> bytes:
    """Return what lies beside an entry, as a line."""
    seq, salt, body = row["seq"], row["payload__salt"], row["payload__body"]
    if salt is None or body is None:
        by = _erased_by(seq)
        if by > size:
            message = f"The payload of entry {seq} was just erased; the sealer comes by the minute."
            raise Conflict(message, code="erasure_not_sealed", entry=seq, erased_by=by)
        return f"{seq} erased {by}".encode()
    return f"{seq} {bytes(salt).hex()} {body}".encode()


def _erased_by(seq: int) -> int:
    """Find the entry that says that a payload was erased; 0 when none does."""
    said = Entry.objects.filter(action="payload.erased", subject=f"entry:{seq}")
    return said.values_list("seq", flat=True).first() or 0


def _tombstones(seqs: frozenset[int]) -> frozenset[int]:
    """Find the entries that say of single ones that their payloads were erased."""
    if not seqs:
        return frozenset()
    gone = Payload.objects.filter(pk__in=seqs, body=None).values_list("pk", flat=True)
    said = Entry.objects.filter(
        action="payload.erased", subject__in=[f"entry:{seq}" for seq in gone]
    )
    return frozenset(said.values_list("seq", flat=True))


def _json(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def _hex(path: list[bytes]) -> list[str]:
    return [each.hex() for each in path]


def _put(archive: zipfile.ZipFile, hashes: dict[str, str]) -> Any:
    """Return what adds one file, and keeps its hash."""

    def put(name: str, content: bytes | IO[bytes]) -> None:
        info = zipfile.ZipInfo(name, MADE_AT)
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
        digest = hashlib.sha256()
        with archive.open(info, "w") as target:
            for chunk in _chunks(content):
                digest.update(chunk)
                target.write(chunk)
        hashes[name] = digest.hexdigest()

    return put


def _chunks(content: bytes | IO[bytes]) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    while chunk := content.read(1024**2):
        yield chunk
