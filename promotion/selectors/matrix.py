"""The environment matrix: models down, environments across. The page for the wall and for 3 a.m.

The number of queries does not depend on the number of models.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Sum

from governance.access import Sight
from governance.models import Environment
from promotion.models import DarkTally, Deployment, Request, Rollout
from promotion.selectors import abnormal, histories, model_page, observed
from promotion.selectors.abnormal import Alarm
from promotion.selectors.decided import Decided, decided
from promotion.selectors.observed import Champion, Place
from registry.models import RegisteredModel

LOADED_STATES = (Deployment.State.DARK, Deployment.State.PRODUCTION)


@dataclass(frozen=True, slots=True)
class Dark:
    """A version that sees copies only, and how many it was compared on."""

    number: int
    pairs: int


class Asked(NamedTuple):
    """A request that is not settled."""

    id: UUID
    model: str
    place: str
    deployment_id: UUID
    number: int
    state: str


@dataclass(frozen=True, slots=True)
class Flight:
    """A request under way: which step, and how many required agents are through."""

    request: Asked
    step: str
    done: int
    asked: int
    halted: bool = False


@dataclass(slots=True)
class Cell:
    """One model in one environment."""

    environment: Environment
    champion: Champion | None = None
    others: list[Decided] = field(default_factory=list)
    darks: list[Dark] = field(default_factory=list)
    flights: list[Flight] = field(default_factory=list)
    waiting: list[Asked] = field(default_factory=list)

    @property
    def is_switching(self) -> bool:
        """Tell whether agents are just moving to the champion that was decided.

        Until the rollout halts, that they do not all agree yet needs nobody.
        """
        return self.champion is not None and any(
            flight.step == Rollout.Step.COMMIT
            and not flight.halted
            and flight.request.deployment_id == self.champion.decided.id
            for flight in self.flights
        )

    def is_empty(self) -> bool:
        return not (self.champion or self.others or self.darks or self.flights or self.waiting)


@dataclass(frozen=True, slots=True)
class Row:
    """One model across all environments."""

    model: RegisteredModel
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Matrix:
    environments: list[Environment]
    rows: list[Row]
    alarms: list[Alarm]
    champions: int
    confirmed: int

    @property
    def title(self) -> str:
        """The answer this page gives."""
        if self.alarms:
            things = "1 thing needs" if len(self.alarms) == 1 else f"{len(self.alarms)} things need"
            return f"{things} somebody now"
        if not self.champions:
            return "No model answers callers yet"
        noun = "champion answers" if self.champions == 1 else "champions answer"
        if self.confirmed == self.champions:
            return f"{self.champions} {noun} as decided, confirmed by their agents"
        return f"{self.confirmed} of {self.champions} champions are confirmed by their agents"


def matrix(environments: Sight, *, now: datetime) -> Matrix:
    """Read all models in these environments."""
    places = [place.pk for place in environments]
    models = list(
        RegisteredModel.objects.filter(model_page.within(environments)).only("name", "group")
    )
    agents = observed.present_agents(places)
    loaded = Deployment.objects.filter(environments.reach.rows(), state__in=LOADED_STATES)
    rows = decided(loaded.order_by("-version__number"))
    champions = observed.champions(rows, agents=observed.live_by_environment(agents), now=now)
    cells = _cells(models, environments)
    _put_deployments(cells, rows, champions)
    _put_requests(cells, environments)
    return Matrix(
        environments=environments,
        rows=[
            Row(model, [cells[model.name, place.slug] for place in environments])
            for model in models
        ],
        alarms=abnormal.of_log(now=now)
        + abnormal.of_tampering(environments, now=now)
        + abnormal.among(
            agents, champions.values(), lost=histories.lost(places), sight=environments, now=now
        )
        + abnormal.of_requests(environments, answering=set(champions), now=now),
        champions=len(champions),
        confirmed=sum(one.confirmation.is_live() for one in champions.values()),
    )


def _cells(models: Iterable[RegisteredModel], environments: list[Environment]) -> dict[Place, Cell]:
    return {(model.name, place.slug): Cell(place) for model in models for place in environments}


def _put_deployments(
    cells: dict[Place, Cell], rows: list[Decided], champions: dict[Place, Champion]
) -> None:
    pairs = paired([row.version_id for row in rows if row.state == Deployment.State.DARK])
    for row in rows:
        cell = cells[row.model, row.place]
        if row.state == Deployment.State.DARK:
            cell.darks.append(Dark(row.number, pairs.get((row.version_id, row.place), 0)))
        elif row.role != Deployment.Role.CHAMPION:
            cell.others.append(row)
    for place, champion in champions.items():
        cells[place].champion = champion


def paired(versions: list[UUID]) -> dict[tuple[UUID, str], int]:
    """How many transactions each version was compared on, by (version, environment)."""
    rows = (
        DarkTally.objects.filter(version__in=versions)
        .values_list("version", "environment__slug")
        .annotate(pairs=Sum("scored"))
    )
    return {(version, place): pairs for version, place, pairs in rows}


def _put_requests(cells: dict[Place, Cell], sight: Sight) -> None:
    unsettled = [Request.State.OPEN, Request.State.APPROVED, Request.State.EXECUTING]
    rows = Request.objects.filter(sight.reach.rows(), state__in=unsettled).values_list(
        "id",
        "model__name",
        "environment__slug",
        "deployment_id",
        "deployment__version__number",
        "state",
    )
    running = {
        rollout.request_id: rollout
        for rollout in Rollout.objects.filter(ended_at__isnull=True).prefetch_related("steps")
    }
    for request in map(Asked._make, rows):
        cell = cells[request.model, request.place]
        if request.state == Request.State.OPEN:
            cell.waiting.append(request)
        else:
            cell.flights.append(flight(request, running.get(request.id)))


def flight(request: Asked, rollout: Rollout | None) -> Flight:
    """How far a request under way has come; its steps are loaded with the rollout."""
    if rollout is None:
        return Flight(request, "waiting to start", 0, 0)
    asked = [row for row in rollout.steps.all() if row.step == rollout.step_name and row.required]
    done = sum(row.done_at is not None for row in asked)
    halted = rollout.halted_at is not None
    return Flight(request, rollout.step_name.replace("-", " "), done, len(asked), halted)
