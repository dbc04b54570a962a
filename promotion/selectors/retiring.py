"""What would be lost if a version were retired: who answers then, and who falls back on whom."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from governance.models import Environment
from promotion.models import Deployment, Request, Rollout
from promotion.selectors.made_from import Made
from promotion.selectors.model_page import joined, may_return
from registry.models import ModelVersion

UNSETTLED = (Request.State.OPEN, Request.State.APPROVED, Request.State.EXECUTING)


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that would come of it. ``code`` is stable, ``text`` is for people."""

    code: str
    text: str
    severe: bool = False


@dataclass(frozen=True, slots=True)
class Impact:
    """What retiring it would mean in one environment."""

    environment: Environment
    deployment: Deployment
    way: str
    """How it would be retired here; empty where it cannot be, or is."""
    effects: list[Effect] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Around:
    """What else there is of the model in the environments that are seen."""

    deployments: list[Deployment]
    requests: list[Request]
    rollouts: list[Rollout]

    def here(self, place: Environment) -> list[Deployment]:
        return [row for row in self.deployments if row.environment_id == place.pk]


def around(version: ModelVersion, places: list[Environment]) -> Around:
    """Read the model's other deployments, and what is under way with this one. Three queries."""
    at = [place.pk for place in places]
    rows = Deployment.objects.filter(model=version.model_id, environment__in=at)
    asked = Request.objects.filter(model=version.model_id, environment__in=at, state__in=UNSETTLED)
    running = Rollout.objects.filter(
        request__model=version.model_id, request__environment__in=at, ended_at__isnull=True
    )
    return Around(
        list(
            rows.select_related("version", "environment")
            .defer("version__manifest")
            .order_by("-champion_at", "pk")
        ),
        list(asked.select_related("deployment__version", "environment").order_by("created_at")),
        list(running.select_related("request__deployment", "outgoing")),
    )


def impacts(version: ModelVersion, found: Around, places: Iterable[Environment]) -> list[Impact]:
    """Say for each environment in which the version has been what retiring it would mean."""
    told = []
    for place in places:
        here = found.here(place)
        own = next((row for row in here if row.version_id == version.pk), None)
        if own is None or own.state == Deployment.State.TRAINED:
            continue
        effects = [*_answers(own, here), *_loses(own, here), *_under_way(own, found)]
        told.append(Impact(place, own, _way(own), effects))
    return told


def of_children(children: Iterable[Made]) -> list[Effect]:
    """Say which versions that come from it go on without it."""
    live = [
        f"{one.version.model.name} {one.version.number} in"
        f" {joined([place.environment.slug for place in one.answering])}"
        for one in children
        if one.answering
    ]
    if not live:
        return []
    text = f"Made from it and answering callers: {joined(live)}. They go on answering."
    return [Effect("children_answer", text)]


def _way(own: Deployment) -> str:
    if own.role == Deployment.Role.CHAMPION:
        return "promote a successor, roll back, or stop the model"
    if own.role == Deployment.Role.SPARE:
        return "drop it as spare"
    if own.state == Deployment.State.DARK:
        return "ask for it to be retired"
    return ""


def _answers(own: Deployment, here: list[Deployment]) -> Iterable[Effect]:
    """Who answers afterwards."""
    if own.role == Deployment.Role.CHAMPION:
        if spare := _of(here, Deployment.Role.SPARE):
            text = f"Version {spare.version.number}, the spare, answers instead."
            yield Effect("spare_answers", text)
        else:
            text = "Nobody answers: callers get 503 until a version is promoted or rolled back to."
            yield Effect("nobody_answers", text, severe=True)
        former = [row.version.number for row in here if row.pk != own.pk and may_return(row)]
        if former:
            text = f"A rollback can bring back version {joined([str(n) for n in former])}."
            yield Effect("rollback_brings_back", text)
    elif champion := _of(here, Deployment.Role.CHAMPION):
        text = f"Version {champion.version.number} goes on answering."
        yield Effect("champion_stays", text)


def _loses(own: Deployment, here: list[Deployment]) -> Iterable[Effect]:
    """What stands on it."""
    champion = _of(here, Deployment.Role.CHAMPION)
    if own.role == Deployment.Role.SPARE:
        text = "When the champion fails, callers get its error: there is no other spare."
        yield Effect("fallback_lost", text, severe=True)
    if may_return(own) and own.role != Deployment.Role.SPARE:
        text = "It is kept to be rolled back to: without it a rollback has one version less."
        yield Effect("rollback_target_lost", text)
    if own.state == Deployment.State.DARK:
        against = f" with version {champion.version.number}" if champion else ""
        yield Effect("comparison_ends", f"Its comparison{against} on live copies ends.")
    if own.role == Deployment.Role.CHAMPION:
        darks = [str(row.version.number) for row in here if row.state == Deployment.State.DARK]
        if darks:
            text = f"Dark version {joined(darks)} is compared with nothing until another answers."
            yield Effect("baseline_lost", text)


def _under_way(own: Deployment, found: Around) -> Iterable[Effect]:
    """What is asked for or carried out, and counts on it."""
    for request in found.requests:
        if request.environment_id != own.environment_id:
            continue
        number = request.deployment.version.number
        if request.deployment_id == own.pk:
            text = f"A request to {request.get_kind_display()} it is {request.state}."
            yield Effect("request_of_its_own", text)
        elif request.replaces_id == own.version_id:
            text = f"The request for version {number} was signed to replace it, and is voided."
            yield Effect("request_voided", text)
    for rollout in found.rollouts:
        if own.pk in {rollout.request.deployment_id, rollout.outgoing_id}:
            text = f"A rollout at {rollout.step_name.replace('-', ' ')} has to end first."
            yield Effect("rollout_in_progress", text, severe=True)


def _of(here: list[Deployment], role: str) -> Deployment | None:
    return next((row for row in here if row.role == role), None)
