"""Where a model runs in an environment: on which agents, by their labels, and on how many."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from governance.names import problem_with

LONGEST = 63
MOST_LABELS = 20
Key = Annotated[str, Field(max_length=LONGEST, pattern=r"^[a-z0-9][a-z0-9-]*$")]


class Document(BaseModel):
    """What ``lockgate apply`` and the API say of one model's placement."""

    model_config = ConfigDict(extra="forbid", strict=True)

    labels: dict[Key, str] = {}
    """Labels an agent must have, each with its value. All agents when left out."""

    minimum: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Agents a rollout needs. The policy's minimum holds all the same."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The agents a model is placed on, and how many of them a rollout needs."""

    labels: Mapping[str, str] = field(default_factory=dict)
    minimum: int | None = None

    @classmethod
    def from_document(cls, document: Document) -> Self:
        return cls(dict(document.labels), document.minimum)

    def covers(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an agent with these labels is one of them: as agents decide it too."""
        return self.labels.items() <= labels.items()

    def needed(self, minimum: int) -> int:
        """Return how many a rollout needs under a policy with this minimum."""
        return max(self.minimum or 0, minimum)

    def words(self) -> str:
        """Say which agents these are."""
        if not self.labels:
            return "all agents"
        return "agents with " + ", ".join(
            f"{key}={value}" for key, value in sorted(self.labels.items())
        )

    def problem(self) -> str:
        """Say what is wrong with the labels' values, or return ``""``."""
        if len(self.labels) > MOST_LABELS:
            return f"are more than {MOST_LABELS}"
        found = (problem_with(value, limit=LONGEST) for value in self.labels.values())
        return next((problem for problem in found if problem), "")


EVERYWHERE = Placement()
"""Of a model nobody has placed: all agents, as many as the policy asks for."""
