"""One step back: a former champion answers again, at once, agent by agent."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.audit.actions import Action
from governance.audit.services import records_refusals
from governance.errors import Conflict, Invalid, NotFound
from governance.models import Environment
from governance.names import problem_with
from promotion import content
from promotion.models import Deployment, Request, Rollout, Target
from promotion.models import Policy as PolicyRow
from promotion.policies import Policy as Rules
from promotion.services import publishing, rollouts
from promotion.services.journal import Journal
from registry.models import RegisteredModel


@records_refusals
@transaction.atomic
def rollback(
    *, environment: str, model: str, reason: str, actor: Actor, to: int | None = None
) -> Request:
    """Let a former champion answer again; the present one steps back and is retired.

    Needs no approval and waits for nobody. It pre-empts a running rollout of the
    same model. ``to`` is a version's number, by default the champion before. Asked
    again while it is under way, it is the same wish and returns the same request:
    by then the champion before is the version that was just left.

    Raises:
        NotFound: ``unknown_environment`` or ``unknown_model``.
        Forbidden: the actor does not operate here.
        Conflict: ``nothing_to_roll_back_to`` or ``not_a_former_champion``.
    """
    place, found = _resolve(environment, model, actor=actor)
    if problem := problem_with(reason):
        message = "Say why."
        raise Invalid(message, reason=problem)
    targets, now, journal = Target.objects.locked(place.pk), timezone.now(), Journal(actor)
    if under_way := _under_way(place, found, to=to):
        return under_way
    rows = _locked(place, found)
    former = _former(rows, to=to)
    present = next((d for d in rows if d.role == Deployment.Role.CHAMPION), None)
    policy = _policy(place)
    request = _request(former, present=present, policy=policy, reason=reason, actor=actor, now=now)
    _preempt(request, journal=journal, now=now)
    request.state = Request.State.EXECUTING
    request.save(update_fields=["state"])
    journal.request(Action.REQUEST_OPENED, request, reason=reason)
    live = targets[Target.Tier.LIVE]
    _retire_leftovers(rows, former, request=request, journal=journal, now=now)
    _exchange(former, present, request=request, live=live, journal=journal, now=now)
    rollouts.begin_switched(
        request,
        step=Rollout.Step.COMMIT,
        target=live,
        outgoing=present,
        rules=Rules.model_validate(policy.document),
        journal=journal,
        now=now,
    )
    journal.write()
    return request


def _resolve(environment: str, model: str, *, actor: Actor) -> tuple[Environment, RegisteredModel]:
    """Find what was named, and let only its operators pass."""
    place = Environment.objects.filter(slug=environment).first()
    found = RegisteredModel.objects.filter(name=model).first()
    if place is None or found is None:
        what = "environment" if place is None else "model"
        message = f"There is no such {what}."
        raise NotFound(message, code=f"unknown_{what}")
    access.require(actor, access.Permission.OPERATE, environment=place, group=found.group)
    return place, found


def _under_way(place: Environment, model: RegisteredModel, *, to: int | None) -> Request | None:
    running = (
        Request.objects.filter(
            environment=place,
            model=model,
            kind=Request.Kind.ROLLBACK,
            state=Request.State.EXECUTING,
        )
        .select_related("deployment__version")
        .first()
    )
    if running and to in {None, running.deployment.version.number}:
        return running
    return None


def _locked(place: Environment, model: RegisteredModel) -> list[Deployment]:
    rows = Deployment.objects.select_for_update(of=("self",), no_key=True).filter(
        environment=place, model=model
    )
    related = rows.select_related("version", "model", "environment")
    return list(related.order_by("-champion_at", "pk"))


def _former(rows: list[Deployment], *, to: int | None) -> Deployment:
    eligible = [
        d
        for d in rows
        if d.was_champion()
        and (
            d.role == Deployment.Role.BAKE
            or (d.state == Deployment.State.RETIRED and d.hold == Deployment.Hold.PREVIOUS)
        )
    ]
    if to is None:
        if not eligible:
            message = "No former champion is kept here to go back to."
            raise Conflict(message, code="nothing_to_roll_back_to")
        return eligible[0]
    for deployment in eligible:
        if deployment.version.number == to:
            return deployment
    message = f"Version {to} is not a former champion that is kept here."
    kept = [d.version.number for d in eligible]
    raise Conflict(message, code="not_a_former_champion", kept=kept)


def _policy(place: Environment) -> PolicyRow:
    found = publishing.rules_of(place.pk)
    if found is None:
        message = "This environment has no policy yet."
        raise Conflict(message, code="no_policy")
    return found[0]


def _request(
    former: Deployment,
    *,
    present: Deployment | None,
    policy: PolicyRow,
    reason: str,
    actor: Actor,
    now: datetime,
) -> Request:
    replaced = present.version if present else None
    shown = content.document(
        kind=Request.Kind.ROLLBACK,
        model=former.model.name,
        version=former.version.number,
        digest=former.version.digest,
        environment=former.environment.slug,
        from_state=former.state,
        to_state=Deployment.State.PRODUCTION,
        policy=policy.number,
        champion_digest=replaced.digest if replaced else None,
        evidence={},
    )
    return Request.objects.create(
        kind=Request.Kind.ROLLBACK,
        state=Request.State.APPROVED,
        deployment=former,
        model=former.model,
        environment=former.environment,
        policy=policy,
        replaces=replaced,
        from_state=former.state,
        to_state=Deployment.State.PRODUCTION,
        reason=reason,
        requester_kind=actor.kind,
        requester_id=actor.id,
        requester_label=actor.label,
        persons=sorted(actor.persons() | frozenset(former.version.authors)),
        content_hash=content.hash_of(shown),
        approvals_needed=0,
        created_at=now,
        expires_at=now + timedelta(days=1),
    )


def _preempt(request: Request, *, journal: Journal, now: datetime) -> None:
    """End what is being rolled out of this model here, whatever step it is at."""
    running = Rollout.objects.select_for_update(of=("self",), no_key=True).filter(
        ended_at=None,
        request__model=request.model_id,
        request__environment=request.environment_id,
        request__to_state=Deployment.State.PRODUCTION,
    )
    for rollout in running.select_related(
        "request__deployment__version",
        "request__deployment__model",
        "request__deployment__environment",
        "request__model",
    ):
        rollouts.supersede(rollout, by=request, journal=journal, now=now)


def _exchange(
    former: Deployment,
    present: Deployment | None,
    *,
    request: Request,
    live: Target,
    journal: Journal,
    now: datetime,
) -> None:
    """The present champion gives the role up first, the former one takes it second."""
    if present is not None:
        present.step_back()
        present.changed_at = now
        present.save()
        journal.deployment(Action.DEPLOYMENT_BAKED, present, request)
    if former.state == Deployment.State.RETIRED:
        former.restore(now)
    else:
        former.take_championship(now)
    former.switched_generation = live.generation + 1
    former.changed_at = now
    former.save()
    journal.deployment(
        Action.DEPLOYMENT_RESTORED,
        former,
        request,
        replaces=present.version.digest if present else None,
    )


def _retire_leftovers(
    rows: list[Deployment],
    former: Deployment,
    *,
    request: Request,
    journal: Journal,
    now: datetime,
) -> None:
    """Retire what the pre-empted rollout had kept loaded and nobody waits for any more."""
    for deployment in rows:
        if deployment.role == Deployment.Role.BAKE and deployment.pk != former.pk:
            deployment.retire()
            deployment.changed_at = now
            deployment.save()
            journal.deployment(Action.DEPLOYMENT_RETIRED, deployment, request)
