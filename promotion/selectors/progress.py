"""How far a request has come: its rollout's steps, and what each agent says at the present one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch
from django.utils import timezone

from promotion import guards, stages
from promotion.models import Agent, Request, Rollout, RolloutStep
from promotion.models.requests import REPLACING
from promotion.policies import Policy
from promotion.selectors import observed

STEP_WORDS: Mapping[str, str] = {
    "load": "Load beside the old version",
    "commit": "Switch to it",
    "bake": "Watch it, the old version stays loaded",
    "retire": "Unload the old version",
}
STEERED = REPLACING | {Request.Kind.DEPLOY_DARK}
"""Kinds of requests whose rollout an operator may hold up."""
WATCHED = frozenset({Rollout.Step.STAGE, Rollout.Step.COMMIT, Rollout.Step.BAKE})
"""Steps in which the new version answers callers."""


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
    answers: int
    """By the new version, since the step began."""
    errors: int


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
    needed: int = 0
    """Answers the present step needs."""

    @property
    def is_over(self) -> bool:
        return self.request.is_settled()

    @property
    def is_watched(self) -> bool:
        """Whether the new version answers callers now, and its answers count."""
        return bool(self.rollout and self.rollout.step in WATCHED)

    @property
    def here(self) -> str:
        """The step the agents are shown at, in words."""
        return self.agents[0].step.step.replace("-", " ") if self.agents else ""

    @property
    def answers(self) -> int:
        return sum(row.answers for row in self.agents)

    @property
    def is_steered(self) -> bool:
        """Whether an operator can hold it up now."""
        running = self.rollout is not None and self.rollout.ended_at is None
        return running and self.request.kind in STEERED

    @property
    def is_before_commit(self) -> bool:
        return bool(self.rollout and self.rollout.step in {Rollout.Step.LOAD, Rollout.Step.STAGE})


def progress(request: Request) -> Progress:
    """How far the newest rollout of a request has come. Two queries; its policy is loaded."""
    steps = Prefetch("steps", RolloutStep.objects.select_related("agent__report", "agent__target"))
    rollout = request.rollouts.select_related("target").prefetch_related(steps).first()
    if rollout is None:
        return Progress(request, None, [], [])
    rows, rules = list(rollout.steps.all()), Policy.model_validate(request.policy.document)
    planned = _planned(request, rollout, rules)
    return Progress(
        request=request,
        rollout=rollout,
        steps=_boxes(rollout, rows, planned),
        agents=_agents(request, rollout, rows),
        needed=_needed(rollout, rules),
    )


def _needed(rollout: Rollout, rules: Policy) -> int:
    if rollout.step == Rollout.Step.STAGE:
        return stages.before_all(rules.stages)[rollout.stage - 1].minimum_requests
    return rules.bake_minimum_requests if rollout.step == Rollout.Step.BAKE else 0


def _planned(request: Request, rollout: Rollout, rules: Policy) -> dict[str, str]:
    """Name the steps this rollout goes through, each with what it is."""
    names = {
        Request.Kind.DEPLOY_DARK: ["load"],
        Request.Kind.RETIRE: ["retire"],
        Request.Kind.STOP: ["retire"],
        Request.Kind.ROLLBACK: ["commit", "retire"] if rollout.outgoing_id else ["commit"],
    }.get(Request.Kind(request.kind), ["commit"])
    if request.kind not in REPLACING:
        return {name: STEP_WORDS[name] for name in names}
    if not rollout.outgoing_id:
        return {name: STEP_WORDS[name] for name in ("load", "commit")}
    shared = stages.before_all(rules.stages)
    return {
        "load": STEP_WORDS["load"],
        **{f"stage-{number}": stage.words() for number, stage in enumerate(shared, start=1)},
        **{name: STEP_WORDS[name] for name in ("commit", "bake", "retire")},
    }


def _boxes(rollout: Rollout, rows: list[RolloutStep], planned: Mapping[str, str]) -> list[StepBox]:
    names = list(planned)
    reached = [name for name in names if any(row.step == name for row in rows)]
    present = rollout.step_name
    here = present if present in names else (reached[-1] if reached else names[0])
    found = []
    for name, words in planned.items():
        asked = [row for row in rows if row.step == name and row.required]
        if rollout.step == Rollout.Step.DONE or names.index(name) < names.index(here):
            standing = "done"
        elif name != here:
            standing = "next"
        else:
            standing = "failed" if rollout.step in {"failed", "superseded"} else "now"
        box = StepBox(
            name=name.replace("-", " "),
            words=words,
            standing=standing,
            done=sum(row.done_at is not None for row in asked),
            asked=len(asked),
            at=min((row.asked_at for row in asked), default=None),
        )
        found.append(box)
    return found


def _agents(request: Request, rollout: Rollout, rows: list[RolloutStep]) -> list[AgentRow]:
    """The agents of the present step, or of the last one when all is over."""
    names = [row.step for row in rows]
    here = rollout.step_name if rollout.step_name in names else (names[-1] if names else "")
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
        answers=guards.since(int(str(item.get("requests") or 0)), row.requests_before),
        errors=guards.since(int(str(item.get("errors") or 0)), row.errors_before),
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
