"""What gates judge by."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Self


@dataclass(frozen=True, slots=True)
class Facts:
    """Gathered under the environment's lock, for one version and one environment.

    Attributes:
        inspection: ``inspecting``, ``ready`` or ``rejected``.
        answering_in: environment -> agents that confirm this digest as their champion.
        deployment_state: the version's state in the environment asked for.
        champion: number of the version that answers there, or None.
        pairs: dark scores paired with the champion's; ``flips``: those with another decision.
    """

    inspection: str
    inspection_reasons: tuple[str, ...] = ()
    answering_in: Mapping[str, int] = field(default_factory=dict)
    deployment_state: str = "trained"
    champion: int | None = None
    pairs: int = 0
    flips: int = 0
    errors: int = 0
    mean_absolute_difference: float = 0.0

    def as_document(self) -> dict[str, object]:
        """The form they are stored and hashed in."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> Self:
        """Read stored facts again; what was not gathered then is as by default."""
        known = {one.name for one in fields(cls)}
        found = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in document.items()
            if name in known
        }
        return cls(**found)  # type: ignore[arg-type]
