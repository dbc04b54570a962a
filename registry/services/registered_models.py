"""Every write to a registered model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from django.db import IntegrityError, transaction

from governance import names
from governance.access import Permission, require
from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.errors import Conflict, Invalid
from registry.models import RegisteredModel

_MOST = 50
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Description:
    """What an organisation says of a model, whatever version is in use."""

    owner: str
    purpose: str
    group: str = ""
    risk_tier: str = RegisteredModel.Tier.MEDIUM
    regimes: list[str] = field(default_factory=list)
    optimising_metric: str = ""
    optimising_direction: str = "max"
    satisficing: Mapping[str, float] = field(default_factory=dict)
    latency_budget_ms: float | None = None


@transaction.atomic
def register_model(*, name: str, description: Description, actor: Actor) -> RegisteredModel:
    """Register a model. Its name is for good.

    Raises:
        Forbidden: the actor does not submit in the model's group.
        Invalid: a field is wrong.
        Conflict: ``exists``, the name is taken.
    """
    _check(name, description)
    require(actor, Permission.SUBMIT, group=description.group)

    model = RegisteredModel(name=name, **asdict(description))
    try:
        with transaction.atomic():
            model.save(force_insert=True)
    except IntegrityError:
        message = f"There is a model {name} already."
        raise Conflict(message, code="exists") from None

    audit.record(
        Action.MODEL_REGISTERED,
        actor=actor,
        object=f"model:{name}",
        subject=f"model:{model.pk}",
        model=name,
        details={**asdict(description), "satisficing": dict(description.satisficing)},
    )
    return model


def _check(name: str, description: Description) -> None:
    problems: dict[str, str] = {
        "owner": names.problem_with(description.owner, limit=100),
        "purpose": names.problem_with(description.purpose, limit=5_000),
        "optimising_metric": names.problem_with(
            description.optimising_metric, limit=63, blank=True
        ),
        "regimes": _problem_with_names(description.regimes),
        "satisficing": _problem_with_names(list(description.satisficing)),
    }
    if not names.is_slug(name):
        problems["name"] = "must be 1 to 63 lower-case letters, digits and inner hyphens"
    if description.group and not names.is_slug(description.group):
        problems["group"] = "must be 1 to 63 lower-case letters, digits and inner hyphens"
    if description.risk_tier not in RegisteredModel.Tier.values:
        problems["risk_tier"] = f"must be one of {', '.join(RegisteredModel.Tier.values)}"
    if description.optimising_direction not in {"max", "min"}:
        problems["optimising_direction"] = "must be max or min"
    budget = description.latency_budget_ms
    if budget is not None and not 0 < budget <= _HOUR_MS:
        problems["latency_budget_ms"] = "must be above 0, and an hour at most"
    found = {path: problem for path, problem in problems.items() if problem}
    if found:
        message = "This is no model as we register them."
        raise Invalid(message, **found)


def _problem_with_names(given: list[str]) -> str:
    if len(given) > _MOST:
        return f"has more than {_MOST} entries"
    if len(set(given)) != len(given):
        return "has an entry twice"
    return next(filter(None, (names.problem_with(text, limit=100) for text in given)), "")
