"""Decision records: what one transaction was answered with, read out of a prediction log. Pure.

A log comes from an agent, so nothing in it is believed beyond what it is: the word of the
agent that uploaded it. Of a log only the transactions' ids are read, and the other columns
only of the row groups that hold the one asked for.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from governance.errors import Invalid
from promotion.evidence import LAST_MICROSECOND

LONGEST_ID = 256
MOST_ANSWERS = 20
"""Answers to one transaction that are told; callers try again a few times, not for ever."""
_ID = "transaction_id"
_COLUMNS = (_ID, "at", "model", "digest", "score", "latency_ms")
_TEXTS = (_ID, "model", "digest")
_ROWS_AT_ONCE = 65_536
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Record:
    """One answer, as the agent that gave it wrote it down."""

    digest: str
    at: datetime | None
    score: float | None
    latency_ms: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A record, with who wrote it, in which file, and which version its digest is."""

    record: Record
    agent: str
    file: str
    version: int | None
    """``None`` when no version of the model has this digest."""


@dataclass(frozen=True, slots=True)
class Search:
    """What was found of one transaction, and how far was looked."""

    environment: str
    model: str
    transaction: str
    answers: list[Answer]
    files: int
    size: int
    since: datetime | None
    """When the first of the files that were looked at was uploaded, and the last."""
    until: datetime | None
    older_left: bool
    newer_left: bool
    unreadable: list[str]

    @property
    def is_whole(self) -> bool:
        """Whether all decision records of the environment were looked at."""
        return not (self.older_left or self.newer_left or self.unreadable)


def wanted(text: str) -> str:
    """Return the transaction's id when it can be one.

    Raises:
        Invalid: ``bad_transaction``.
    """
    problem = ""
    if not 1 <= len(text) <= LONGEST_ID:
        problem = f"must have 1 to {LONGEST_ID} characters"
    elif "\0" in text:
        problem = "must not hold the character U+0000"
    if problem:
        message = f"The transaction's id {problem}."
        raise Invalid(message, code="bad_transaction", transaction=problem)
    return text


def find(data: bytes, *, transaction: str, model: str) -> list[Record]:
    """Return what a log says of one transaction of one model, ``MOST_ANSWERS`` at most.

    Raises:
        Invalid: ``not_parquet``, the file cannot be read.
    """
    try:
        # Texts stay in dictionaries: a long one repeated a million times is held once.
        log = pq.ParquetFile(io.BytesIO(data), read_dictionary=list(_TEXTS))
        return _find(log, transaction=transaction, model=model)
    except (pa.ArrowException, OSError, ValueError, OverflowError):
        message = "This prediction log cannot be read."
        raise Invalid(message, code="not_parquet") from None


def _find(log: pq.ParquetFile, *, transaction: str, model: str) -> list[Record]:
    found: list[Record] = []
    for group in range(log.num_row_groups):
        if not any(_chosen(b, {_ID: transaction}).num_rows for b in _batches(log, group, (_ID,))):
            continue
        for batch in _batches(log, group, _COLUMNS):
            rows = _chosen(batch, {_ID: transaction, "model": model})
            found += _records(rows.slice(0, MOST_ANSWERS - len(found)))
            if len(found) == MOST_ANSWERS:
                return found
    return found


def _batches(log: pq.ParquetFile, group: int, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    batches: Iterator[pa.RecordBatch] = log.iter_batches(
        batch_size=_ROWS_AT_ONCE, row_groups=[group], columns=list(columns)
    )
    return batches


def _chosen(batch: pa.RecordBatch, texts: dict[str, str]) -> pa.RecordBatch:
    """Keep the rows whose columns hold these texts."""
    for name, text in texts.items():
        column = batch.column(name)
        place = pc.index(column.dictionary, pa.scalar(text, column.dictionary.type)).as_py()
        if place < 0:
            return batch.slice(0, 0)
        batch = batch.filter(pc.equal(column.indices, place))
    return batch


def _records(rows: pa.RecordBatch) -> list[Record]:
    columns = (rows.column(name) for name in ("digest", "score", "latency_ms"))
    times = rows.column("at").cast(pa.int64())
    values = zip(*(column.to_pylist() for column in (*columns, times)), strict=True)
    return [
        Record(
            # What is no digest names no version; it need not be told at length.
            digest=(digest or "")[:64],
            at=_moment(at),
            score=score if score is not None and isfinite(score) else None,
            latency_ms=round(took, 4) if took is not None and isfinite(took) else None,
        )
        for digest, score, took, at in values
    ]


def _moment(microseconds: int | None) -> datetime | None:
    if microseconds is None or not 0 <= microseconds <= LAST_MICROSECOND:
        return None
    return _EPOCH + timedelta(microseconds=microseconds)
