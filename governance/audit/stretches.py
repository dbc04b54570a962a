"""Checks the log stretch by stretch, each in bounded time, so that a page can do it.

``verify`` walks the whole log, which takes a minute for a million entries. Here one call
checks as many whole blocks of entries as its time allows, and says where the next begins.
Every stretch is held against what the sealer signed: its blocks' roots are computed again,
and the checkpoints that lie in it are compared with the tree and their signatures checked.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction

from governance import notes
from governance.audit import chain, checkpoints, merkle
from governance.audit.actions import Action
from governance.audit.chain import GENESIS, Start, Stored
from governance.audit.models import Block, Checkpoint, Entry, Head
from governance.audit.verify import (
    GUARDS,
    Finding,
    Report,
    Walk,
    excess_rights,
    missing_guards,
)
from governance.errors import Conflict

SECONDS = 8.0
"""How long one call checks, about: it ends after the chunk in which this is over."""
CHUNK = 16 * merkle.BLOCK
MOST_CHECKPOINTS = 50
"""Of those in one stretch, the newest."""

_ALONE = "SELECT pg_try_advisory_xact_lock(hashtext('audit.verified'))"
_STOOD = """
SELECT earlier.object, earlier.object_seq, earlier.hash
FROM (
    SELECT object, min(object_seq) AS first FROM audit_entry
    WHERE seq > %(after)s AND seq <= %(upto)s GROUP BY object
) AS stretch
JOIN audit_entry AS earlier
    ON earlier.object = stretch.object AND earlier.object_seq = stretch.first - 1
WHERE earlier.seq <= %(after)s
"""
_OBJECTS = """
SELECT (SELECT coalesce(sum(seq), 0) FROM audit_object_head), (
    SELECT count(*) FROM audit_object_head AS head
    LEFT JOIN audit_entry AS entry
        ON entry.object = head.object AND entry.object_seq = head.seq AND entry.hash = head.hash
    WHERE entry.seq IS NULL
)
"""


@dataclass(slots=True)
class Checked:
    """What one call checked, and what is wrong with it."""

    first: int
    last: int
    head: int
    report: Report = field(default_factory=Report)
    erased: int = 0
    """Payloads that are gone, of which an entry says so."""
    blocks: int = 0
    checkpoints: int = 0
    signatures: int = 0
    guards: int = len(GUARDS)
    seconds: float = 0.0
    keys: bool = False
    """Whether the sealer's public keys are known here, so that signatures could be checked."""

    @property
    def findings(self) -> list[Finding]:
        return self.report.findings

    @property
    def states(self) -> dict[str, str]:
        """Of each thing that was checked, whether it is as it should be."""
        wrong = {one.area for one in self.findings}
        if "head" in wrong:
            wrong.add("chain")
        areas = ("chain", "payload", "checkpoint", "guard")
        return {area: "failed" if area in wrong else "done" for area in areas}

    @property
    def is_whole(self) -> bool:
        return self.report.ok

    @property
    def entries(self) -> int:
        return self.report.entries

    @property
    def next(self) -> int | None:
        """Where the next stretch begins; None when this one reached the end."""
        return self.last + 1 if self.last < self.head else None


def check(
    first: int = 1, *, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
) -> Checked:
    """Check from one entry on until the time is over or the log is.

    Args:
        first: a number; the stretch begins with the block it lies in.

    Raises:
        Conflict: ``verification_running``, somebody else's is not over.
    """
    begun, is_outermost = clock(), not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        _refuse_second()
        head = Head.objects.first()
        size = head.seq if head else 0
        after = max(min(first, size) - 1, 0) // merkle.BLOCK * merkle.BLOCK
        found = Checked(after + 1, after, size)
        while found.last < size and (found.last == after or clock() - begun < seconds):
            _check_chunk(found, upto=min(found.last + CHUNK, size))
        if found.last == size:
            _check_end(found, head)
            _check_nothing_is_cut(found)
        _check_checkpoints(found)
        for reason in (*missing_guards(), *excess_rights()):
            found.report.add("guard", reason)
    found.seconds = clock() - begun
    return found


def _refuse_second() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_ALONE)
        if not cursor.fetchone()[0]:
            message = "The log is being verified right now. Try again when that is over."
            raise Conflict(message, code="verification_running")


def _check_chunk(found: Checked, *, upto: int) -> None:
    """Check some blocks of entries, and their roots."""
    after = found.last
    walk = Walk(found.report, lambda _: None, after=after, upto=upto)
    hashes: list[bytes] = []
    for fault in chain.faults(_kept(walk, hashes), start=_start(after, upto)):
        found.report.add("chain", fault.reason, fault.seq)
    if walk.last_seq < upto:
        found.report.add("chain", f"entry {walk.last_seq + 1} is missing, with all up to {upto}")
    _check_erased(found, walk)
    _check_blocks(found, hashes, after=after)
    found.last = upto


def _check_erased(found: Checked, walk: Walk) -> None:
    """Let an entry say of each payload that is gone that it was erased."""
    if not walk.erased:
        return
    subjects = {f"entry:{seq}": seq for seq in walk.erased}
    told = Entry.objects.filter(action=Action.PAYLOAD_ERASED, subject__in=list(subjects))
    known = set(told.values_list("subject", flat=True))
    found.erased += len(known)
    for subject, seq in subjects.items():
        if subject not in known:
            found.report.add("payload", "its payload was erased, and no entry says so", seq)


def _kept(walk: Walk, hashes: list[bytes]) -> Iterator[Stored]:
    """Keep what the tree is computed from, on the way: the hash of the leaf as it is now."""
    for entry in walk.entries():
        hashes.append(bytes.fromhex(chain.leaf_hash(entry.leaf.encode())))
        yield entry


def _start(after: int, upto: int) -> Start:
    """Read where the chains stood before a stretch. Two queries."""
    previous = Entry.objects.filter(seq=after).values_list("hash", flat=True).first()
    with connection.cursor() as cursor:
        cursor.execute(_STOOD, {"after": after, "upto": upto})
        stood = {name: (seq, last) for name, seq, last in cursor.fetchall()}
    return Start(after, previous or GENESIS, stood)


def _check_blocks(found: Checked, hashes: list[bytes], *, after: int) -> None:
    """Compute the roots of whole blocks again, and compare them with those that are kept."""
    first, count = after // merkle.BLOCK, len(hashes) // merkle.BLOCK
    rows = Block.objects.filter(number__gte=first, number__lt=first + count)
    for number, root in rows.values_list("number", "root"):
        begin = (number - first) * merkle.BLOCK
        found.blocks += 1
        if merkle.root(hashes[begin : begin + merkle.BLOCK]).hex() != root:
            entries = f"{number * merkle.BLOCK + 1} to {(number + 1) * merkle.BLOCK}"
            found.report.add("checkpoint", f"entries {entries} are not those that were sealed")


def _check_end(found: Checked, head: Head | None) -> None:
    """Compare where the chains end with where their heads say they do. Two queries."""
    last = Entry.objects.order_by("-seq").values_list("seq", "hash").first() or (0, GENESIS)
    said = (head.seq, head.hash) if head else (0, GENESIS)
    if said != last:
        found.report.add("head", f"the head stands at entry {said[0]}, the log ends with {last[0]}")
    with connection.cursor() as cursor:
        cursor.execute(_OBJECTS)
        total, strays = cursor.fetchone()
    if strays or total != last[0]:
        found.report.add("head", "objects do not end with the entries their heads say they do")


def _check_nothing_is_cut(found: Checked) -> None:
    newest = checkpoints.newest()
    if newest is not None and newest.size > found.head:
        reason = f"{newest.size:,} entries were sealed, and the log has {found.head:,}"
        found.report.add("checkpoint", reason)


def _check_checkpoints(found: Checked) -> None:
    """Compare the newest checkpoints of a stretch with the tree, and check who signed them."""
    rows = Checkpoint.objects.filter(size__gte=found.first, size__lte=found.last)
    tree, keys = checkpoints.tree(), trusted()
    found.keys = bool(keys)
    for row in rows.order_by("-size")[:MOST_CHECKPOINTS]:
        found.checkpoints += 1
        if tree.root(0, row.size).hex() != row.root:
            reason = f"the log is not the one that was sealed at {row.size:,} entries"
            found.report.add("checkpoint", reason)
        if keys:
            found.signatures += 1
            if reason := _wrong_with(row, keys):
                found.report.add("checkpoint", f"the checkpoint of {row.size:,} entries {reason}")


def trusted() -> list[notes.Verifier]:
    """Read the sealer's public keys, if the control plane was given them."""
    path: Path | None = settings.CONFIG.checkpoint_keys_file
    if path is None:
        return []
    return notes.read_keys(path.read_text())


def _wrong_with(row: Checkpoint, keys: list[notes.Verifier]) -> str:
    try:
        read = notes.open_note(row.note, keys)
    except notes.BadNote as error:
        return f"is not signed by a key we were given: {error}"
    if (read.size, read.root.hex()) != (row.size, row.root):
        return "is signed for another log than its row says"
    return ""
