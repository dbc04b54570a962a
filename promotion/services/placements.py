"""Where a model runs in an environment: which agents take it, and how many a rollout needs."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from pydantic import ValidationError

from governance import access
from governance.actors import Actor
from governance.audit.actions import Action
from governance.errors import Conflict, Invalid, NotFound
from governance.models import Environment
from governance.names import problem_with
from promotion.models import Deployment, Placement, Target
from promotion.placement import Document
from promotion.placement import Placement as Rule
from promotion.selectors import fleet_facts, placements
from promotion.services import policies, publishing, rollouts
from promotion.services.journal import Journal
from registry.models import RegisteredModel

ROLLOUT = Actor.from_task("promotion.advance")


def place(*, environment: str, model: str, document: object, reason: str, actor: Actor) -> Rule:
    """Place a model on the agents with these labels; they are told at once.

    Agents that are no longer among them unload it, and no rollout waits for them. Repeating
    it changes nothing.

    Raises:
        NotFound: ``unknown_environment`` or ``unknown_model``.
        Forbidden: the actor does not operate there.
        Invalid: the document is not one, or no reason.
        Conflict: ``nobody_placed``, a version answers there and no agent would take it.
    """
    changed, rule = _place(environment, model, parse(document), reason=reason, actor=actor)
    for target_id in changed:
        rollouts.advance_target(target_id=target_id, actor=ROLLOUT)
    return rule


def parse(document: object) -> Rule:
    """Read a placement.

    Raises:
        Invalid: it is none; ``problems`` by field.
    """
    try:
        rule = Rule.from_document(Document.model_validate(document))
    except ValidationError as error:
        message = "This is no placement."
        raise Invalid(message, problems=policies.problems_of(error)) from None
    if problem := rule.problem():
        message = "This is no placement."
        raise Invalid(message, labels=problem)
    return rule


@transaction.atomic
def _place(
    environment: str, model: str, rule: Rule, *, reason: str, actor: Actor
) -> tuple[list[UUID], Rule]:
    place, found = _resolve(environment, model)
    access.require(actor, access.Permission.OPERATE, environment=place, group=found.group)
    if problem := problem_with(reason):
        message = "Say why."
        raise Invalid(message, reason=problem)
    targets, now, journal = Target.objects.locked(place.pk), timezone.now(), Journal(actor)
    if not put(place, {found: rule}, targets=targets, reason=reason, journal=journal, now=now):
        return [], rule
    for tier in sorted(targets):
        cause = f"placement of {found.name}"
        publishing.publish(targets[tier], cause=cause, journal=journal, now=now)
    journal.write()
    return [target.pk for target in targets.values()], rule


def put(
    environment: Environment,
    wanted: Mapping[RegisteredModel, Rule],
    *,
    targets: Mapping[str, Target],
    reason: str,
    journal: Journal,
    now: datetime,
) -> list[str]:
    """Write down what differs from what is, with the targets locked; return the models' names.

    The caller publishes.

    Raises:
        Conflict: ``nobody_placed``.
    """
    present = placements.in_environment(environment.pk)
    changed = []
    for model, rule in sorted(wanted.items(), key=lambda one: one[0].name):
        if present.get(model.name, Rule()) == rule:
            continue
        _refuse_if_nobody_is_placed(environment, model, rule, targets=targets, now=now)
        row, _ = Placement.objects.update_or_create(
            environment=environment,
            model=model,
            defaults={"labels": dict(rule.labels), "minimum": rule.minimum, "changed_at": now},
        )
        journal.placement(Action.PLACEMENT_CHANGED, row, reason=reason)
        changed.append(model.name)
    return changed


def _resolve(environment: str, model: str) -> tuple[Environment, RegisteredModel]:
    place = Environment.objects.filter(slug=environment).first()
    found = RegisteredModel.objects.filter(name=model).first()
    if place is None or found is None:
        what = "environment" if place is None else "model"
        message = f"There is no such {what}."
        raise NotFound(message, code=f"unknown_{what}")
    return place, found


def _refuse_if_nobody_is_placed(
    environment: Environment,
    model: RegisteredModel,
    rule: Rule,
    *,
    targets: Mapping[str, Target],
    now: datetime,
) -> None:
    """Moving a model where nobody is would let it answer nobody: that is for ``stop``."""
    answers = Deployment.objects.filter(
        environment=environment, model=model, role=Deployment.Role.CHAMPION
    )
    if not answers.exists() or fleet_facts.required(targets[Target.Tier.LIVE], rule, now=now):
        return
    message = (
        f"A version of {model.name} answers in {environment.slug}, and none of the {rule.words()}"
        " is there to take it. Start one first; to let nobody answer, stop the model."
    )
    raise Conflict(message, code="nobody_placed", labels=dict(rule.labels))
