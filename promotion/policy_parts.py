"""The parts of a policy that have parts of their own: gates with their parameters, and freezes."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from governance.names import SLUG, problem_with

Slug = Annotated[str, Field(pattern="^" + SLUG.pattern.replace(r"\Z", "$"))]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Figure = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


Severity = Literal["minor", "major", "critical"]
SEVERITIES: tuple[Severity, ...] = ("minor", "major", "critical")
"""How bad an incident is, the worst last."""

FindingSeverity = Literal["low", "medium", "high", "critical"]
FINDING_SEVERITIES: tuple[FindingSeverity, ...] = ("low", "medium", "high", "critical")
"""How much a finding weighs, the worst last."""


class Strict(BaseModel):
    """Unknown fields are refused, and ``"1"`` is no number."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


class Golden(Strict):
    """The golden transactions passed on the agents that ran it."""

    agents: Annotated[int, Field(ge=1, le=1_000)] = 1
    """Agents that must have passed them."""


class Inputs(Strict):
    """Callers of the champion can call it: nothing was added, removed or narrowed."""

    acknowledged: list[Name] = []
    """Features that callers know to be added, removed or narrowed."""


class Metrics(Strict):
    """Its metrics hold thresholds, the model's own limits, and the champion's level."""

    at_least: dict[Name, Figure] = {}
    """Metrics and the least they must be."""

    at_most: dict[Name, Figure] = {}
    """Metrics and the most they may be. The model's satisficing limits count as these too."""

    worse_by: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """By how much the optimising metric may be worse than the champion's."""


class Documentation(Strict):
    """What the manifest and the model must say of themselves is there."""


class Attested(Strict):
    """Somebody other than its authors has put evidence beside it."""

    kinds: Annotated[list[Name], Field(min_length=1)] = ["validation_report"]
    """Kinds of attestation that must be there, each by a person who is no author."""


class DataAge(Strict):
    """The newest of its training data is not too old."""

    days: Positive
    """Days, at most."""


class Pipeline(Strict):
    """It was made by the same pipeline as the champion."""

    acknowledged: list[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = []
    """Digests of other pipelines that are known and accepted."""


class DarkComparison(Strict):
    """Beside the champion, on copies of real traffic, it decides nearly the same."""

    pairs: Annotated[int, Field(ge=1)] = 1_000
    """Paired transactions, at least."""

    flips: Share = 1.0
    """Share of them that may be decided otherwise."""

    difference: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """How far scores may lie apart, as a mean. Not asked when left out."""


class Latency(Strict):
    """It is as fast as the model's latency budget asks, as agents measured it."""

    percentile: Literal["p50", "p95", "p99"] = "p99"
    """Which part of the distribution is compared with the budget."""

    answers: Annotated[int, Field(ge=1)] = 100
    """Answers that agents must have measured in the last hour, all together."""


class Memory(Strict):
    """It fits beside what the agents hold. Looked at again when it is carried out."""

    agent_mb: Positive
    """Memory that one agent may use, in MB."""


class NoOpenIncident(Strict):
    """No incident is open here, of the model or of all. Looked at again when carried out."""

    severity: Severity = "minor"
    """Incidents from this severity up stop it."""


class NoOpenFindings(Strict):
    """No finding that counts is open on the version. Looked at again when carried out."""

    severity: FindingSeverity = "high"
    """Findings from this severity up stop it, and those that say that they block."""


class Gates(Strict):
    """Gates that are asked for, each with its parameters. What is left out is not asked."""

    golden: Golden | None = None
    """The golden transactions passed on the agents that ran it."""

    inputs: Inputs | None = None
    """Input features are compatible with the champion's."""

    metrics: Metrics | None = None
    """Metrics against thresholds and against the champion's."""

    live_hours: dict[Slug, Positive] | None = None
    """Hours that agents of another environment must have answered with the same digest."""

    documentation: Documentation | None = None
    """Documentation is complete."""

    attested: Attested | None = None
    """Evidence of somebody who is no author."""

    data_age: DataAge | None = None
    """Age of the training data."""

    pipeline: Pipeline | None = None
    """The same pipeline as the champion's, or an acknowledged one."""

    dark_comparison: DarkComparison | None = None
    """Compared with the champion on copies of real traffic."""

    latency: Latency | None = None
    """Latency within the model's budget."""

    memory: Memory | None = None
    """Memory on the agents."""

    no_open_incident: NoOpenIncident | None = None
    """No incident is open."""

    no_open_findings: NoOpenFindings | None = None
    """No finding that counts is open."""


WaivableGate = Literal[
    "lower_environment",
    "dark_first",
    "dark_pairs",
    "inputs",
    "metrics",
    "live_hours",
    "documentation",
    "attested",
    "data_age",
    "pipeline",
    "dark_comparison",
    "latency",
]
"""Never inspection, golden transactions, memory, an open incident or finding, or a freeze."""


class Waivers(Strict):
    """What a risk officer may let pass, with a reason and an end."""

    gates: Annotated[list[WaivableGate], Field(min_length=1)]
    """Gates that may be waived."""

    hours: Annotated[float, Field(gt=0, le=8_760)] = 168.0
    """How long a waiver may hold, at most."""


class Supersede(Strict):
    """What gives way when a newer version of the same model is submitted."""

    open: bool = False
    """Requests for the same of older versions that wait end as superseded, their approvals void."""

    dark: bool = False
    """The oldest dark versions are retired once a newer one is dark: dark_limit, or one, stay."""


class Reviews(Strict):
    """What makes another review of a version that answers due. No cycle is given by itself."""

    days: Annotated[float, Field(gt=0, le=3_660)] | None = None
    """Days after it began to answer, or after its last review."""

    regimes: dict[Name, Annotated[float, Field(gt=0, le=3_660)]] = {}
    """The same for models under a regime, such as SR 26-2; what is due first counts."""

    incident: Severity | None = None
    """An incident here from this severity up, of the model or of everything."""

    new_policy: bool = False
    """A policy that is newer than its last review."""


class Freeze(Strict):
    """A time in which nothing is promoted. All that is named must hold; times are UTC."""

    since: str = ""
    """Moment it begins, such as 2026-12-20T00:00:00Z."""

    until: str = ""
    """Moment it ends."""

    weekdays: list[Weekday] = []
    """Days of the week; any when left out. Hours past midnight belong to the day they begin."""

    hours: Annotated[
        str, Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d)?$")
    ] = ""
    """Time of the day, such as 16:00-23:59; may pass midnight."""

    reason: Annotated[str, Field(max_length=200)] = ""
    """Why, for those who are refused."""

    @field_validator("reason")
    @classmethod
    def _can_be_stored(cls, text: str) -> str:
        if problem := problem_with(text, limit=200, blank=True):
            raise ValueError(problem)
        return text

    @field_validator("since", "until")
    @classmethod
    def _a_moment(cls, text: str) -> str:
        if text:
            _moment(text)
        return text

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if not (self.since or self.until or self.weekdays or self.hours):
            message = "a freeze says when: since, until, weekdays or hours"
            raise ValueError(message)
        if self.since and self.until and _moment(self.since) >= _moment(self.until):
            message = "since must lie before until"
            raise ValueError(message)
        return self

    def holds(self, at: datetime) -> bool:
        """Whether it is frozen at a moment."""
        now = at.astimezone(UTC)
        if self.since and now < _moment(self.since):
            return False
        if self.until and now >= _moment(self.until):
            return False
        if not self.hours:
            return self._is_on(now)
        begin, end = self.hours.split("-")
        clock = f"{now:%H:%M}"
        if begin <= end:
            return begin <= clock <= end and self._is_on(now)
        if clock >= begin:
            return self._is_on(now)
        # The night from Friday to Saturday is Friday's, as whoever wrote `fri` meant it.
        return clock <= end and self._is_on(now - timedelta(days=1))

    def _is_on(self, day: datetime) -> bool:
        return not self.weekdays or WEEKDAYS[day.weekday()] in self.weekdays

    def words(self) -> str:
        """When it holds, for a person."""
        parts = (
            f"since {self.since}" if self.since else "",
            f"until {self.until}" if self.until else "",
            "on " + ", ".join(self.weekdays) if self.weekdays else "",
            f"{self.hours} UTC" if self.hours else "",
        )
        return " ".join(part for part in parts if part)


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        message = "a moment names its zone, such as Z"
        raise ValueError(message)
    return found
