"""A policy as a document: what it may say, and what it says by default.

A policy is of one environment, or of one risk tier in it: the models of that tier follow
the tier's document and no other. Documents are numbered per environment and never change.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from promotion.policy_parts import Freeze, Gates, Reviews, Slug, Strict, Supersede, Waivers
from promotion.stages import Stages

SCHEMA_ID = "lockgate.policy/1"
SigningRole = Literal["approver", "risk"]
BreakingRole = Literal["submitter", "approver", "risk", "operator"]
TIERS = ("low", "medium", "high")
"""Risk tiers of models that may have a document of their own."""


class Approvals(Strict):
    """How many persons must approve, and who they must be."""

    count: Annotated[int, Field(ge=0, le=5)] = 1
    """Persons who must approve."""

    roles: Annotated[list[SigningRole], Field(min_length=1)] = Field(default=["approver", "risk"])
    """Roles that may sign. One of them is enough for each signature."""

    with_risk_of: Annotated[int, Field(ge=0, le=5)] = 0
    """So many of the signatures must be given in the role risk."""

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.with_risk_of > self.count:
            message = "with_risk_of asks for more signatures than count"
            raise ValueError(message)
        if self.with_risk_of and "risk" not in self.roles:
            message = "with_risk_of needs the role risk among roles"
            raise ValueError(message)
        return self


@dataclass(frozen=True, slots=True)
class Missing:
    """The signatures one request still waits for: how many, and how many of them as risk."""

    count: int
    risk: int = 0

    def __bool__(self) -> bool:
        return self.count > 0

    @property
    def words(self) -> str:
        """For a person: ``2 approvals, 1 of them by a risk officer``."""
        approvals = f"{self.count} approval{'' if self.count == 1 else 's'}"
        officers = "a risk officer" if self.risk == 1 else "risk officers"
        if not self.risk:
            return approvals
        if self.risk == self.count:
            return f"{approvals} by {officers}"
        return f"{approvals}, {self.risk} of them by {officers}"


@dataclass(frozen=True, slots=True)
class Quorum:
    """The signatures one request needs: how many, in which roles, how many of them as risk."""

    count: int
    roles: frozenset[str]
    risk: int = 0

    def is_met(self, roles_signed: list[str]) -> bool:
        """Whether signatures given in these roles are enough."""
        counted = [role for role in roles_signed if role in self.roles]
        return not self.missing(given=len(counted), as_risk=counted.count("risk"))

    def missing(self, *, given: int, as_risk: int) -> Missing:
        """Return what lacks after so many signatures, so many of them in the role risk."""
        risk = max(0, self.risk - as_risk)
        return Missing(max(self.count - given, risk, 0), risk)


class Policy(Strict):
    """The rules of one environment, or of one risk tier in it."""

    approvals: Annotated[int, Field(ge=0, le=5)] | Approvals = 1
    """Persons who must approve before a version answers callers: a number, or count and roles."""

    approvals_for_dark: Annotated[int, Field(ge=0, le=5)] = 0
    """The same for a dark deployment, which can reach nobody."""

    policy_approvals: Annotated[int, Field(ge=0, le=5)] = 0
    """Persons who must approve the next policy. With 0 it is in force at once."""

    dark_first: bool = False
    """A version answers only after it was dark here."""

    minimum_pairs: Annotated[int, Field(ge=0)] = 0
    """Paired dark scores a version needs while another one is champion."""

    through: list[Slug] = Field(default=[])
    """Environments in which the same digest must answer, confirmed, before this one."""

    minimum_agents: Annotated[int, Field(ge=1)] = 1
    """Agents with a live lease that a rollout needs; fewer, and it waits."""

    load_seconds: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """How long agents may take to load a version, or to switch, before the rollout halts."""

    stages: Stages = Field(default=[])
    """Who gets the new version's answers before all do, step by step."""

    bake_seconds: Annotated[float, Field(ge=0, le=604_800)] = 10.0
    """How long the former champion stays loaded after the switch."""

    bake_minimum_requests: Annotated[int, Field(ge=0)] = 0
    """Answers the bake needs. Without them it lasts twice as long, and then asks a person."""

    guard_error_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of failed answers in a stage or the bake that switches back."""

    guard_latency: Literal["p50", "p95", "p99"] | None = "p95"
    """Which quantile of an agent's answers, held against the model's budget, switches back."""

    guard_decisions: Annotated[float, Field(gt=0, le=1)] | None = None
    """How far the share of scores above the threshold may be from the old version's."""

    guard_minimum: Annotated[int, Field(ge=1)] = 20
    """Answers the guard needs before it judges: the bake's minimum volume."""

    expiry_hours: Annotated[float, Field(gt=0, le=8_760)] = 168.0
    """How long a request may stay open."""

    gates: Gates = Gates()
    """Gates a version must pass beside those above, each with its parameters."""

    waivers: Waivers | None = None
    """Which gates a risk officer may waive here, and for how long. None when left out."""

    dark_limit: Annotated[int, Field(ge=1, le=1_000)] | None = None
    """Dark versions one model may have here. Any number when left out."""

    dark_days: Annotated[float, Field(gt=0, le=3_650)] | None = None
    """Days after which a dark version that nobody asks to promote is retired."""

    supersede: Supersede = Supersede()
    """What of older versions gives way to a newer one of the same model. Nothing when left out."""

    reviews: Reviews | None = None
    """What makes another review of a version that answers due. Nothing when left out."""

    freeze: list[Freeze] = Field(default=[])
    """Times in which nothing is asked for or carried out here. A rollback always is."""

    break_glass_roles: list[BreakingRole] = Field(default=[])
    """Roles in which one person may promote alone, past approvals, gates and windows."""

    break_glass_review_hours: Annotated[float, Field(gt=0, le=8_760)] = 24.0
    """How soon a second person has to review it when somebody did."""

    def quorum(self, kind: str) -> Quorum:
        """Return the signatures a request of ``kind`` needs."""
        if kind == "promote" and isinstance(self.approvals, Approvals):
            asked, roles = self.approvals, frozenset(self.approvals.roles)
            return Quorum(
                asked.count, roles, asked.count if roles == {"risk"} else asked.with_risk_of
            )
        counts = {
            "promote": self.approvals,
            "deploy_dark": self.approvals_for_dark,
        }
        count = counts.get(kind, 0)
        return Quorum(count if isinstance(count, int) else 0, frozenset({"approver", "risk"}))


def schema() -> dict[str, Any]:
    """Return the JSON schema of a policy document."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **Policy.model_json_schema(),
        "title": "Policy",
    }
