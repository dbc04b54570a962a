"""What the agent says of itself.

Observed, never decided: the role of a version is what the agent does with it
now, and a version is listed until its memory has been given back.
"""

from typing import Any

import msgspec

from serving_agent.latency import Distribution, Latency
from serving_agent.loaded import Loaded
from serving_agent.plan import Role, Wanted
from serving_agent.routing import Instead
from serving_agent.runtime import Unloaded
from serving_agent.state import Override

SCHEMA = "lockgate.agent-report/1"
DETAIL = 1000


class Refused(msgspec.Struct, frozen=True):
    generation: int
    reason: str
    detail: str


class Golden(msgspec.Struct, frozen=True):
    passed: int
    total: int
    max_error: float


class VersionReport(msgspec.Struct, frozen=True):
    model: str
    version: int
    digest: str
    role: str
    phase: str
    reason: str | None = None
    detail: str = ""
    memory_bytes: int = 0
    load_seconds: float = 0.0
    golden: Golden | None = None
    answers: bool | None = None
    in_flight: int = 0
    requests: int = 0
    errors: int = 0
    latency: dict[str, Any] | None = None
    scores: dict[str, int] | None = None
    guard: dict[str, int] | None = None
    """Values that training did not hold, by what became of them."""
    spare_answers: dict[str, int] | None = None
    """Of a spare: its answers in place of the champion, by why."""

    def standing(self) -> tuple[str, ...]:
        """Return what makes a report due at once when it changes."""
        return self.model, self.digest, self.role, self.phase, self.reason or ""


class Event(msgspec.Struct, frozen=True):
    kind: str
    model: str
    digest: str
    age_ms: int
    detail: str = ""


class OverrideReport(msgspec.Struct, frozen=True):
    """What somebody on this host took back: told until it has ended and that was heard."""

    id: str
    model: str
    version: int
    digest: str
    since_age_ms: int
    reason: str
    by: str
    ended_age_ms: int | None = None
    ended: str = ""


class Report(msgspec.Struct, frozen=True):
    boot_id: str
    seq: int
    observed_generation: int
    software: str
    control_url: str
    inference_url: str
    draining: bool
    refused: Refused | None
    models: list[VersionReport]
    held: list[str]
    mirror: dict[str, int] | None
    dark: dict[str, int] | None
    resident_bytes: int
    memory_budget_bytes: int
    events: list[Event]
    overrides: list[OverrideReport] = []
    changed_on_disk: list[str] = []
    """Own files that are not as they were left."""
    clock_offset_seconds: float = 0.0
    """By how much this host's clock is at least ahead of the control plane's."""
    schema: str = SCHEMA


def _quantiles(one: Distribution) -> dict[str, Any]:
    return {
        "count": one.count,
        "mean_ms": round(one.mean_ms, 4),
        "sd_ms": round(one.sd_ms, 4),
        "p50_ms": round(one.p50_ms, 4),
        "p95_ms": round(one.p95_ms, 4),
        "p99_ms": round(one.p99_ms, 4),
    }


def _sums(latency: Latency) -> dict[str, Any]:
    """Everything since load, so that agents can be added up and a lost report loses nothing."""
    counts = list(latency.counts)
    used = [place for place, count in enumerate(counts) if count]
    return {
        "sum_ms": round(latency.sum_ms, 4),
        "squares": round(latency.squares, 4),
        "first": used[0],
        "counts": counts[used[0] : used[-1] + 1],
    }


def _latency(one: Loaded) -> dict[str, Any] | None:
    if not any(one.latency.counts):
        return None
    windows = one.windows()
    return {
        **_quantiles(windows[0]),
        "windows": [{"seconds": w.seconds, **_quantiles(w)} for w in windows],
        "since_load": _sums(one.latency),
        "over_budget": one.over_budget,
        "budget_ms": one.budget_ms,
    }


def _guard(one: Loaded) -> dict[str, int] | None:
    sums = one.guard.sums()
    return sums if any(sums.values()) else None


def _spare_answers(one: Loaded) -> dict[str, int] | None:
    if one.role is not Role.SPARE and not one.spare_answers:
        return None
    return {reason.value: one.spare_answers[reason] for reason in Instead}


def of_loaded(one: Loaded) -> VersionReport:
    result = one.golden_result
    golden = Golden(result.passed, result.total, min(result.max_error, 1e300)) if result else None
    return VersionReport(
        model=one.model,
        version=one.version,
        digest=one.digest,
        role=one.role.value,
        phase="ready",
        memory_bytes=one.memory_bytes,
        load_seconds=round(one.load_seconds, 3),
        golden=golden,
        answers=one.answers,
        in_flight=one.in_flight,
        requests=one.requests,
        errors=one.errors,
        latency=_latency(one),
        scores={"count": one.scored, "positive": one.positive} if one.scored else None,
        guard=_guard(one),
        spare_answers=_spare_answers(one),
    )


def of_wanted(wanted: Wanted, *, phase: str, reason: str | None, detail: str) -> VersionReport:
    """Report a version that is not in memory. Whatever is planned for it, it answers nobody."""
    role = Role.DARK if wanted.slot == Role.DARK else Role.LOAD
    return VersionReport(
        model=wanted.model,
        version=wanted.version,
        digest=wanted.digest,
        role=role.value,
        phase=phase,
        reason=reason,
        detail=detail[:DETAIL],
    )


def of_override(one: Override, *, now: float) -> OverrideReport:
    """Report an override; ``now`` is in seconds since 1970, as it may be older than the process."""
    return OverrideReport(
        id=one.id,
        model=one.model,
        version=one.version,
        digest=one.digest,
        since_age_ms=_age_ms(one.at, now),
        reason=one.reason,
        by=one.by,
        ended_age_ms=None if one.ended_at is None else _age_ms(one.ended_at, now),
        ended=one.ended,
    )


def _age_ms(at: float, now: float) -> int:
    return max(0, round((now - at) * 1000))


def of_event(unloaded: Unloaded, *, now: float) -> Event:
    age_ms = _age_ms(unloaded.at, now)
    return Event(unloaded.kind, unloaded.model, unloaded.digest, age_ms, unloaded.detail)
