"""What watches a version that has begun to answer: facts in, words out.

A guard reads nothing and does nothing. It says what is wrong, or says nothing; whoever asked
switches back.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Seen:
    """What one agent says of the new version, counted since the step began."""

    agent: str
    requests: int = 0
    errors: int = 0
    latency: Mapping[str, float] = field(default_factory=dict)
    """Of the answers of the last minute: ``count`` and quantiles in milliseconds."""

    scores: Mapping[str, int] = field(default_factory=dict)
    """``count`` of scored answers since it was loaded, ``positive`` of them above the threshold."""

    champions: Mapping[str, int] = field(default_factory=dict)
    """The same of the version it is to replace, on the same agent."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a guard speaks."""

    minimum: int
    """Answers without which it does not judge."""

    error_share: float
    quantile: str | None = None
    """Which quantile of an agent's answers is held against the budget; None for none."""

    budget_ms: float | None = None

    decisions: float | None = None
    """How far shares of scores above the threshold may lie apart; None for not held."""


def breach(seen: Iterable[Seen], *, limits: Limits, during: str) -> str:
    """Say what is wrong with the answers, or ``""``."""
    rows = list(seen)
    return (
        _errors(rows, limits, during)
        or _latency(rows, limits, during)
        or _decisions(rows, limits, during)
    )


def _errors(rows: list[Seen], limits: Limits, during: str) -> str:
    requests, errors = answered(rows), sum(row.errors for row in rows)
    if requests >= limits.minimum and errors > limits.error_share * requests:
        return f"{errors} of {requests} answers failed during the {during}"
    return ""


def _latency(rows: list[Seen], limits: Limits, during: str) -> str:
    """Hold each agent against the budget: quantiles of several agents do not add up."""
    if limits.budget_ms is None or limits.quantile is None:
        return ""
    for row in rows:
        count, took = row.latency.get("count", 0), row.latency.get(f"{limits.quantile}_ms", 0.0)
        if min(count, row.requests) >= limits.minimum and took > limits.budget_ms:
            return (
                f"{limits.quantile} of {count:.0f} answers by {row.agent} was {took:.4g} ms"
                f" during the {during}, the budget is {limits.budget_ms:.4g} ms"
            )
    return ""


def _decisions(rows: list[Seen], limits: Limits, during: str) -> str:
    """Hold the new version's decisions against the old one's, beyond what chance does.

    Three standard errors: a guard is looked at after every report, and cries wolf otherwise.
    """
    if limits.decisions is None:
        return ""
    new, new_count = _positive(row.scores for row in rows)
    old, old_count = _positive(row.champions for row in rows)
    if min(new_count, old_count) < limits.minimum:
        return ""
    pooled = (new + old) / (new_count + old_count)
    noise = 3 * math.sqrt(pooled * (1 - pooled) * (1 / new_count + 1 / old_count))
    share, before = new / new_count, old / old_count
    if abs(share - before) <= limits.decisions + noise:
        return ""
    return (
        f"{new} of {new_count} scores were above the threshold during the {during},"
        f" {old} of {old_count} of the version before: further apart than {limits.decisions:g}"
    )


def _positive(found: Iterable[Mapping[str, int]]) -> tuple[int, int]:
    rows = list(found)
    count = sum(row.get("count", 0) for row in rows)
    return min(count, sum(row.get("positive", 0) for row in rows)), count


def answered(rows: Iterable[Seen]) -> int:
    """Count the answers, over all agents."""
    return sum(row.requests for row in rows)


def since(now: int, before: int) -> int:
    """Count what was added to a counter. One that is smaller now has begun anew."""
    return now - before if now >= before else now
