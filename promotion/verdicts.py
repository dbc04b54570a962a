"""What a rule and a gate return."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Allowed:
    """Yes."""

    def __bool__(self) -> Literal[True]:
        return True


@dataclass(frozen=True, slots=True)
class Denied:
    """No, by which rule and why, in words for the person who was refused."""

    rule: str
    reason: str

    def __bool__(self) -> Literal[False]:
        return False


Verdict = Allowed | Denied

Outcome = Literal["passed", "failed", "inconclusive", "not_applicable", "waived"]


def not_asked(gate: str) -> "GateResult":
    """The verdict of a gate that the policy does not name."""
    return GateResult(gate, "not_applicable", "The policy does not ask for it.")


@dataclass(frozen=True, slots=True)
class GateResult:
    """A gate's verdict with the facts it rests on. Only ``passed`` promotes.

    ``not_applicable`` passes too: such a gate has nothing to judge here. So does ``waived``:
    a risk officer let it pass, whose name, reason and end stand in the facts.
    """

    gate: str
    outcome: Outcome
    reason: str
    remedy: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)

    def passes(self) -> bool:
        return self.outcome in {"passed", "not_applicable", "waived"}

    def as_document(self) -> dict[str, object]:
        """The form it is stored and hashed in."""
        return {
            "gate": self.gate,
            "outcome": self.outcome,
            "reason": self.reason,
            "remedy": self.remedy,
            "facts": dict(self.facts),
        }
