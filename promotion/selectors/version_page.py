"""One version: identity, contents, state per environment, evidence, and what happened to it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from governance.access import Sight
from governance.errors import NotFound
from governance.models import Environment
from promotion.comparison import features
from promotion.models import Agent, DarkTally, Deployment, Finding, Request, Waiver
from promotion.selectors import findings, latencies, live_reviews, observed, timeline
from promotion.selectors.decided import Decided
from promotion.selectors.latencies import Timing
from promotion.selectors.live_reviews import LiveVersion
from promotion.selectors.model_page import joined
from promotion.selectors.observed import Champion, Item
from promotion.selectors.promotions import with_approvals
from promotion.selectors.tallies import Tally, tallies_of
from promotion.selectors.timeline import Event
from registry.models import ModelVersion

GUARD = {
    "refused": "refused",
    "clipped": "clipped to the nearest that training held",
    "passed": "let pass",
    "other_pipelines": "calls refused: their features came from another pipeline",
}
INSTEAD = {
    "error": "the champion failed",
    "deadline": "the champion took too long",
    "golden": "the champion's golden transaction came out wrong",
    "stopped": "the champion was stopped",
    "missing": "the champion was not in memory",
}


@dataclass(frozen=True, slots=True)
class Golden:
    """How one agent reproduced the golden transactions."""

    agent: Agent
    environment: str
    passed: object
    total: object
    max_error: object


@dataclass(frozen=True, slots=True)
class Windows:
    """How long one agent's answers took lately: a minute, ten, an hour."""

    agent: Agent
    environment: str
    windows: list[Item]


@dataclass(frozen=True, slots=True)
class Counted:
    """What one agent has counted of the version since it loaded it."""

    agent: Agent
    environment: str
    guard: list[tuple[object, str]]
    """Values that training did not hold: how many, and what became of them."""
    instead: list[tuple[object, str]]
    """Answers it gave as a spare: how many, and why the champion did not."""


@dataclass(frozen=True, slots=True)
class VersionPlace:
    """The version in one environment: decided, and observed."""

    environment: Environment
    deployment: Deployment | None
    champion: Champion | None
    holders: list[tuple[Agent, Item]]
    """Agents that report it now, within their lease."""


@dataclass(frozen=True, slots=True)
class VersionPage:
    """Everything known of one version."""

    version: ModelVersion
    places: list[VersionPlace]
    requests: list[Request]
    tallies: list[Tally]
    timings: list[Timing]
    windows: list[Windows]
    counted: list[Counted]
    golden: list[Golden]
    features: Mapping[str, str]
    outputs: list[Item]
    metrics: Mapping[str, object]
    datasets: list[Item]
    training: Mapping[str, object]
    parameters: Mapping[str, object]
    waivers: list[Waiver]
    findings: list[Finding]
    live: list[LiveVersion]
    """Where it answers, with its last review and the next."""
    events: list[Event]

    @property
    def number_text(self) -> str:
        """The version's number, to put into a command."""
        return str(self.version.number)

    @property
    def title(self) -> str:
        """The answer this page gives."""
        name = f"{self.version.model.name} version {self.version.number}"
        answers = [p.environment.slug for p in self.places if p.champion]
        if answers:
            return f"{name} answers in {joined(answers)}"
        dark = [p.environment.slug for p in self.places if _is(p, Deployment.State.DARK)]
        if dark:
            return f"{name} is dark in {joined(dark)}"
        if any(_is(p, Deployment.State.RETIRED) for p in self.places):
            return f"{name} is retired"
        return f"{name} is trained and runs nowhere"


def version_page(name: str, number: int, sight: Sight, *, now: datetime) -> VersionPage:
    """Read one version in the environments it is seen in.

    Raises:
        NotFound: no such model or version, or none that is seen.
    """
    version = find(name, number, sight)
    environments = sight.of_group(version.model.group)
    places = [place.pk for place in environments]
    agents = observed.present_agents([place.pk for place in environments])
    manifest: Mapping[str, object] = version.manifest
    training = _mapping(manifest.get("training"))
    return VersionPage(
        version=version,
        places=_places(version, environments, agents, now=now),
        requests=list(
            with_approvals(
                Request.objects.filter(deployment__version=version, environment__in=places)
            )
        ),
        tallies=tallies_of(DarkTally.objects.filter(version=version, environment__in=places)),
        timings=latencies.of_version(version, places, now=now),
        windows=list(_windows(version, agents, now=now)),
        counted=list(_counted(version, agents, now=now)),
        golden=_golden(version, agents),
        features=features(manifest),
        outputs=[_sized(output) for output in _rows(manifest.get("outputs"))],
        metrics=_mapping(manifest.get("metrics")),
        datasets=_rows(manifest.get("datasets")),
        training={key: value for key, value in training.items() if key != "parameters"},
        parameters=_mapping(training.get("parameters")),
        waivers=[one for one in version.waivers.all() if one.environment_id in places],
        findings=findings.of_version(version),
        live=live_reviews.answering(version.deployments.filter(environment__in=places)),
        events=timeline.of_version(
            model=name, number=number, pk=version.pk, places=[one.slug for one in environments]
        ),
    )


def find(name: str, number: int, sight: Sight) -> ModelVersion:
    """Read one version with its model, inspection and files.

    Raises:
        NotFound: no such version, or none that is seen.
    """
    groups = sight.reach.groups()
    seen = Q() if groups is None else Q(model__group__in=groups)
    rows = ModelVersion.objects.select_related("model", "inspection", "manifest_blob")
    try:
        return rows.prefetch_related("files__blob", "attestations", "waivers__environment").get(
            seen, model__name=name, number=number
        )
    except ModelVersion.DoesNotExist:
        message = f"There is no version {number} of {name}."
        raise NotFound(message, code="unknown_version") from None


def _places(
    version: ModelVersion, environments: list[Environment], agents: list[Agent], *, now: datetime
) -> list[VersionPlace]:
    rows = version.deployments.select_related("model", "version", "environment")
    deployments = {row.environment_id: row for row in rows}
    champions = observed.champions(
        map(Decided.of, deployments.values()),
        agents=observed.live_by_environment(agents),
        now=now,
    )
    return [
        VersionPlace(
            place,
            deployments.get(place.pk),
            champions.get((version.model.name, place.slug)),
            [
                (agent, item)
                for agent in agents
                if agent.target.environment_id == place.pk
                and not observed.is_silent(agent, now=now)
                for item in observed.items(observed.report_of(agent))
                if item.get("digest") == version.digest
            ],
        )
        for place in environments
    ]


def _golden(version: ModelVersion, agents: list[Agent]) -> list[Golden]:
    found = []
    for agent in agents:
        for item in observed.items(observed.report_of(agent)):
            golden = item.get("golden")
            if item.get("digest") == version.digest and isinstance(golden, Mapping):
                found.append(
                    Golden(
                        agent,
                        agent.target.environment.slug,
                        golden.get("passed"),
                        golden.get("total"),
                        golden.get("max_error"),
                    )
                )
    return found


def _windows(version: ModelVersion, agents: list[Agent], *, now: datetime) -> Iterator[Windows]:
    for agent, item in _said(version, agents, now=now):
        latency = _mapping(item.get("latency"))
        if rows := [row for row in _rows(latency.get("windows")) if row.get("count")]:
            yield Windows(agent, agent.target.environment.slug, rows)


def _counted(version: ModelVersion, agents: list[Agent], *, now: datetime) -> Iterator[Counted]:
    for agent, item in _said(version, agents, now=now):
        guard, instead = (_mapping(item.get(name)) for name in ("guard", "spare_answers"))
        became = [(n, GUARD[what]) for what, n in guard.items() if n and what in GUARD]
        why = [(n, INSTEAD[reason]) for reason, n in instead.items() if n and reason in INSTEAD]
        if became or why:
            yield Counted(agent, agent.target.environment.slug, became, why)


def _said(
    version: ModelVersion, agents: list[Agent], *, now: datetime
) -> Iterator[tuple[Agent, Item]]:
    """What agents that are heard of say of the version now."""
    for agent in agents:
        if observed.is_silent(agent, now=now):
            continue
        for item in observed.items(observed.report_of(agent)):
            if item.get("digest") == version.digest:
                yield agent, item


def _is(place: VersionPlace, state: str) -> bool:
    return place.deployment is not None and place.deployment.state == state


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _sized(output: Item) -> Item:
    """Say a dimension of any size in words."""
    shape = output.get("shape")
    sizes = shape if isinstance(shape, list) else []
    return {**output, "shape": ["any number" if size == -1 else size for size in sizes]}


def _rows(value: object) -> list[Item]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []
