"""What somebody took back on an agent's own host: stored, shown, and told once.

An agent that was cut off tells of a local rollback when it is heard again, and of its end
until that was heard, too. Each has one entry for its beginning and one for its end, however
often it is reported. An agent that makes them up is held to the pace of ``promotion.pacing``:
what may not be told yet is told by one of its next reports.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from governance.audit.actions import Action
from promotion import pacing, wire
from promotion.models import Agent, AgentReport
from promotion.services.journal import Journal
from registry.models import ModelVersion

BEGUN, ENDED = "begun", "ended"


def note(
    agent: Agent,
    before: AgentReport | None,
    after: AgentReport,
    *,
    said: list[wire.Override],
    journal: Journal,
    now: datetime,
) -> None:
    """Take note of what a report says was taken back. The caller saves it."""
    known = {item["id"]: item for item in before.overrides} if before else {}
    after.overrides = [
        _row(one, known.get(one.id), now=now) for one in said if one.ended_age_ms is None
    ]
    told = {item["id"]: item for item in before.told_overrides} if before else {}
    versions = _versions(said) if any(_untold(one, told) for one in said) else {}
    after.told_overrides = [
        {"id": one.id, "told": heard}
        for one in said
        if (heard := _tell(agent, after, one, told, versions=versions, journal=journal, now=now))
    ]


def _untold(one: wire.Override, told: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Name what the log does not know yet of one, in the order in which it happened."""
    heard = told.get(one.id, {}).get("told", "")
    begun = [] if heard else [BEGUN]
    return begun if one.ended_age_ms is None or heard == ENDED else [*begun, ENDED]


def _tell(
    agent: Agent,
    report: AgentReport,
    one: wire.Override,
    told: Mapping[str, Mapping[str, str]],
    *,
    versions: Mapping[tuple[str, int, str], ModelVersion],
    journal: Journal,
    now: datetime,
) -> str:
    """Write what is missing, as far as that may be; return how far the log knows it."""
    heard = told.get(one.id, {}).get("told", "")
    for part in _untold(one, told):
        if not pacing.may(report.paced_until, now=now):
            break
        report.paced_until = pacing.spend(report.paced_until, now=now)
        action = Action.AGENT_ROLLED_BACK if part == BEGUN else Action.AGENT_RESUMED
        facts = {
            "override": one.id,
            "reason": wire.clean(one.reason),
            "by": wire.clean(one.by),
            "began_at": _ago(one.since_age_ms, now),
        }
        if part == ENDED:
            facts |= {"ended_at": _ago(one.ended_age_ms or 0, now), "why": wire.clean(one.ended)}
        row = versions.get((one.model, one.version, one.digest))
        if row is not None:
            journal.override(action, agent, row, **facts)
        else:  # Nobody here knows this version, which is worth knowing all the same.
            journal.agent(action, agent, claimed=f"{one.model} {one.digest}", **facts)
        heard = part
    return heard


def _row(
    one: wire.Override, known: Mapping[str, str] | None, *, now: datetime
) -> dict[str, object]:
    return {
        "id": one.id,
        "model": one.model,
        "version": one.version,
        "digest": one.digest,
        "since": known["since"] if known else _ago(one.since_age_ms, now),
        "reason": wire.clean(one.reason),
        "by": wire.clean(one.by),
    }


def _versions(said: list[wire.Override]) -> dict[tuple[str, int, str], ModelVersion]:
    rows = ModelVersion.objects.filter(digest__in={one.digest for one in said})
    return {(row.model.name, row.number, row.digest): row for row in rows.select_related("model")}


def _ago(milliseconds: float, now: datetime) -> str:
    return (now - timedelta(milliseconds=milliseconds)).isoformat()
