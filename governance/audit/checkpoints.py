"""What of the log is sealed, and proofs about it. Reads only; the sealer is the only writer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce

from governance.audit import merkle
from governance.audit.actions import Action
from governance.audit.models import Block, Checkpoint, Entry, Head, ObjectHead, SealerReport

LATE = timedelta(minutes=5)
"""After that an entry that is not sealed is an alarm: the sealer comes every minute."""


@dataclass(frozen=True, slots=True)
class Sealing:
    """How far the log is sealed, and what the sealer says."""

    head: int
    sealed: int
    sealed_at: datetime | None
    waiting_since: datetime | None
    """When the first entry was written that is not sealed."""
    said: dict[str, Any]
    said_at: datetime | None

    @property
    def waiting(self) -> int:
        return self.head - self.sealed

    @property
    def refused(self) -> str:
        """Why the sealer refuses to go on; empty when it does not."""
        return str(self.said.get("refused", ""))

    def is_wanted(self) -> bool:
        """Tell whether anybody is to seal this log at all."""
        return bool(settings.CONFIG.checkpoint_sinks)

    def is_late(self, now: datetime) -> bool:
        return self.waiting_since is not None and now - self.waiting_since > LATE

    def failing(self, now: datetime) -> list[dict[str, Any]]:
        """Sinks that could not be reached for too long."""
        found = [each for each in self.said.get("sinks", []) if each.get("error")]
        return [each for each in found if now - _time(each["since"]) > LATE]


def sealing() -> Sealing:
    """Read how the sealing stands. One query."""
    newest = Checkpoint.objects.order_by("-size")
    said = SealerReport.objects.filter(pk=OuterRef("pk"))
    first = Entry.objects.filter(seq__gt=Coalesce(Subquery(newest.values("size")[:1]), 0))
    row = (
        Head.objects.annotate(
            sealed=Coalesce(Subquery(newest.values("size")[:1]), 0),
            sealed_at=Subquery(newest.values("at")[:1]),
            waiting_since=Subquery(first.order_by("seq").values("at")[:1]),
            said=Subquery(said.values("said")[:1]),
            said_at=Subquery(said.values("at")[:1]),
        )
        .values("seq", "sealed", "sealed_at", "waiting_since", "said", "said_at")
        .first()
    )
    if row is None:
        return Sealing(0, 0, None, None, {}, None)
    return Sealing(
        head=row["seq"],
        sealed=row["sealed"],
        sealed_at=row["sealed_at"],
        waiting_since=row["waiting_since"],
        said=row["said"] or {},
        said_at=row["said_at"],
    )


def newest() -> Checkpoint | None:
    """Return the checkpoint of the largest log."""
    return Checkpoint.objects.order_by("-size").first()


def covering(seq: int) -> Checkpoint | None:
    """Return the first checkpoint that seals an entry; None while it waits."""
    return Checkpoint.objects.filter(size__gte=seq).order_by("size").first()


def epoch() -> int:
    """Say which history this is: one more than lost ones were adopted."""
    adopted = Entry.objects.filter(object="system", action=Action.LOG_HISTORY_ADOPTED)
    return 1 + adopted.count()


def tree() -> merkle.Tree:
    """Return the log as a tree, from kept blocks; leaves are read where a proof needs them."""
    blocks = Block.objects.order_by("number").values_list("root", flat=True)
    return merkle.Tree([bytes.fromhex(root) for root in blocks], _leaves)


def inclusion(seq: int, *, size: int) -> list[bytes]:
    """Prove that an entry is in the log of a size (RFC 6962, PATH)."""
    return tree().inclusion(seq - 1, size)


def consistency(old: int, *, size: int) -> list[bytes]:
    """Prove that the log of a size only adds to the log of an older one (RFC 6962, PROOF)."""
    return tree().consistency(old, size)


def object_ends(*, size: int) -> list[tuple[str, int, str]]:
    """Where each object's chain ended at a size, in the order in which they are sealed.

    Args:
        size: of a checkpoint. Near the log's end this is quick; heads that have moved on
            since are looked up one by one.
    """
    moved = set(Entry.objects.filter(seq__gt=size).values_list("object", flat=True).distinct())
    ends = {
        name: (seq, last)
        for name, seq, last in ObjectHead.objects.values_list("object", "seq", "hash")
        if name not in moved
    }
    for name in moved:
        last = Entry.objects.filter(object=name, seq__lte=size).order_by("-object_seq").first()
        if last is not None:
            ends[name] = last.object_seq, last.hash
    return [(name, *ends[name]) for name in sorted(ends, key=str.encode)]


def _leaves(first: int, last: int) -> list[bytes]:
    rows = Entry.objects.filter(seq__gt=first, seq__lte=last).order_by("seq")
    return [bytes.fromhex(each) for each in rows.values_list("hash", flat=True)]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
