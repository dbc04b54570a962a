"""Adds what agents say they have counted to the history of each version.

Agents report everything since a version was loaded, so a report that was lost or came
twice changes nothing: what counts is the difference to the last one that was stored.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from promotion import latencies
from promotion.latencies import Sums
from promotion.models import Agent, AgentReport, LatencySlot

SLOT = timedelta(minutes=10)
KEPT = timedelta(days=7)

# In the order of versions, so that two agents of a target never wait for each other.
ADD = """
INSERT INTO promotion_latencyslot
    (target_id, version_id, at, counts, sum_ms, squares, over_budget)
SELECT %(target)s, version.id, %(at)s,
    ARRAY(SELECT jsonb_array_elements_text(said.counts)::bigint),
    said.sum_ms, said.squares, said.over_budget
FROM jsonb_to_recordset(%(said)s::jsonb) AS said
    (digest text, counts jsonb, sum_ms float8, squares float8, over_budget bigint)
JOIN registry_modelversion version ON version.digest = said.digest
ORDER BY version.id
ON CONFLICT (version_id, target_id, at) DO UPDATE SET
    counts = ARRAY(
        SELECT least(old + new, %(most)s)
        FROM unnest(promotion_latencyslot.counts, excluded.counts)
            WITH ORDINALITY AS both_of_them (old, new, place)
        ORDER BY place
    ),
    sum_ms = least(promotion_latencyslot.sum_ms + excluded.sum_ms, %(largest)s),
    squares = least(promotion_latencyslot.squares + excluded.squares, %(largest)s),
    over_budget = least(promotion_latencyslot.over_budget + excluded.over_budget, %(most)s)
"""


def add(*, agent: Agent, before: AgentReport | None, after: AgentReport) -> None:
    """Add what an agent has answered since its report before, in the caller's transaction.

    One statement, and none when nothing was answered.
    """
    same = before is not None and before.boot_id == after.boot_id
    known = _by_digest(before) if same else {}
    said = []
    for digest, now in _by_digest(after).items():
        added = now.since(known.get(digest, Sums.nothing()))
        if added.n:
            said.append(
                {
                    "digest": digest,
                    "counts": added.counts.tolist(),
                    "sum_ms": added.sum_ms,
                    "squares": added.squares,
                    "over_budget": added.over_budget,
                }
            )
    if said:
        values: dict[str, int | str | float | datetime | UUID] = {
            "target": agent.target_id,
            "at": slot_of(after.at),
            "said": json.dumps(said),
            "most": latencies.MOST,
            "largest": latencies.LARGEST_SUM,
        }
        with connection.cursor() as cursor:
            cursor.execute(ADD, values)


def slot_of(at: datetime) -> datetime:
    """Return when the ten minutes began that a moment lies in."""
    return at.replace(minute=at.minute // 10 * 10, second=0, microsecond=0)


def forget(*, now: datetime) -> int:
    """Delete what is older than a week; return how many rows that were."""
    return LatencySlot.objects.filter(at__lt=now - KEPT).delete()[0]


def _by_digest(report: AgentReport | None) -> Mapping[str, Sums]:
    versions: list[dict[str, Any]] = report.versions if report else []
    return {item["digest"]: Sums.read(item.get("latency")) for item in versions}
