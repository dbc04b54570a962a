"""What a rollback and a stop have in common: an operator acts now, and nothing is waited for."""

from datetime import datetime, timedelta

from django.db.models import Q

from governance import access
from governance.actors import Actor
from governance.audit.actions import Action
from governance.errors import Conflict, Invalid, NotFound
from governance.models import Environment
from governance.names import problem_with
from promotion import content
from promotion.models import Deployment, Policy, Request, Rollout, Target
from promotion.models.requests import REPLACING
from promotion.policies import Policy as Rules
from promotion.services import publishing, rollouts
from promotion.services.journal import Journal
from registry.models import ModelVersion, RegisteredModel


def resolve(
    environment: str, model: str, *, reason: str, actor: Actor
) -> tuple[Environment, RegisteredModel]:
    """Find what was named, and let only its operators pass, who say why.

    Raises:
        NotFound: ``unknown_environment`` or ``unknown_model``.
        Forbidden: the actor does not operate here.
        Invalid: no reason.
    """
    place = Environment.objects.filter(slug=environment).first()
    found = RegisteredModel.objects.filter(name=model).first()
    if place is None or found is None:
        what = "environment" if place is None else "model"
        message = f"There is no such {what}."
        raise NotFound(message, code=f"unknown_{what}")
    access.require(actor, access.Permission.OPERATE, environment=place, group=found.group)
    if problem := problem_with(reason):
        message = "Say why."
        raise Invalid(message, reason=problem)
    return place, found


def under_way(place: Environment, model: RegisteredModel, *, kind: str) -> Request | None:
    """Return the request of this kind that agents are carrying out, if there is one."""
    rows = Request.objects.filter(
        environment=place, model=model, kind=kind, state=Request.State.EXECUTING
    )
    return rows.select_related("deployment__version").first()


def locked(place: Environment, model: RegisteredModel) -> list[Deployment]:
    """Hold all of a model's deployments here, the latest champion first."""
    rows = Deployment.objects.select_for_update(of=("self",), no_key=True).filter(
        environment=place, model=model
    )
    related = rows.select_related("version", "model", "environment")
    return list(related.order_by("-champion_at", "pk"))


def champion_among(rows: list[Deployment]) -> Deployment | None:
    """Return the one of them that answers."""
    return next((d for d in rows if d.role == Deployment.Role.CHAMPION), None)


def candidate_among(rows: list[Deployment]) -> Deployment | None:
    """Return the one of them that answers some."""
    return next((d for d in rows if d.role == Deployment.Role.CANDIDATE), None)


def dismiss_candidate(
    rows: list[Deployment],
    *,
    request: Request,
    by_incident: bool,
    targets: dict[str, Target],
    journal: Journal,
    now: datetime,
) -> None:
    """Put the candidate of the rollout that ended back where it was, or bar it by an incident."""
    candidate = candidate_among(rows)
    if candidate is None:
        return
    if by_incident:
        why = f"{request.get_kind_display()} in a stage, with an incident open"
        rollouts.bar(candidate, request, journal=journal, now=now, why=why)
        return
    promoted = candidate.requests.filter(kind__in=REPLACING).order_by("-created_at").first()
    rollouts.step_down(
        candidate,
        request,
        from_state=promoted.from_state if promoted else Deployment.State.TRAINED,
        journal=journal,
        now=now,
        why=f"{request.get_kind_display()} in a stage",
    )
    if candidate.state == Deployment.State.DARK and Target.Tier.DARK in targets:
        publishing.publish(targets[Target.Tier.DARK], cause="dark again", journal=journal, now=now)


def take_over(
    deployment: Deployment,
    *,
    kind: str,
    to_state: str,
    replaces: ModelVersion | None,
    reason: str,
    journal: Journal,
    now: datetime,
) -> tuple[Request, Rules]:
    """Write the request that is carried out now, and end what is rolled out of this model here.

    Raises:
        Conflict: ``no_policy``.
    """
    policy = publishing.rules_of(deployment.environment_id, deployment.model.risk_tier)
    if policy is None:
        message = "This environment has no policy yet."
        raise Conflict(message, code="no_policy")
    row, rules = policy
    request = _write(
        deployment,
        kind=kind,
        to_state=to_state,
        replaces=replaces,
        policy=row,
        reason=reason,
        actor=journal.actor,
        now=now,
    )
    _preempt(request, journal=journal, now=now)
    request.state = Request.State.EXECUTING
    request.save(update_fields=["state"])
    journal.request(Action.REQUEST_OPENED, request, reason=reason)
    return request, rules


def _write(
    deployment: Deployment,
    *,
    kind: str,
    to_state: str,
    replaces: ModelVersion | None,
    policy: Policy,
    reason: str,
    actor: Actor,
    now: datetime,
) -> Request:
    shown = content.document(
        kind=kind,
        model=deployment.model.name,
        version=deployment.version.number,
        digest=deployment.version.digest,
        environment=deployment.environment.slug,
        from_state=deployment.state,
        to_state=to_state,
        policy=policy.number,
        champion_digest=replaces.digest if replaces else None,
        evidence={},
    )
    return Request.objects.create(
        kind=kind,
        state=Request.State.APPROVED,
        deployment=deployment,
        model=deployment.model,
        environment=deployment.environment,
        policy=policy,
        replaces=replaces,
        from_state=deployment.state,
        to_state=to_state,
        reason=reason,
        requester_kind=actor.kind,
        requester_id=actor.id,
        requester_label=actor.label,
        persons=sorted(actor.persons() | frozenset(deployment.version.authors)),
        content_hash=content.hash_of(shown),
        approvals_needed=0,
        created_at=now,
        expires_at=now + timedelta(days=1),
    )


def _preempt(request: Request, *, journal: Journal, now: datetime) -> None:
    """End what is being rolled out of this model here, or of this version to the dark tier."""
    running = Rollout.objects.select_for_update(of=("self",), no_key=True).filter(
        Q(
            request__kind__in=[
                *REPLACING,
                Request.Kind.ROLLBACK,
                Request.Kind.STOP,
            ]
        )
        | Q(request__deployment=request.deployment_id),
        ended_at=None,
        request__model=request.model_id,
        request__environment=request.environment_id,
    )
    for rollout in running.select_related(
        "target__environment",
        "request__deployment__version",
        "request__deployment__model",
        "request__deployment__environment",
        "request__model",
    ):
        rollouts.supersede(rollout, by=request, journal=journal, now=now)
        if rollout.target.tier == Target.Tier.DARK:
            # Nothing else tells the dark tier that it need not load this any more.
            cause = f"superseded by request {request.pk}"
            publishing.publish(rollout.target, cause=cause, journal=journal, now=now)
