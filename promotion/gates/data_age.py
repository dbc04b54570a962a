"""The newest of its training data is not too old."""

from datetime import UTC, datetime

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult, not_asked

NAME = "data_age"


def judge(facts: Facts, policy: Policy) -> GateResult:
    asked = policy.gates.data_age
    if asked is None:
        return not_asked(NAME)
    if not facts.data_until or not facts.at:
        return GateResult(
            NAME,
            "inconclusive",
            "Its manifest does not say until when its data reaches.",
            "Name the data sets' `to` in the manifest of the next version.",
            {"data_until": facts.data_until or None, "days_at_most": asked.days},
        )
    days = (_moment(facts.at) - _moment(facts.data_until)).total_seconds() / 86_400
    found = {"data_until": facts.data_until, "days": round(days, 1), "days_at_most": asked.days}
    if days > asked.days:
        return GateResult(
            NAME,
            "failed",
            f"Its newest data is {days:.0f} days old; {asked.days:g} are allowed.",
            "Train it again on newer data.",
            found,
        )
    return GateResult(NAME, "passed", f"Its newest data is {days:.0f} days old.", facts=found)


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
