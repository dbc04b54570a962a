"""What the API says of requests and environments, in a constant number of queries."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from governance.access import Reach
from governance.models import Environment
from promotion import content
from promotion.confirmation import AgentFacts, Confirmation, confirm
from promotion.models import Agent, Approval, Deployment, Request, Review, Rollout, RolloutStep
from promotion.placement import EVERYWHERE, Placement
from promotion.selectors import approvers, fleet_facts, placements
from promotion.selectors.observed import Said
from registry.models import ModelVersion

Document = dict[str, object]


def requests() -> QuerySet[Request]:
    """Return requests with everything ``of_request`` reads."""
    steps = RolloutStep.objects.select_related("agent")
    return Request.objects.select_related(
        "deployment__version", "model", "environment", "policy", "replaces", "review"
    ).prefetch_related(
        "approvals",
        Prefetch("rollouts", Rollout.objects.prefetch_related(Prefetch("steps", steps))),
    )


def of_request(request: Request) -> Document:
    """Say everything about one request: gates, signatures, and each agent's steps."""
    version = request.deployment.version
    return {
        "id": str(request.pk),
        "kind": request.kind,
        "state": request.state,
        "detail": request.detail,
        "model": request.model.name,
        "version": version.number,
        "digest": version.digest,
        "environment": request.environment.slug,
        "from": request.from_state,
        "to": request.to_state,
        "replaces": (
            {"version": request.replaces.number, "digest": request.replaces.digest}
            if request.replaces
            else None
        ),
        "policy": request.policy.number,
        "reason": request.reason,
        "ticket": request.ticket,
        "requested_by": {"kind": request.requester_kind, "name": request.requester_label},
        "created_at": request.created_at,
        "expires_at": request.expires_at,
        "settled_at": request.settled_at,
        "superseded_by": str(request.superseded_by_id) if request.superseded_by_id else None,
        "content_hash": request.content_hash,
        "content": content_of(request),
        "gates": request.evidence.get("gates", []),
        "approvals_needed": request.approvals_needed,
        "approvals": [_of_approval(approval) for approval in request.approvals.all()],
        "waits_for": _of_missing(request),
        "review": _of_review(request),
        "rollouts": [_of_rollout(rollout) for rollout in request.rollouts.all()],
    }


def _of_missing(request: Request) -> Document | None:
    """Say which signatures an open request still waits for."""
    if request.state != Request.State.OPEN:
        return None
    lacks = approvers.missing(request, request.approvals.all())
    return {"approvals": lacks.count, "by_risk": lacks.risk, "words": lacks.words}


def _of_review(request: Request) -> Document | None:
    """Say what is owed, and what was said, where one person acted alone."""
    if request.review_due_at is None:
        return None
    made: Review | None = getattr(request, "review", None)
    return {
        "due_at": request.review_due_at,
        "verdict": made.verdict if made else None,
        "name": made.name if made else None,
        "role": made.role if made else None,
        "comment": made.comment if made else None,
        "at": made.at if made else None,
    }


def content_of(request: Request) -> Document:
    """Return the document that ``content_hash`` is of: what a signature stands for."""
    return content.document(
        kind=request.kind,
        model=request.model.name,
        version=request.deployment.version.number,
        digest=request.deployment.version.digest,
        environment=request.environment.slug,
        from_state=request.from_state,
        to_state=request.to_state,
        policy=request.policy.number,
        champion_digest=request.replaces.digest if request.replaces else None,
        evidence=request.evidence,
    )


def of_environment(environment: Environment, *, seen: Reach, now: datetime) -> Document:
    """Say what was decided in an environment, and what its agents confirm, by model seen."""
    rows = (
        Deployment.objects.filter(seen.rows(), environment=environment)
        .exclude(state__in=[Deployment.State.TRAINED])
        .select_related("version", "model")
        .order_by("model__name", "version__number")
    )
    by_model: dict[str, list[Deployment]] = defaultdict(list)
    for deployment in rows:
        by_model[deployment.model.name].append(deployment)
    agents = list(
        Agent.objects.filter(target__environment=environment, left_at=None)
        .select_related("report", "target")
        .order_by("name")
    )
    said = [Said.by(agent, now=now) for agent in agents if agent.target.tier == "live"]
    placed = placements.in_environment(environment.pk)
    models = [
        _of_model(name, deployments, said=said, placement=placed.get(name, EVERYWHERE), now=now)
        for name, deployments in by_model.items()
    ]
    targets = environment.targets.order_by("tier")
    return {
        "environment": environment.slug,
        "kind": environment.kind,
        "at": now,
        "targets": [
            {"tier": t.tier, "generation": t.generation, "history_lost_at": t.history_lost_at}
            for t in targets
        ],
        "agents": [_of_agent(agent, now=now) for agent in agents],
        "models": models,
    }


def states_of(version_id: UUID, *, seen: Reach) -> list[Document]:
    """Return a version's decided state per environment that is seen."""
    rows = Deployment.objects.filter(seen.rows(), version=version_id).select_related("environment")
    return [
        {
            "environment": d.environment.slug,
            "state": d.state,
            "role": d.role,
            "hold": d.hold,
            "champion_at": d.champion_at,
        }
        for d in rows.order_by("environment__position", "environment__slug")
    ]


def _of_model(
    name: str,
    deployments: list[Deployment],
    *,
    said: list[Said],
    placement: Placement,
    now: datetime,
) -> Document:
    champion = next((d for d in deployments if d.role == Deployment.Role.CHAMPION), None)
    facts = [one.of(name, placement) for one in said]
    found = confirm(
        facts,
        digest=champion.version.digest if champion else None,
        generation=champion.switched_generation if champion else 0,
        now=now,
        lease=fleet_facts.lease(),
    )
    return {
        "model": name,
        "decided": [
            {**_ref(d.version), "state": d.state, "role": d.role, "hold": d.hold}
            for d in deployments
        ],
        "champion": _ref(champion.version) if champion else None,
        "placement": {"labels": dict(placement.labels), "minimum": placement.minimum},
        "live": _of_confirmation(found, facts),
    }


def _of_confirmation(found: Confirmation, facts: list[AgentFacts]) -> Document:
    return {
        "verdict": found.verdict,
        "agents": [
            {"agent": f.agent, "standing": f.standing, "why": f.why, "champion": one.champion}
            for f, one in zip(found.findings, facts, strict=True)
        ],
    }


def _of_agent(agent: Agent, *, now: datetime) -> Document:
    report = getattr(agent, "report", None)
    return {
        "id": str(agent.pk),
        "agent": agent.name,
        "tier": agent.target.tier,
        "inference_url": report.inference_url if report else "",
        "cordoned": agent.cordoned,
        "evicted": agent.evicted_at is not None,
        "heard": report is not None and report.at > now - fleet_facts.lease(),
        "heard_at": report.at if report else None,
        "generation": report.observed_generation if report else 0,
    }


def _ref(version: ModelVersion) -> Document:
    return {"version": version.number, "digest": version.digest}


def _of_approval(approval: Approval) -> Document:
    return {
        "name": approval.name,
        "role": approval.role,
        "decision": approval.decision,
        "meaning": approval.meaning,
        "comment": approval.comment,
        "content_hash": approval.content_hash,
        "method": approval.method,
        "at": approval.at,
    }


def _of_rollout(rollout: Rollout) -> Document:
    return {
        "id": str(rollout.pk),
        "attempt": rollout.attempt,
        "step": rollout.step,
        "stage": rollout.stage,
        "switch": rollout.switch,
        "paused_at": rollout.paused_at,
        "halted_at": rollout.halted_at,
        "deadline": rollout.deadline,
        "generation": rollout.generation,
        "detail": rollout.detail,
        "started_at": rollout.started_at,
        "ended_at": rollout.ended_at,
        "agents": [
            {
                "agent": step.agent.name,
                "step": step.step,
                "generation": step.generation,
                "asked_at": step.asked_at,
                "done_at": step.done_at,
                "failed_at": step.failed_at,
                "reason": step.reason,
                "detail": step.detail,
            }
            for step in rollout.steps.all()
        ],
    }
