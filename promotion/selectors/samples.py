"""A sample of changes, with what belongs to each: the pack an auditor takes away."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, Sum

from governance.audit import checkpoints, sampling
from governance.audit.bundles import Question
from governance.audit.models import Entry, ObjectHead
from governance.audit.population import head
from governance.audit.sampling import Drawn, Population
from governance.errors import Conflict, TooLarge
from promotion.selectors import listings, timeline
from promotion.selectors.timeline import Event

SCHEMA = "lockgate.audit-sample/1"
MOST_IN_PACKS = 200_000
"""Entries of the objects in one bundle of packs."""
MOST_IN_PACK = 500
"""Entries one change's pack names; its objects' chains are in the bundle whole."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was drawn, in words, in the order in which it was drawn."""

    drawn: Drawn
    events: tuple[Event, ...]


def limit() -> int:
    """Return how far a sample is drawn: to what is sealed, or to all while nothing is."""
    newest = checkpoints.newest()
    return newest.size if newest else head()


def sample(population: Population, *, seed: str, wanted: int) -> Sample:
    """Draw, and read what was drawn. Three queries."""
    drawn = sampling.draw(population, seed=seed, wanted=wanted)
    entries = Entry.objects.filter(seq__in=drawn.entries).select_related("payload")
    by_entry = {event.seq: event for event in timeline.in_words(entries)}
    return Sample(drawn, tuple(by_entry[seq] for seq in drawn.entries if seq in by_entry))


def packs(drawn: Drawn) -> Question:
    """Ask for the bundle of a sample: each change with all that belongs to it.

    Of every object that a drawn change is about the bundle has the whole chain, proven
    complete; of what else belongs to a change, single entries with proofs.

    Raises:
        Conflict: ``not_sealed``, nothing is, or not all that was drawn; ``nothing_drawn``.
        TooLarge: ``packs_too_large``.
    """
    newest = checkpoints.newest()
    if newest is None or newest.size < max(drawn.entries, default=0):
        message = "Not all of this sample is sealed yet; the sealer comes by the minute."
        raise Conflict(message, code="not_sealed")
    if not drawn.entries:
        raise Conflict("Nothing was drawn, so there is nothing to pack.", code="nothing_drawn")
    rows = list(Entry.objects.filter(seq__in=drawn.entries))
    objects = frozenset(row.object for row in rows)
    _refuse_too_many(objects)
    belonging = _belonging(rows, size=newest.size)
    others = frozenset(seq for one in belonging.values() for seq in one)
    return Question(
        objects=objects,
        others=others,
        report={
            "schema": SCHEMA,
            "sample": listings.about_sample(drawn),
            "packs": {
                str(row.seq): {"object": row.object, "entries": sorted(belonging[row.seq])}
                for row in rows
            },
        },
    )


def _refuse_too_many(objects: frozenset[str]) -> None:
    total = ObjectHead.objects.filter(object__in=objects).aggregate(total=Sum("seq"))["total"] or 0
    if total > MOST_IN_PACKS:
        message = (
            f"The changes drawn are about objects with {total:,} entries, and one bundle holds"
            f" {MOST_IN_PACKS:,}. Draw fewer, or from a shorter period or one model."
        )
        raise TooLarge(message, code="packs_too_large", entries=total, limit=MOST_IN_PACKS)


def _belonging(rows: list[Entry], *, size: int) -> Mapping[int, set[int]]:
    """Name the entries of the same request or about the same thing. One query."""
    requests = {row.request for row in rows if row.request}
    subjects = {row.subject for row in rows}
    near = Entry.objects.filter(Q(request__in=requests) | Q(subject__in=subjects), seq__lte=size)
    by_request: dict[UUID | None, set[int]] = defaultdict(set)
    by_subject: dict[str, set[int]] = defaultdict(set)
    for seq, request, subject in near.order_by("-seq").values_list("seq", "request", "subject"):
        for found in (by_request[request], by_subject[subject]):
            if len(found) < MOST_IN_PACK:
                found.add(seq)
    return {
        row.seq: {row.seq} | (by_request[row.request] if row.request else by_subject[row.subject])
        for row in rows
    }
