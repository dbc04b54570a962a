"""What agents say against what was decided: the one rule behind *live (confirmed)*.

A decision says which version answers callers. Whether it does is for agents to
report, and is never inferred from the decision. *Required* is an agent of the
live target that has not left, is not cordoned, is placed for the model and
whose last report is within its lease. Silent agents are *unknown*, never ready.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Standing(StrEnum):
    """How one agent stands to a decision."""

    CONFIRMED = "confirmed"
    DISAGREEING = "disagreeing"
    UNKNOWN = "unknown"
    EXCUSED = "excused"


class Verdict(StrEnum):
    """What all agents together say."""

    CONFIRMED = "confirmed"
    PARTLY = "partly"
    CONTRADICTED = "contradicted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """What is known of one agent for one model.

    ``champion`` is the digest its unversioned calls go to, if that is loaded and
    ready; ``generation`` the newest one it has applied.
    """

    name: str
    reported_at: datetime | None = None
    generation: int = 0
    champion: str | None = None
    cordoned: bool = False
    evicted: bool = False
    cloned: bool = False
    left: bool = False
    placed: bool = True
    rolled_back: bool = False
    """Somebody on its host lets a former champion answer."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One agent's standing, and why in words."""

    agent: str
    standing: Standing
    why: str


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Every agent's standing, and the verdict over the required ones."""

    verdict: Verdict
    findings: tuple[Finding, ...]

    @property
    def confirmed(self) -> tuple[Finding, ...]:
        return self._with(Standing.CONFIRMED)

    @property
    def disagreeing(self) -> tuple[Finding, ...]:
        return self._with(Standing.DISAGREEING)

    @property
    def unknown(self) -> tuple[Finding, ...]:
        return self._with(Standing.UNKNOWN)

    @property
    def counted(self) -> int:
        """How many agents there are to hear from: the required and the silent."""
        return len(self.confirmed) + len(self.disagreeing) + len(self.unknown)

    def is_live(self) -> bool:
        """Tell whether every required agent confirms, and there is at least one."""
        return self.verdict is Verdict.CONFIRMED

    def is_complete(self) -> bool:
        """Tell whether it is live and no agent is unknown."""
        return self.is_live() and not self.unknown

    def _with(self, standing: Standing) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.standing is standing)


def confirm(
    agents: Iterable[AgentFacts],
    *,
    digest: str | None,
    generation: int,
    now: datetime,
    lease: timedelta,
) -> Confirmation:
    """Hold what agents report against one decision.

    Args:
        agents: every agent of the live target.
        digest: the champion that was decided; None when nobody is to answer.
        generation: the one by which that champion was switched to.
        now: when the reports are judged.
        lease: how long a report counts.
    """
    findings = tuple(
        _finding(facts, digest=digest, generation=generation, alive_since=now - lease)
        for facts in agents
    )
    standings = {finding.standing for finding in findings}
    return Confirmation(_verdict(standings), findings)


def _verdict(standings: set[Standing]) -> Verdict:
    if Standing.DISAGREEING in standings:
        return Verdict.PARTLY if Standing.CONFIRMED in standings else Verdict.CONTRADICTED
    return Verdict.CONFIRMED if Standing.CONFIRMED in standings else Verdict.UNKNOWN


def _finding(
    facts: AgentFacts, *, digest: str | None, generation: int, alive_since: datetime
) -> Finding:
    if excuse := _excuse(facts):
        return Finding(facts.name, Standing.EXCUSED, excuse)
    if doubt := _doubt(facts, alive_since=alive_since):
        return Finding(facts.name, Standing.UNKNOWN, doubt)
    if facts.champion != digest:
        why = "answers with another version" if facts.champion else "answers with no version"
        why = "was rolled back on its host to another version" if facts.rolled_back else why
        return Finding(facts.name, Standing.DISAGREEING, why)
    if facts.generation < generation:
        why = f"has applied generation {facts.generation}, not yet {generation}"
        return Finding(facts.name, Standing.DISAGREEING, why)
    return Finding(facts.name, Standing.CONFIRMED, "reports it")


def _doubt(facts: AgentFacts, *, alive_since: datetime) -> str:
    """Say why nothing can be known of an agent, whatever it said last."""
    if facts.reported_at is None:
        return "has never reported"
    if facts.reported_at < alive_since:
        return "is silent beyond its lease"
    return "is two processes under one name" if facts.cloned else ""


def _excuse(facts: AgentFacts) -> str:
    if facts.left:
        return "has left"
    if facts.evicted:
        return "was evicted"
    if facts.cordoned:
        return "is cordoned"
    return "" if facts.placed else "is not placed for this model"
