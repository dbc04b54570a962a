"""Environments with their targets and policy, as one document that is put in place."""

from dataclasses import dataclass
from typing import Annotated, Literal

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from governance import access
from governance.actors import Actor
from governance.audit.actions import Action
from governance.errors import Invalid
from governance.models import Environment
from governance.services.environments import define_environment
from promotion import placement
from promotion.models import Policy as PolicyRow
from promotion.models import Target
from promotion.policies import Policy as Rules
from promotion.selectors import placements as selected
from promotion.services import placements, policies, policy_requests, publishing
from promotion.services.journal import Journal
from registry.models import RegisteredModel


class _TargetDocument(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    mirror_fraction: Annotated[float, Field(ge=0, le=1)] = 0.0


class EnvironmentDocument(BaseModel):
    """What ``lockgate apply`` says of one environment."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: str
    position: Annotated[int, Field(ge=0, le=32_767)] = 0
    targets: dict[str, _TargetDocument] = Field(default_factory=lambda: {"live": _TargetDocument()})
    policy: Rules = Rules()
    policies: dict[Literal["low", "medium", "high"], Rules] = {}
    """Rules for the models of a risk tier, instead of ``policy``."""
    placements: dict[str, placement.Document] | None = None
    """Where models run, by name; those not named run everywhere. As it is when left out."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What putting a document in place changed, in words."""

    environment: Environment
    changes: list[str]


@transaction.atomic
def apply(*, slug: str, document: object, actor: Actor, dry_run: bool = False) -> Applied:
    """Make an environment be as the document says. Repeating it changes nothing.

    Raises:
        Invalid: the document is not one; ``problems`` by field.
        Forbidden: the actor does not administer it.
    """
    parsed = _parse(document)
    # First, as in every decision about an environment: entries lock the log, which comes last.
    list(
        Target.objects.select_for_update(of=("self",), no_key=True)
        .filter(environment__slug=slug)
        .order_by("tier")
    )
    defined = define_environment(slug=slug, kind=parsed.kind, position=parsed.position, actor=actor)
    access.require(actor, access.Permission.ADMINISTER, environment=defined.environment)
    changes = [f"environment {slug}"] if defined.changed else []
    journal = Journal(actor)
    changes += _put_policies(defined.environment, parsed, actor=actor)
    moved = _put_targets(defined.environment, parsed.targets, journal=journal)
    moved += _put_placements(defined.environment, parsed.placements, journal=journal)
    if moved:
        _publish(defined.environment, journal=journal)
    changes += moved
    journal.write()
    if dry_run:
        transaction.set_rollback(True)
    return Applied(defined.environment, changes)


def _parse(document: object) -> EnvironmentDocument:
    try:
        return EnvironmentDocument.model_validate(document)
    except ValidationError as error:
        message = "This is no description of an environment."
        raise Invalid(message, problems=policies.problems_of(error)) from None


def _put_policies(
    environment: Environment, parsed: EnvironmentDocument, *, actor: Actor
) -> list[str]:
    """Publish what is new; a tier that is no longer named follows the environment's rules again."""
    rows = PolicyRow.objects.filter(environment=environment).exclude(tier="")
    present = set(rows.values_list("tier", flat=True))
    wanted: dict[str, Rules] = {"": parsed.policy, **dict.fromkeys(sorted(present), parsed.policy)}
    wanted.update({str(tier): rules for tier, rules in parsed.policies.items()})
    changes = []
    for tier, rules in wanted.items():
        policies.refuse_places(rules, slug=environment.slug, may_come=True)
        found = policy_requests.put_or_ask(
            environment, tier=tier, proposed=rules, reason="applied as code", actor=actor
        )
        where = _where(environment, tier)
        if isinstance(found, PolicyRow):
            changes.append(f"policy {found.number} of {where}")
        elif found is not None:
            changes.append(f"policy of {where} waits for approval: request {found.pk}")
    return changes


def _where(environment: Environment, tier: str) -> str:
    return f"{environment.slug}, risk tier {tier}" if tier else environment.slug


def _put_targets(
    environment: Environment, wanted: dict[str, _TargetDocument], *, journal: Journal
) -> list[str]:
    unknown = wanted.keys() - set(Target.Tier.values)
    if unknown or Target.Tier.LIVE not in wanted:
        message = "An environment has the target live, and may have the target dark."
        raise Invalid(message, targets=sorted(wanted))
    present = {target.tier: target for target in _locked(environment)}
    changes = []
    for tier in sorted(wanted):
        target = present.get(tier) or Target(environment=environment, tier=tier)
        target.environment = environment
        fraction = wanted[tier].mirror_fraction
        if tier in present and target.mirror_fraction == fraction:
            continue
        target.mirror_fraction = fraction
        target.save(force_insert=tier not in present)
        journal.target(Action.TARGET_DEFINED, target, mirror_fraction=fraction)
        changes.append(f"target {environment.slug}/{tier}")
    return changes


def _put_placements(
    environment: Environment,
    documents: dict[str, placement.Document] | None,
    *,
    journal: Journal,
) -> list[str]:
    """Place the models that are named; those that are not, and were, run everywhere again."""
    if documents is None:
        return []
    named = {*documents, *selected.in_environment(environment.pk)}
    models = {one.name: one for one in RegisteredModel.objects.filter(name__in=named)}
    if unknown := sorted(documents.keys() - models.keys()):
        message = "Only a model that is registered can be placed."
        raise Invalid(message, placements=unknown)
    wanted = {
        models[name]: placements.parse(documents.get(name, placement.Document()).model_dump())
        for name in named
    }
    targets = {target.tier: target for target in _locked(environment)}
    changed = placements.put(
        environment,
        wanted,
        targets=targets,
        reason="applied as code",
        journal=journal,
        now=timezone.now(),
    )
    return [f"placement of {name} in {environment.slug}" for name in changed]


def _locked(environment: Environment) -> QuerySet[Target]:
    rows = Target.objects.select_for_update(of=("self",), no_key=True).filter(
        environment=environment
    )
    return rows.select_related("environment").order_by("tier")


def _publish(environment: Environment, *, journal: Journal) -> None:
    """Tell all tiers: what they should do may have changed."""
    for target in _locked(environment):
        publishing.publish(target, cause="environment defined", journal=journal, now=timezone.now())
