"""Takes prediction logs from agents: keeps the file, and adds dark rows to the sums."""

from collections.abc import Iterable

import pyarrow as pa
from django.db import transaction

from governance.models import Environment
from promotion import evidence
from promotion.evidence import BINS, Sums, read
from promotion.models import Agent, DarkTally, PredictionBatch
from promotion.services.counting import Seen
from registry.models import Blob, ModelVersion

__all__ = ["MAX_BYTES", "accept", "read"]

MAX_BYTES = 64 * 1024**2
THRESHOLD = 0.5
"""The score from which a version says yes that does not say so itself."""


@transaction.atomic
def accept(*, agent: Agent, kind: str, blob: Blob, table: pa.Table) -> tuple[PredictionBatch, bool]:
    """Note an uploaded log, once; the same file again changes nothing.

    Raises:
        Invalid: ``too_many_versions``.
    """
    batch, is_new = PredictionBatch.objects.get_or_create(
        agent=agent, kind=kind, blob=blob, defaults={"rows": table.num_rows}
    )
    if is_new and kind == PredictionBatch.Kind.DARK:
        _sum(agent.target.environment, table)
    return batch, is_new


def _sum(environment: Environment, table: pa.Table) -> None:
    """Add to the tallies what was not counted before. Locks tallies first, then what was seen."""
    versions = _versions(evidence.named(table))
    thresholds = {digest: _threshold(version) for digest, version in versions.items()}
    pairs = evidence.pairs(table, versions)
    tallies = [
        _locked(environment, versions[pair.digest], versions[pair.champion]) for pair in pairs
    ]
    seen = Seen(environment, [(versions[pair.digest], pair.at) for pair in pairs])
    for tally, pair in zip(tallies, pairs, strict=True):
        new = pair.only(seen.add(versions[pair.digest], keys=pair.keys, at=pair.at))
        _add(tally, evidence.summed(table, new, thresholds=thresholds))
    seen.save()


def _versions(digests: Iterable[str]) -> dict[str, ModelVersion]:
    return {row.digest: row for row in ModelVersion.objects.filter(digest__in=digests)}


def _threshold(version: ModelVersion) -> float:
    found = (version.manifest.get("score") or {}).get("threshold")
    return THRESHOLD if found is None else float(found)


def _locked(environment: Environment, version: ModelVersion, champion: ModelVersion) -> DarkTally:
    DarkTally.objects.get_or_create(environment=environment, version=version, champion=champion)
    return DarkTally.objects.select_for_update(no_key=True).get(
        environment=environment, version=version, champion=champion
    )


def _add(tally: DarkTally, sums: Sums) -> None:
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
