"""The two prediction logs as Parquet: their columns, and how rows become bytes.

The control plane reads these files with the same columns and types. A column
may be added at the end; none changes its name or type.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import IO, Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from serving_agent.ports import PredictionKind

logger = logging.getLogger(__name__)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class DecisionRow(NamedTuple):
    """One answer that a caller was given."""

    transaction_id: str
    at: int
    """Microseconds since 1970, UTC."""
    model: str
    version: int
    digest: str
    score: float | None
    latency_ms: float
    mirrored: bool
    """Chosen for the mirror, so expected on the dark side: a drop shows as missing there."""
    agent: str


class DarkRow(NamedTuple):
    """One score of one dark version, beside what the champion said."""

    transaction_id: str
    at: int
    """When the champion answered, in microseconds since 1970: both sides fall in one window."""
    model: str
    version: int
    digest: str
    score: float | None
    error: str | None
    latency_ms: float
    champion_digest: str
    champion_score: float
    agent: str
    producer: str
    epoch: str
    seq: int


Row = DecisionRow | DarkRow

_TIME: Final = pa.timestamp("us", tz="UTC")

SCHEMAS: Final[dict[PredictionKind, Any]] = {
    "decision": pa.schema(
        [
            ("transaction_id", pa.string()),
            ("at", _TIME),
            ("model", pa.string()),
            ("version", pa.int32()),
            ("digest", pa.string()),
            ("score", pa.float64()),
            ("latency_ms", pa.float32()),
            ("mirrored", pa.bool_()),
            ("agent", pa.string()),
        ]
    ),
    "dark": pa.schema(
        [
            ("transaction_id", pa.string()),
            ("at", _TIME),
            ("model", pa.string()),
            ("version", pa.int32()),
            ("digest", pa.string()),
            ("score", pa.float64()),
            ("error", pa.string()),
            ("latency_ms", pa.float32()),
            ("champion_digest", pa.string()),
            ("champion_score", pa.float64()),
            ("agent", pa.string()),
            ("producer", pa.string()),
            ("epoch", pa.string()),
            ("seq", pa.int64()),
        ]
    ),
}


def write(kind: PredictionKind, rows: Sequence[Row], file: IO[bytes]) -> int:
    """Write the rows as one Parquet file and return how many could be written.

    A row that does not fit its columns (a lone surrogate, a number out of
    range) is left out, so that one caller's odd id does not cost all the others.
    """
    try:
        table = _table(kind, rows)
    except _UNFIT:
        fitting = [row for row in rows if _fits(kind, row)]
        logger.warning("%d of %d %s rows do not fit", len(rows) - len(fitting), len(rows), kind)
        table = _table(kind, fitting)
    pq.write_table(table, file, compression="zstd")
    return int(table.num_rows)


def keys(file: IO[bytes]) -> list[tuple[str, str]]:
    """Read which (transaction, digest) pairs a file holds."""
    table = pq.read_table(file, columns=["transaction_id", "digest"])
    return list(
        zip(
            table["transaction_id"].to_pylist(),
            table["digest"].to_pylist(),
            strict=True,
        )
    )


_UNFIT: Final = (pa.ArrowException, UnicodeError, OverflowError, TypeError, ValueError)


def _table(kind: PredictionKind, rows: Sequence[Row]) -> Any:
    schema = SCHEMAS[kind]
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.Table.from_arrays(
        [pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)],
        schema=schema,
    )


def _fits(kind: PredictionKind, row: Row) -> bool:
    try:
        _table(kind, [row])
        at = _EPOCH + timedelta(microseconds=row.at)
    except _UNFIT:
        return False
    return at >= _EPOCH
