"""Takes prediction logs from agents: keeps the file, and adds dark rows to the sums."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.db import transaction

from governance.errors import Invalid
from governance.models import Environment
from promotion.models import Agent, DarkTally, PredictionBatch
from registry.models import Blob, ModelVersion

MAX_BYTES = 64 * 1024**2
MAX_ROWS = 1_000_000
BINS = 20
_COMMON = {
    "transaction_id": pa.string(),
    "model": pa.string(),
    "version": pa.int32(),
    "digest": pa.string(),
    "score": pa.float64(),
}
COLUMNS = {
    "decision": _COMMON,
    "dark": {
        **_COMMON,
        "error": pa.string(),
        "champion_digest": pa.string(),
        "champion_score": pa.float64(),
    },
}


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
        Invalid: ``not_parquet``, ``wrong_columns`` or ``too_many_rows``.
    """
    try:
        file = pq.ParquetFile(io.BytesIO(data))
    except (pa.ArrowException, OSError, ValueError):
        message = "This is no Parquet file."
        raise Invalid(message, code="not_parquet") from None
    if file.metadata.num_rows > MAX_ROWS:
        message = f"A prediction log has at most {MAX_ROWS} rows."
        raise Invalid(message, code="too_many_rows")
    found = {field.name: field.type for field in file.schema_arrow}
    wrong = [name for name, kind_ in COLUMNS[kind].items() if found.get(name) != kind_]
    if wrong or "at" not in found or not pa.types.is_timestamp(found["at"]):
        message = "The columns of this prediction log are not as they should be."
        raise Invalid(message, code="wrong_columns", columns=wrong)
    try:
        return file.read()
    except (pa.ArrowException, OSError, ValueError):
        message = "This Parquet file is damaged."
        raise Invalid(message, code="not_parquet") from None


@transaction.atomic
def accept(*, agent: Agent, kind: str, blob: Blob, table: pa.Table) -> tuple[PredictionBatch, bool]:
    """Note an uploaded log, once; the same file again changes nothing."""
    batch, is_new = PredictionBatch.objects.get_or_create(
        agent=agent, kind=kind, blob=blob, defaults={"rows": table.num_rows}
    )
    if is_new and kind == PredictionBatch.Kind.DARK:
        environment = agent.target.environment
        versions = _versions(table)
        for sums in summed(table, thresholds=_thresholds(versions)):
            if sums.digest in versions and sums.champion in versions:
                _add(environment, versions[sums.digest], versions[sums.champion], sums)
    return batch, is_new


def summed(table: pa.Table, *, thresholds: dict[str, float]) -> Iterator[Sums]:
    """Sum a dark log per pair of versions. Pure.

    Args:
        thresholds: digest -> the score from which a version says yes.
    """
    digests = table.column("digest").to_numpy(zero_copy_only=False)
    champions = table.column("champion_digest").to_numpy(zero_copy_only=False)
    scores = table.column("score").to_numpy(zero_copy_only=False).astype(float)
    champion_scores = table.column("champion_score").to_numpy(zero_copy_only=False).astype(float)
    latency = table.column("latency_ms").to_numpy(zero_copy_only=False).astype(float)
    at = table.column("at").to_pylist()
    pairs = {(d, c) for d, c in zip(digests, champions, strict=True) if d and c}
    for digest, champion in sorted(pairs):
        mine = (digests == digest) & (champions == champion)
        good = mine & np.isfinite(scores) & np.isfinite(champion_scores)
        new, old = scores[good], champion_scores[good]
        yes = new >= thresholds.get(digest, 0.5)
        was = old >= thresholds.get(champion, 0.5)
        times = [when for when, is_mine in zip(at, mine, strict=True) if is_mine and when]
        yield Sums(
            digest=digest,
            champion=champion,
            scored=int(good.sum()),
            errors=int(mine.sum() - good.sum()),
            stricter=int((yes & ~was).sum()),
            laxer=int((~yes & was).sum()),
            difference=float((new - old).sum()),
            absolute=float(np.abs(new - old).sum()),
            latency_ms=float(np.nansum(latency[good])),
            histogram=_bins(new),
            champion_histogram=_bins(old),
            first=min(times, default=None),
            last=max(times, default=None),
        )


def _bins(scores: np.ndarray) -> list[int]:
    counts, _ = np.histogram(np.clip(scores, 0.0, 1.0), bins=BINS, range=(0.0, 1.0))
    return [int(count) for count in counts]


def _versions(table: pa.Table) -> dict[str, ModelVersion]:
    named = set(table.column("digest").to_pylist()) | set(
        table.column("champion_digest").to_pylist()
    )
    rows = ModelVersion.objects.filter(digest__in=named - {None})
    return {version.digest: version for version in rows}


def _thresholds(versions: dict[str, ModelVersion]) -> dict[str, float]:
    return {
        digest: float((version.manifest.get("score") or {}).get("threshold", 0.5))
        for digest, version in versions.items()
    }


def _add(
    environment: Environment, version: ModelVersion, champion: ModelVersion, sums: Sums
) -> None:
    DarkTally.objects.get_or_create(environment=environment, version=version, champion=champion)
    tally = DarkTally.objects.select_for_update(no_key=True).get(
        environment=environment, version=version, champion=champion
    )
    tally.scored += sums.scored
    tally.errors += sums.errors
    tally.stricter += sums.stricter
    tally.laxer += sums.laxer
    tally.sum_difference += sums.difference
    tally.sum_absolute_difference += sums.absolute
    tally.sum_latency_ms += sums.latency_ms
    tally.histogram = _plus(tally.histogram, sums.histogram)
    tally.champion_histogram = _plus(tally.champion_histogram, sums.champion_histogram)
    tally.first_at = min(filter(None, (tally.first_at, sums.first)), default=None)
    tally.last_at = max(filter(None, (tally.last_at, sums.last)), default=None)
    tally.save()


def _plus(old: list[int], new: list[int]) -> list[int]:
    return [a + b for a, b in zip(old or [0] * BINS, new, strict=True)]
