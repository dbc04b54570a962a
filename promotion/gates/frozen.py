"""No freeze is on. Looked at again under lock."""

from datetime import datetime

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult, not_asked

NAME = "frozen"


def judge(facts: Facts, policy: Policy) -> GateResult:
    if not policy.freeze:
        return not_asked(NAME)
    if not facts.at:
        return GateResult(
            NAME, "inconclusive", "When this was asked is not known.", "Ask for it again."
        )
    on = [one for one in policy.freeze if one.holds(datetime.fromisoformat(facts.at))]
    found = {"at": facts.at, "freezes": [one.words() for one in on]}
    if on:
        why = f" ({on[0].reason})" if on[0].reason else ""
        return GateResult(
            NAME,
            "failed",
            f"Nothing is promoted here {on[0].words()}{why}.",
            "Ask again when the freeze is over. A rollback is never frozen.",
            found,
        )
    return GateResult(NAME, "passed", "No freeze is on.", facts=found)
