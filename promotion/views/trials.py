"""A trial: what a document that nobody published would change, and what would have come of it."""

from dataclasses import dataclass

from governance.access import Reach
from governance.models import Environment
from promotion import policy_reading
from promotion.policies import Policy as Rules
from promotion.policy_reading import TermChange
from promotion.selectors.policies import Tried, try_on_past
from promotion.selectors.promotion_page import GateRow, gates
from promotion.services.requests import Outcome

LAST = 50
"""Past requests a trial judges again."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What another document would say, and what would have come of it."""

    rules: Rules
    changes: list[TermChange]
    tried: list[Tried]
    outcome: Outcome | None

    @property
    def passes(self) -> bool:
        return self.outcome is not None and all(gate.passes() for gate in self.outcome.gates)

    @property
    def gates(self) -> list[GateRow]:
        """The verdicts about the request that was not made, as rows."""
        results = self.outcome.gates if self.outcome else []
        return gates({"gates": [result.as_document() for result in results]})

    @property
    def otherwise(self) -> list[Tried]:
        return [one for one in self.tried if one.otherwise]

    @property
    def unjudged(self) -> int:
        """Requests from before facts were stored."""
        return sum(not one.judged for one in self.tried)

    @property
    def waived(self) -> int:
        """Requests that pass, but not without a risk officer's waiver."""
        return sum(bool(one.waived) and one.passes for one in self.tried)


def tried(
    rules: Rules,
    environment: Environment,
    *,
    tier: str,
    before: Rules,
    seen: Reach,
    outcome: Outcome | None = None,
) -> Trial:
    """Hold a document against the one in force, and against the last requests."""
    return Trial(
        rules=rules,
        changes=policy_reading.changes(before, rules),
        tried=try_on_past(rules, environment, tier=tier, last=LAST, seen=seen),
        outcome=outcome,
    )
