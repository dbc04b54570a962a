"""One model: its versions, and where each of them is."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Max, Q

from governance.access import Sight
from governance.errors import NotFound
from governance.models import Environment
from promotion.models import Agent, Deployment
from promotion.placement import EVERYWHERE, Placement
from promotion.selectors import observed, placements, spares
from promotion.selectors.decided import Decided
from promotion.selectors.observed import Champion
from promotion.verdicts import Allowed
from registry.models import ModelVersion, RegisteredModel

VERSIONS = 100
"""The newest versions one page shows."""


@dataclass(frozen=True, slots=True)
class ModelLine:
    """One model in the list."""

    model: RegisteredModel
    versions: int
    newest: int | None
    answering: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Place:
    """One environment, as one model has it."""

    environment: Environment
    champion: Champion | None
    candidate: Deployment | None
    """The one that answers some callers in a stage. A rollback takes these from it first."""
    former: list["Former"]
    """Former champions that are kept here and may be rolled back to, the latest first."""
    spare: Deployment | None
    """The one that answers when the champion fails."""
    fit: list["Former"]
    """Former champions that may be named spare, the latest first."""
    is_stopped: bool
    """A version answered here once, and none answers now."""
    placement: Placement
    agents: list[str]
    """The agents of both tiers that it is placed on."""


@dataclass(frozen=True, slots=True)
class Former:
    """A former champion, and from where each live agent could answer with it: names by place."""

    deployment: Deployment
    in_memory: list[str]
    on_disk: list[str]
    absent: list[str]
    silent: list[str]

    @property
    def effect(self) -> str:
        """From where, on each agent, it would come."""
        parts = [
            (self.in_memory, "in memory on {}: at once"),
            (self.on_disk, "on disk of {}: as soon as it is loaded"),
            (self.absent, "not on {}: fetched and loaded first"),
            (self.silent, "unknown on {}: silent"),
        ]
        said = [words.format(joined(names)) for names, words in parts if names]
        return "; ".join(said) or "no agent would answer with it"


@dataclass(frozen=True, slots=True)
class VersionLine:
    """One version, with its state in each environment: None where it is trained only."""

    version: ModelVersion
    states: list[tuple[Environment, Deployment | None]]
    metric: object


@dataclass(frozen=True, slots=True)
class ModelPage:
    """One model with its places and versions."""

    model: RegisteredModel
    places: list[Place]
    versions: list[VersionLine]
    total: int

    @property
    def title(self) -> str:
        """The answer this page gives."""
        name = self.model.name
        where: dict[int, list[str]] = {}
        for place in self.places:
            if place.champion:
                number = place.champion.decided.number
                where.setdefault(number, []).append(place.environment.slug)
        if where:
            answers = [f"version {number} in {joined(slugs)}" for number, slugs in where.items()]
            return f"{name} answers as {', and as '.join(answers)}"
        if stopped := [place.environment.slug for place in self.places if place.is_stopped]:
            return f"{name} is stopped in {joined(stopped)}"
        if self.versions:
            newest = self.versions[0].version.number
            return f"{name} answers nobody yet; its newest version is {newest}"
        return f"{name} has no version yet"


def joined(parts: list[str]) -> str:
    """Put parts into a sentence."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]])) if parts else ""


def within(sight: Sight) -> Q:
    """Select the models that are seen, wherever that is."""
    groups = sight.reach.groups()
    return Q() if groups is None else Q(group__in=groups)


def names(sight: Sight) -> dict[UUID, frozenset[str]]:
    """Return by environment the names of the models that are seen there. One query."""
    models = list(RegisteredModel.objects.values_list("name", "group"))
    return {
        place.pk: frozenset(
            name for name, group in models if sight.reach.covers(environment=place.pk, group=group)
        )
        for place in sight
    }


def models_list(environments: Sight) -> list[ModelLine]:
    """Read every model with what answers for it. Two queries."""
    champions: dict[UUID, list[tuple[str, int]]] = {}
    rows = Deployment.objects.filter(
        environments.reach.rows(), role=Deployment.Role.CHAMPION
    ).select_related("version", "environment")
    for row in rows.order_by("environment__position", "environment__slug"):
        answering = champions.setdefault(row.model_id, [])
        answering.append((row.environment.slug, row.version.number))
    models = RegisteredModel.objects.filter(within(environments)).annotate(
        versions_count=Count("versions"), newest=Max("versions__number")
    )
    return [
        ModelLine(model, model.versions_count, model.newest, champions.get(model.pk, []))
        for model in models
    ]


def find(name: str, sight: Sight) -> RegisteredModel:
    """Read one model.

    Raises:
        NotFound: no such model, or none that is seen.
    """
    try:
        return RegisteredModel.objects.get(within(sight), name=name)
    except RegisteredModel.DoesNotExist:
        message = f"There is no model {name}."
        raise NotFound(message, code="unknown_model") from None


def model_page(name: str, sight: Sight, *, now: datetime) -> ModelPage:
    """Read one model in the environments it is seen in.

    Raises:
        NotFound: no such model, or none that is seen.
    """
    model = find(name, sight)
    environments = sight.of_group(model.group)
    versions = list(model.versions.select_related("inspection")[:VERSIONS])
    deployments = list(
        Deployment.objects.filter(model=model, environment__in=[e.pk for e in environments])
        .select_related("model", "version__inspection", "environment")
        .order_by("-champion_at", "pk")
    )
    states = {(row.version_id, row.environment_id): row for row in deployments}
    return ModelPage(
        model=model,
        places=_places(model, environments, deployments, now=now),
        versions=[
            VersionLine(
                version,
                [(place, states.get((version.pk, place.pk))) for place in environments],
                _metric(version, model.optimising_metric),
            )
            for version in versions
        ],
        total=model.versions.count(),
    )


def _places(
    model: RegisteredModel,
    environments: list[Environment],
    deployments: list[Deployment],
    *,
    now: datetime,
) -> list[Place]:
    agents = observed.present_agents([place.pk for place in environments])
    live = observed.live_by_environment(agents)
    champions = {
        slug: champion
        for (_, slug), champion in observed.champions(
            map(Decided.of, deployments), agents=live, now=now
        ).items()
    }
    placed = placements.of_model(model.name)
    found = []
    for place in environments:
        placement = placed.get(place.slug, EVERYWHERE)
        here = [row for row in deployments if row.environment_id == place.pk]
        counted = [one for one in live.get(place.slug, []) if _counts(one, placement)]
        found.append(
            Place(
                place,
                champions.get(place.slug),
                next((row for row in here if row.role == Deployment.Role.CANDIDATE), None),
                [_former(row, counted, now=now) for row in here if may_return(row)],
                spare=next((row for row in here if row.role == Deployment.Role.SPARE), None),
                fit=[
                    _former(row, counted, now=now)
                    for row in here
                    if isinstance(spares.fitness(row), Allowed)
                ],
                is_stopped=place.slug not in champions
                and any(row.champion_at is not None for row in here),
                placement=placement,
                agents=[
                    agent.name
                    for agent in agents
                    if agent.target.environment_id == place.pk and _counts(agent, placement)
                ],
            )
        )
    return found


def _counts(agent: Agent, placement: Placement) -> bool:
    """Tell whether an agent would take what is decided for the model: it is placed, and not out."""
    return not agent.cordoned and placement.covers(agent.labels)


def _former(row: Deployment, agents: list[Agent], *, now: datetime) -> Former:
    digest = row.version.digest
    found = Former(row, [], [], [], [])
    for agent in agents:
        report = observed.report_of(agent)
        held = report.counters.get("held") if report else None
        if report is None or observed.is_silent(agent, now=now):
            found.silent.append(agent.name)
        elif digest in observed.ready(report):
            found.in_memory.append(agent.name)
        elif isinstance(held, list) and digest in held:
            found.on_disk.append(agent.name)
        else:
            found.absent.append(agent.name)
    return found


def may_return(row: Deployment) -> bool:
    """Tell whether a rollback may bring this former champion back."""
    kept = row.state == Deployment.State.RETIRED and row.hold == Deployment.Hold.PREVIOUS
    loaded = row.role in {Deployment.Role.BAKE, Deployment.Role.SPARE}
    return row.was_champion() and (kept or loaded)


def _metric(version: ModelVersion, name: str) -> object:
    metrics = version.manifest.get("metrics")
    return metrics.get(name) if isinstance(metrics, dict) else None
