"""One request: what it changes, on what evidence, who signed, and how far it has come."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Prefetch
from django.utils import timezone

from governance.errors import NotFound
from promotion.comparison import Difference, compare
from promotion.models import Agent, Approval, DarkTally, Deployment, Request, Rollout, RolloutStep
from promotion.selectors import observed, timeline
from promotion.selectors.model_page import may_return
from promotion.selectors.tallies import Tally, tallies_of
from promotion.selectors.timeline import Event
from registry.models import ModelVersion

STEPS = ("load", "commit", "bake", "retire")
STEP_WORDS: Mapping[str, str] = {
    "load": "Load beside the old version",
    "commit": "Switch to it",
    "bake": "Watch it, the old version stays loaded",
    "retire": "Unload the old version",
}
SHAPES: Mapping[str, str] = {
    "passed": "passed",
    "failed": "failed",
    "inconclusive": "waiting",
    "not_applicable": "excused",
}
VERDICTS: Mapping[str, str] = {
    "passed": "passed",
    "failed": "failed",
    "inconclusive": "waiting",
    "not_applicable": "does not apply",
}
GATES: Mapping[str, str] = {
    "inspected": "Files inspected",
    "lower_environment": "Answers in the environments before",
    "dark_first": "Dark first",
    "dark_pairs": "Compared on real traffic",
}


@dataclass(frozen=True, slots=True)
class GateRow:
    """One gate's frozen verdict."""

    name: str
    outcome: str
    verdict: str
    shape: str
    reason: str
    remedy: str
    facts: list[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent at the present step, and what it reports now."""

    agent: Agent
    step: RolloutStep
    standing: str
    shape: str
    phase: str
    reason: str
    generation: int | None
    silent: bool


@dataclass(frozen=True, slots=True)
class StepBox:
    """One step of the rollout."""

    name: str
    words: str
    standing: str
    done: int
    asked: int
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a request has come, and what each agent says."""

    request: Request
    rollout: Rollout | None
    steps: list[StepBox]
    agents: list[AgentRow]

    @property
    def is_over(self) -> bool:
        return self.request.is_settled()


@dataclass(frozen=True, slots=True)
class PromotionPage:
    """Everything the page of one request shows."""

    request: Request
    version: ModelVersion
    replaces: ModelVersion | None
    difference: Difference | None
    gates: list[GateRow]
    tally: Tally | None
    approvals: list[Approval]
    progress: Progress
    events: list[Event]
    sentence: str
    may_roll_back: bool
    """There is a former champion here that a rollback may bring back."""

    @property
    def title(self) -> str:
        """The answer this page gives."""
        row, place = self.request, self.request.environment.slug
        what = f"{row.model.name} {self.version.number}"
        leads: Mapping[str, str] = {
            Request.Kind.DEPLOY_DARK: f"{what} \N{RIGHTWARDS ARROW} dark in {place}",
            Request.Kind.RETIRE: f"{what} \N{RIGHTWARDS ARROW} retired in {place}",
            Request.Kind.ROLLBACK: f"{what} \N{RIGHTWARDS ARROW} back in {place}",
            Request.Kind.STOP: f"{what} stopped in {place}",
        }
        lead = leads.get(row.kind, f"{what} \N{RIGHTWARDS ARROW} {place}")
        instead = f", replaces {self.replaces.number}" if self.replaces else ""
        return f"{lead}{instead}: {self.standing}"

    @property
    def standing(self) -> str:
        """Where the request stands, in words."""
        if self.request.state == Request.State.OPEN:
            missing = self.approvals_missing
            return f"waits for {missing} approval{'' if missing == 1 else 's'}"
        if self.request.state == Request.State.EXECUTING and self.progress.rollout:
            return f"under way, step {self.progress.rollout.step}"
        return str(self.request.state)

    @property
    def approvals_given(self) -> int:
        return sum(one.decision == Approval.Decision.APPROVE for one in self.approvals)

    @property
    def approvals_missing(self) -> int:
        return max(0, self.request.approvals_needed - self.approvals_given)

    @property
    def counts(self) -> str:
        """Gates by verdict: ``11 passed, 1 waiting, 0 failed``."""
        outcomes = [gate.verdict for gate in self.gates]
        words = [f"{outcomes.count(word)} {word}" for word in ("passed", "waiting", "failed")]
        return ", ".join(words)


def promotion_page(pk: UUID) -> PromotionPage:
    """Read one request with everything around it.

    Raises:
        NotFound: no such request.
    """
    request = find(pk)
    version = request.deployment.version
    return PromotionPage(
        request=request,
        version=version,
        replaces=request.replaces,
        difference=_difference(request),
        gates=gates(request.evidence),
        tally=_tally(request),
        approvals=list(request.approvals.select_related("user")),
        progress=progress(request),
        events=timeline.of_request(request.pk),
        sentence=signed_sentence(request),
        may_roll_back=any(
            may_return(row)
            for row in Deployment.objects.filter(
                model=request.model_id, environment=request.environment_id
            )
        ),
    )


def find(pk: UUID) -> Request:
    """Read one request with its version, what it replaces and its policy.

    Raises:
        NotFound: no such request.
    """
    rows = Request.objects.select_related(
        "deployment__version", "model", "environment", "policy", "replaces"
    )
    try:
        return rows.get(pk=pk)
    except Request.DoesNotExist:
        message = "There is no such promotion."
        raise NotFound(message, request_id=str(pk)) from None


def signed_sentence(request: Request) -> str:
    """What an approver puts a name to, in words."""
    version, place = request.deployment.version, request.environment.slug
    named = f"{request.model.name} version {version.number} (sha256 {version.digest[:12]})"
    under = f"under policy {request.policy.number}"
    other = request.replaces
    old = f"version {other.number} (sha256 {other.digest[:12]})" if other else ""
    if request.kind == Request.Kind.DEPLOY_DARK:
        return f"{named} may score copies of transactions in {place}, and answer nobody, {under}."
    if request.kind == Request.Kind.RETIRE:
        return f"{named} may be retired in {place}, and answer nobody there, {under}."
    if request.kind == Request.Kind.ROLLBACK:
        return f"{named} answers callers in {place} again{f', instead of {old}' if old else ''}."
    if request.kind == Request.Kind.STOP:
        return f"{named} answers nobody in {place} any more, and no other version does."
    if old:
        return f"{named} may replace {old} in {place} {under}."
    return f"{named} may be the first version to answer callers in {place} {under}."


def gates(evidence: Mapping[str, object]) -> list[GateRow]:
    """The frozen verdicts, as rows; what has another form is left out."""
    stored = evidence.get("gates")
    rows = stored if isinstance(stored, list) else []
    return [_gate(row) for row in rows if isinstance(row, Mapping)]


def _gate(row: Mapping[str, object]) -> GateRow:
    name, outcome = str(row.get("gate", "")), str(row.get("outcome", ""))
    facts = row.get("facts")
    return GateRow(
        name=GATES.get(name, name.replace("_", " ")),
        outcome=outcome,
        verdict=VERDICTS.get(outcome, outcome),
        shape=SHAPES.get(outcome, "unknown"),
        reason=str(row.get("reason", "")),
        remedy=str(row.get("remedy", "")),
        facts=sorted(facts.items()) if isinstance(facts, Mapping) else [],
    )


def _difference(request: Request) -> Difference | None:
    """What changes against what answers; nothing to compare for the first version."""
    version = request.deployment.version
    if request.replaces is None or request.replaces_id == version.pk:
        return None
    return compare(
        request.replaces.manifest,
        version.manifest,
        optimising=request.model.optimising_metric,
        higher_is_better=request.model.optimising_direction == "max",
    )


def _tally(request: Request) -> Tally | None:
    """How the version scored beside the champion it would replace."""
    found = tallies_of(
        DarkTally.objects.filter(
            version=request.deployment.version_id, environment=request.environment_id
        )
    )
    same = [one for one in found if one.row.champion_id == request.replaces_id]
    return next(iter(same or found), None)


def progress(request: Request) -> Progress:
    """How far the newest rollout of a request has come. Two queries."""
    steps = Prefetch("steps", RolloutStep.objects.select_related("agent__report", "agent__target"))
    rollout = request.rollouts.select_related("target").prefetch_related(steps).first()
    if rollout is None:
        return Progress(request, None, [], [])
    rows = list(rollout.steps.all())
    return Progress(
        request=request,
        rollout=rollout,
        steps=_boxes(request, rollout, rows),
        agents=_agents(request, rollout, rows),
    )


def _boxes(request: Request, rollout: Rollout, rows: list[RolloutStep]) -> list[StepBox]:
    names = _planned(request)
    reached = [name for name in names if any(row.step == name for row in rows)]
    here = rollout.step if rollout.step in names else (reached[-1] if reached else names[0])
    return [
        _box(name, rollout, [row for row in rows if row.step == name], names=names, here=here)
        for name in names
    ]


def _planned(request: Request) -> list[str]:
    """The steps a request of this kind goes through."""
    if request.kind == Request.Kind.DEPLOY_DARK:
        return ["load"]
    if request.kind in {Request.Kind.RETIRE, Request.Kind.STOP}:
        return ["retire"]
    if request.kind == Request.Kind.ROLLBACK:
        return ["commit", "retire"] if request.replaces_id else ["commit"]
    return ["load", "commit", *(("bake", "retire") if request.replaces_id else ())]


def _box(
    name: str, rollout: Rollout, rows: list[RolloutStep], *, names: list[str], here: str
) -> StepBox:
    asked = [row for row in rows if row.required]
    if rollout.step == Rollout.Step.DONE or names.index(name) < names.index(here):
        standing = "done"
    elif name != here:
        standing = "next"
    else:
        standing = "failed" if rollout.step in {"failed", "superseded"} else "now"
    return StepBox(
        name=name,
        words=STEP_WORDS[name],
        standing=standing,
        done=sum(row.done_at is not None for row in asked),
        asked=len(asked),
        at=min((row.asked_at for row in rows), default=None),
    )


def _agents(request: Request, rollout: Rollout, rows: list[RolloutStep]) -> list[AgentRow]:
    """The agents of the present step, or of the last one when all is over."""
    names = [row.step for row in rows]
    here = rollout.step if rollout.step in names else (names[-1] if names else "")
    now = rollout.ended_at or timezone.now()
    return [
        _agent_row(row, digest=request.deployment.version.digest, now=now)
        for row in sorted(rows, key=lambda one: one.agent.name)
        if row.step == here
    ]


def _agent_row(row: RolloutStep, *, digest: str, now: datetime) -> AgentRow:
    report = observed.report_of(row.agent)
    item = next((one for one in observed.items(report) if one.get("digest") == digest), {})
    silent = observed.is_silent(row.agent, now=now)
    standing, shape = _standing(row, silent=silent)
    return AgentRow(
        agent=row.agent,
        step=row,
        standing=standing,
        shape=shape,
        phase=_reported(item),
        reason=row.detail or row.reason or str(item.get("detail") or item.get("reason") or ""),
        generation=report.observed_generation if report else None,
        silent=silent,
    )


def _standing(row: RolloutStep, *, silent: bool) -> tuple[str, str]:
    if row.failed_at:
        return "refused", "failed"
    if row.done_at:
        return "done", "passed"
    if not row.required:
        return "not required", "excused"
    return ("unknown", "unknown") if silent else ("working", "executing")


def _reported(item: Mapping[str, object]) -> str:
    if not item:
        return "not loaded"
    return f"{item.get('role', '')} {item.get('phase', '')}".strip()
