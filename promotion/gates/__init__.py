"""Gates: pure functions from facts to a verdict, one small module each.

The caller gathers the facts once (``promotion.selectors.facts``), so a stored
verdict can be derived again from the facts stored with it.
"""

from collections.abc import Callable, Mapping

from promotion.gates import dark_first, dark_pairs, inspected, lower_environment
from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult

Gate = Callable[[Facts, Policy], GateResult]

GATES: Mapping[str, Gate] = {
    "inspected": inspected.judge,
    "lower_environment": lower_environment.judge,
    "dark_first": dark_first.judge,
    "dark_pairs": dark_pairs.judge,
}
FOR_KIND: Mapping[str, tuple[str, ...]] = {
    "deploy_dark": ("inspected", "lower_environment"),
    "promote": ("inspected", "lower_environment", "dark_first", "dark_pairs"),
    "retire": (),
    "rollback": (),
}


def judge(kind: str, facts: Facts, policy: Policy) -> list[GateResult]:
    """Run every gate a request of ``kind`` has to pass, in a fixed order."""
    return [GATES[name](facts, policy) for name in FOR_KIND[kind]]
