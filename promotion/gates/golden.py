"""Agents that ran it gave the answers training produced for its golden transactions."""

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult, not_asked

NAME = "golden"


def judge(facts: Facts, policy: Policy) -> GateResult:
    asked = policy.gates.golden
    if asked is None:
        return not_asked(NAME)
    ran = [one for one in facts.ran_on if one["golden_total"]]
    passed = [one["agent"] for one in ran if one["golden_passed"] == one["golden_total"]]
    failed = [one["agent"] for one in ran if one["golden_passed"] != one["golden_total"]]
    found = {"passed_on": passed, "failed_on": failed, "agents_needed": asked.agents}
    if failed:
        return GateResult(
            NAME,
            "failed",
            f"Golden transactions did not pass on {', '.join(failed)}.",
            "Compare the answers there with training's, and register a mended version.",
            found,
        )
    if len(passed) < asked.agents:
        return GateResult(
            NAME,
            "inconclusive",
            f"{len(passed)} of {asked.agents} agents have run its golden transactions.",
            "Deploy it dark here or promote it in a lower environment: agents run them on loading.",
            found,
        )
    return GateResult(
        NAME, "passed", f"Golden transactions passed on {', '.join(passed)}.", facts=found
    )
