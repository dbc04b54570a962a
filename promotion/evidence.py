"""Dark scores as sums: a prediction log is read strictly and added up. Pure.

A log comes from an agent, so nothing in it is believed: columns have their types, only
pairs of versions that are known are summed, a transaction counts once a pair, and a
number no model gives (not finite, or beyond ``LARGEST_SCORE``) is an error and no score.
"""

import hashlib
import io
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from governance.errors import Invalid

MAX_ROWS = 1_000_000
MAX_VERSIONS = 1_000
"""Different digests in one log; an environment has a handful of dark versions."""
MAX_UNPACKED = 512 * 1024**2
"""Bytes of a log once it is unpacked: a million rows of honest texts take less."""
BINS = 20
LARGEST_SCORE = 1e12
"""Beyond it a score is an accident, and sums of it would no longer be exact enough."""
LARGEST_LATENCY_MS = 3_600_000.0
LAST_MICROSECOND = 253_402_300_799_999_999
"""The last one of the year 9999, where dates end."""

_TIME = pa.timestamp("us", tz="UTC")
_COMMON = {
    "transaction_id": pa.string(),
    "at": _TIME,
    "model": pa.string(),
    "version": pa.int32(),
    "digest": pa.string(),
    "score": pa.float64(),
    "latency_ms": pa.float32(),
}
COLUMNS: Mapping[str, Mapping[str, pa.DataType]] = {
    "decision": _COMMON,
    "dark": {
        **_COMMON,
        "error": pa.string(),
        "champion_digest": pa.string(),
        "champion_score": pa.float64(),
    },
}
SUMMED = (
    "transaction_id",
    "at",
    "digest",
    "score",
    "latency_ms",
    "champion_digest",
    "champion_score",
)

Array = npt.NDArray[Any]
KEY = np.dtype("<u8")


@dataclass(frozen=True, slots=True)
class Pair:
    """Where in a log two versions scored the same transactions."""

    digest: str
    champion: str
    rows: Array
    keys: Array
    """What tells the rows' transactions apart, ``KEY`` each."""
    at: Array
    """When they were, in microseconds since 1970; -1 where a row does not say."""

    def only(self, chosen: Array) -> "Pair":
        """Leave out the rows that are not chosen."""
        return Pair(
            self.digest, self.champion, self.rows[chosen], self.keys[chosen], self.at[chosen]
        )


@dataclass(frozen=True, slots=True)
class Sums:
    """What one file adds to the tally of one pair of versions."""

    digest: str
    champion: str
    scored: int
    errors: int
    stricter: int
    laxer: int
    difference: float
    absolute: float
    latency_ms: float
    histogram: list[int]
    champion_histogram: list[int]
    first: datetime | None
    last: datetime | None


def read(kind: str, data: bytes) -> pa.Table:
    """Read a prediction log and check its shape.

    Raises:
        Invalid: ``not_parquet``, ``wrong_columns``, ``too_many_rows`` or ``too_large_unpacked``.
    """
    try:
        file = pq.ParquetFile(io.BytesIO(data))
        metadata = file.metadata
        found = {field.name: field.type for field in file.schema_arrow}
    except (pa.ArrowException, OSError, ValueError):
        raise Invalid("This is no Parquet file.", code="not_parquet") from None
    if metadata.num_rows > MAX_ROWS:
        message = f"A prediction log has at most {MAX_ROWS} rows."
        raise Invalid(message, code="too_many_rows")
    wrong = sorted(name for name, type_ in COLUMNS[kind].items() if found.get(name) != type_)
    if wrong or metadata.num_columns != len(found):
        message = "The columns of this prediction log are not as they should be."
        raise Invalid(message, code="wrong_columns", columns=wrong)
    groups = range(metadata.num_row_groups)
    if sum(metadata.row_group(i).total_byte_size for i in groups) > MAX_UNPACKED:
        message = "This prediction log is too large once it is unpacked."
        raise Invalid(message, code="too_large_unpacked")
    names = SUMMED if kind == "dark" else ("transaction_id",)
    texts = [name for name in names if COLUMNS[kind][name] == pa.string()]
    try:
        # Texts stay in dictionaries: a long one repeated a million times is held once.
        packed = pq.ParquetFile(io.BytesIO(data), read_dictionary=texts)
        return packed.read(columns=list(names))
    except (pa.ArrowException, OSError, ValueError):
        raise Invalid("This Parquet file is damaged.", code="not_parquet") from None


def named(table: pa.Table) -> frozenset[str]:
    """Return every digest a dark log names.

    Raises:
        Invalid: ``too_many_versions``.
    """
    found = {*_codes(table, "digest")[1], *_codes(table, "champion_digest")[1]}
    if len(found) > MAX_VERSIONS:
        message = f"A prediction log names at most {MAX_VERSIONS} versions."
        raise Invalid(message, code="too_many_versions")
    return frozenset(found)


def pairs(table: pa.Table, known: Container[str]) -> list[Pair]:
    """Find the pairs of known versions in a dark log, in the order of their digests.

    The rows of a pair hold a transaction once.
    """
    ids, texts = _codes(table, "transaction_id")
    mine, digests = _codes(table, "digest")
    theirs, champions = _codes(table, "champion_digest")
    keys, at, found = _keys(texts), _times(table), []
    for i, j in {*zip(mine.tolist(), theirs.tolist(), strict=True)}:
        if i < 0 or j < 0 or digests[i] not in known or champions[j] not in known:
            continue
        if digests[i] == champions[j]:
            continue  # Just promoted, and copies of its own answers are still under way.
        chosen = np.flatnonzero((mine == i) & (theirs == j) & (ids >= 0))
        _, first = np.unique(ids[chosen], return_index=True)
        rows = chosen[np.sort(first)]
        found.append(Pair(digests[i], champions[j], rows, keys[ids[rows]], at[rows]))
    return sorted(found, key=lambda pair: (pair.digest, pair.champion))


def summed(table: pa.Table, pair: Pair, *, thresholds: Mapping[str, float]) -> Sums:
    """Sum the rows of one pair of versions.

    Args:
        table: the log.
        pair: one of ``pairs``.
        thresholds: digest -> the score from which a version says yes, of both.
    """
    scores = _numbers(table, "score")[pair.rows]
    champion_scores = _numbers(table, "champion_score")[pair.rows]
    both = _is_score(scores) & _is_score(champion_scores)
    new, old = scores[both], champion_scores[both]
    yes, was = new >= thresholds[pair.digest], old >= thresholds[pair.champion]
    took = _numbers(table, "latency_ms")[pair.rows][both]
    sane = np.isfinite(took) & (took >= 0) & (took <= LARGEST_LATENCY_MS)
    known = pair.at[(pair.at >= 0) & (pair.at <= LAST_MICROSECOND)]
    return Sums(
        digest=pair.digest,
        champion=pair.champion,
        scored=int(both.sum()),
        errors=int(len(pair.rows) - both.sum()),
        stricter=int((yes & ~was).sum()),
        laxer=int((~yes & was).sum()),
        difference=float((new - old).sum()),
        absolute=float(np.abs(new - old).sum()),
        latency_ms=float(took[sane].sum()),
        histogram=_bins(new),
        champion_histogram=_bins(old),
        first=_moment(known.min()) if len(known) else None,
        last=_moment(known.max()) if len(known) else None,
    )


def _keys(texts: list[str]) -> Array:
    """Return eight bytes for each text, as good as the text to tell whether it was met."""
    digests = [hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts]
    return np.frombuffer(b"".join(digests), dtype=KEY)


def _codes(table: pa.Table, name: str) -> tuple[Array, list[str]]:
    """Return a text column as numbers into its different texts; -1 where there is none."""
    column = table.column(name).unify_dictionaries().combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(codes, dtype=np.int64), column.dictionary.to_pylist()


def _numbers(table: pa.Table, name: str) -> Array:
    """Return a column as doubles; NaN where there is none."""
    return np.asarray(table.column(name).to_numpy(), dtype=np.float64)


def _times(table: pa.Table) -> Array:
    """Return when each row was, in microseconds since 1970; -1 where it does not say."""
    column = table.column("at").cast(pa.int64()).combine_chunks()
    return np.asarray(column.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _is_score(values: Array) -> Array:
    return np.isfinite(values) & (np.abs(values) <= LARGEST_SCORE)


def _bins(scores: Array) -> list[int]:
    counts, _ = np.histogram(np.clip(scores, 0.0, 1.0), bins=BINS, range=(0.0, 1.0))
    return [int(count) for count in counts]


def _moment(microseconds: np.int64) -> datetime:
    seconds, rest = divmod(int(microseconds), 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
