"""Finds by which version one transaction was answered, in what agents uploaded.

The files are many and large, so one call looks at so many and no more, the nearest to the
time first where one is given and else the newest, and says how far it came.
"""

from datetime import datetime, timedelta
from itertools import islice

from django.db.models import QuerySet

from governance.errors import GovernanceError, Unavailable
from governance.models import Environment
from promotion import decision_records
from promotion.decision_records import MOST_ANSWERS, Answer, Record, Search
from promotion.models import PredictionBatch
from registry.models import ModelVersion, RegisteredModel
from registry.services import blobs

MOST_FILES = 200
MOST_BYTES = 128 * 1024**2
SLACK = timedelta(minutes=5)
"""How far an agent's clock may be ahead: a file is uploaded after what it tells of."""


def search(
    *, environment: Environment, model: RegisteredModel, transaction: str, at: datetime | None
) -> Search:
    """Look a transaction up in the decision records of an environment.

    Args:
        environment: whose agents' files are looked at.
        model: whose answers count.
        transaction: its id, as its caller gave it.
        at: about when it was, if that is known.

    Raises:
        Invalid: ``bad_transaction``.
        Unavailable: the store does not work.
    """
    wanted = decision_records.wanted(transaction)
    newer, older = _files(environment, at=at)
    looked = _within_bounds([*newer, *older])
    taken = {batch.pk for batch in looked}
    found: list[tuple[Record, PredictionBatch]] = []
    unreadable = []
    for batch in looked:
        records = _read(batch, transaction=wanted, model=model.name)
        if records is None:
            unreadable.append(batch.blob_id)
        found += [(record, batch) for record in records or ()]
    times = sorted(batch.at for batch in looked)
    return Search(
        environment=environment.slug,
        model=model.name,
        transaction=wanted,
        answers=_answers(model, found),
        files=len(looked),
        size=sum(batch.blob.size for batch in looked),
        since=times[0] if times else None,
        until=times[-1] if times else None,
        older_left=any(batch.pk not in taken for batch in older),
        newer_left=any(batch.pk not in taken for batch in newer),
        unreadable=unreadable,
    )


def _files(
    environment: Environment, *, at: datetime | None
) -> tuple[list[PredictionBatch], list[PredictionBatch]]:
    """Return files from a moment on, and those before it, nearest first; one more than we read."""
    rows: QuerySet[PredictionBatch] = PredictionBatch.objects.filter(
        kind=PredictionBatch.Kind.DECISION, agent__target__environment=environment
    ).select_related("agent", "blob")
    if at is None:
        return [], list(rows.order_by("-at", "-pk")[: MOST_FILES + 1])
    begin = at - SLACK
    newer = rows.filter(at__gte=begin).order_by("at", "pk")[: MOST_FILES + 1]
    older = rows.filter(at__lt=begin).order_by("-at", "-pk")[: MOST_FILES + 1]
    return list(newer), list(older)


def _within_bounds(files: list[PredictionBatch]) -> list[PredictionBatch]:
    chosen: list[PredictionBatch] = []
    size = 0
    for batch in islice(files, MOST_FILES):
        size += batch.blob.size
        if chosen and size > MOST_BYTES:
            break
        chosen.append(batch)
    return chosen


def _read(batch: PredictionBatch, *, transaction: str, model: str) -> list[Record] | None:
    """Return what a file says; ``None`` when its bytes are lost, damaged or no log."""
    try:
        with blobs.open_blob(batch.blob_id) as reader:
            data = b"".join(reader)
        return decision_records.find(data, transaction=transaction, model=model)
    except GovernanceError as error:
        if isinstance(error, Unavailable) and error.code != "blob_damaged":
            raise
        return None


def _answers(model: RegisteredModel, found: list[tuple[Record, PredictionBatch]]) -> list[Answer]:
    """Put the newest answers first, each with the version that its digest names."""
    found.sort(key=lambda one: one[0].at or one[1].at, reverse=True)
    told = found[:MOST_ANSWERS]
    digests = {record.digest for record, _ in told}
    rows = ModelVersion.objects.filter(model=model, digest__in=digests)
    numbers = dict(rows.values_list("digest", "number"))
    return [
        Answer(
            record=record,
            agent=batch.agent.name,
            file=batch.blob_id,
            version=numbers.get(record.digest),
        )
        for record, batch in told
    ]
