"""The stages of a rollout before it is switched to all: who gets the new version's answers.

    stages: [{agents: 1}, {share: 0.5}, {weight: 0.1, seconds: 60, minimum_requests: 50},
             {group: pilot}, all]

Each stage lasts at least its seconds and at least its minimum of answers, with the guards
quiet. A model's first version has nobody to share with, and no stages.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

ROUTING_KEY = "routing_key"
ALL = "all"
MOST = 20
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


class _Stage(BaseModel, ABC):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )

    seconds: Annotated[float, Field(ge=0, le=604_800)] = 0.0
    """How long the stage lasts at least, and how long it is extended, once, without traffic."""

    minimum_requests: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    """Answers by the new version that the stage needs."""

    def words(self) -> str:
        """Say in words who shares, and until when at least."""
        needs = [f"{self.seconds:.4g} s"] if self.seconds else []
        needs += [f"{self.minimum_requests:,} answers"] if self.minimum_requests else []
        return self._who() + (f"; at least {' and '.join(needs)}" if needs else "")

    @abstractmethod
    def _who(self) -> str: ...

    @abstractmethod
    def switch(self, agents: Sequence[str], *, salt: str) -> dict[str, object]:
        """Say it as the desired state does. ``agents`` are those there are."""


class AgentsStage(_Stage):
    """So many agents answer with the new version."""

    agents: Annotated[int, Field(ge=1, le=10_000)]

    def _who(self) -> str:
        one = self.agents == 1
        return f"{self.agents} {'agent answers' if one else 'agents answer'} with it"

    def switch(self, agents: Sequence[str], *, salt: str) -> dict[str, object]:
        del salt
        return {"agents": sorted(agents)[: self.agents]}


class ShareStage(_Stage):
    """A share of the agents answers with the new version, at least one."""

    share: Annotated[float, Field(gt=0, le=1)]

    def _who(self) -> str:
        return f"{100 * self.share:.4g} % of the agents answer with it"

    def switch(self, agents: Sequence[str], *, salt: str) -> dict[str, object]:
        count = max(1, math.ceil(self.share * len(agents)))
        del salt
        return {"agents": sorted(agents)[:count]}


class WeightStage(_Stage):
    """A share of callers, always the same ones, is answered by the new version."""

    weight: Annotated[float, Field(gt=0, le=1)]

    key: Name = ROUTING_KEY
    """The request parameter whose value decides; without it the transaction's id does."""

    def _who(self) -> str:
        return f"{100 * self.weight:.4g} % of callers, always the same, get its answers"

    def switch(self, agents: Sequence[str], *, salt: str) -> dict[str, object]:
        del agents
        return {"weight": self.weight, "salt": salt, "key": self.key}


class GroupStage(_Stage):
    """Only callers that name this group reach the new version."""

    group: Name

    def _who(self) -> str:
        return f"Only callers of the group {self.group} get its answers"

    def switch(self, agents: Sequence[str], *, salt: str) -> dict[str, object]:
        del agents, salt
        return {"group": self.group}


WAYS = ("agents", "share", "weight", "group")
Stage = AgentsStage | ShareStage | WeightStage | GroupStage


def _way(value: Any) -> str | None:
    """Say which kind of stage something is, so that a mistake is explained for that kind."""
    if isinstance(value, str):
        return ALL
    named = [
        way for way in WAYS if (way in value if isinstance(value, Mapping) else hasattr(value, way))
    ]
    return named[0] if len(named) == 1 else None


Entry = Annotated[
    Annotated[AgentsStage, Tag("agents")]
    | Annotated[ShareStage, Tag("share")]
    | Annotated[WeightStage, Tag("weight")]
    | Annotated[GroupStage, Tag("group")]
    | Annotated[Literal["all"], Tag(ALL)],
    Discriminator(
        _way,
        custom_error_type="stage",
        custom_error_message="A stage names one of agents, share, weight and group, or is 'all'.",
    ),
]


def _all_is_last(stages: list[Entry]) -> list[Entry]:
    if ALL in stages[:-1]:
        message = "'all' is the last stage"
        raise ValueError(message)
    return stages


Stages = Annotated[list[Entry], Field(max_length=MOST), AfterValidator(_all_is_last)]


def before_all(stages: Sequence[Stage | str]) -> list[Stage]:
    """Return the stages in which the old version still answers too."""
    return [stage for stage in stages if not isinstance(stage, str)]


def feature(switch: Mapping[str, object]) -> str:
    """Name what an agent must understand to follow a switch; empty for the switch to all."""
    way = next((way for way in ("agents", "weight", "group") if way in switch), "")
    return f"switch.{way}" if way else ""
