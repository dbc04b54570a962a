"""Agents of lower environments have answered with the same digest for long enough."""

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult, not_asked

NAME = "live_hours"


def judge(facts: Facts, policy: Policy) -> GateResult:
    asked = policy.gates.live_hours
    if asked is None:
        return not_asked(NAME)
    hours = {place: round(facts.live_hours.get(place, 0.0), 2) for place in asked}
    found = {"hours": hours, "needed": dict(asked)}
    short = [place for place in asked if facts.live_hours.get(place, 0.0) < asked[place]]
    if short:
        words = [f"{hours[place]:g} of {asked[place]:g} hours in {place}" for place in short]
        never = [place for place in short if not hours[place]]
        return GateResult(
            NAME,
            "failed" if never else "inconclusive",
            f"It has answered {', '.join(words)}.",
            f"Promote it in {', '.join(never)} first." if never else "Ask again when it has.",
            found,
        )
    return GateResult(
        NAME, "passed", f"It has answered long enough in {', '.join(asked)}.", facts=found
    )
