"""An environment's rules as a document: what it may say, and what it says by default."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from governance.names import SLUG

Slug = Annotated[str, Field(pattern=SLUG.pattern.replace(r"\Z", "$"))]


class Policy(BaseModel):
    """One environment's rules. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    approvals: Annotated[int, Field(ge=0, le=5)] = 1
    """Persons who must approve before a version may answer callers."""

    approvals_for_dark: Annotated[int, Field(ge=0, le=5)] = 0
    """The same for a dark deployment, which can reach nobody."""

    dark_first: bool = False
    """A version answers only after it was dark here."""

    minimum_pairs: Annotated[int, Field(ge=0)] = 0
    """Paired dark scores a version needs while another one is champion."""

    through: list[Slug] = []
    """Environments in which the same digest must answer, confirmed, before this one."""

    minimum_agents: Annotated[int, Field(ge=1)] = 1
    """Agents with a live lease that a rollout needs; fewer, and it waits."""

    load_seconds: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """How long agents may take to load a version, or to switch, before the rollout halts."""

    bake_seconds: Annotated[float, Field(ge=0, le=604_800)] = 10.0
    """How long the former champion stays loaded after the switch."""

    guard_error_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of failed answers during the bake that switches back."""

    guard_minimum: Annotated[int, Field(ge=1)] = 20
    """Answers the guard needs before it judges."""

    expiry_hours: Annotated[float, Field(gt=0, le=8_760)] = 168.0
    """How long a request may stay open."""
