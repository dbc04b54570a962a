"""The version's files were parsed and are what its manifest says."""

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult


def judge(facts: Facts, _policy: Policy) -> GateResult:
    found = {"inspection": facts.inspection, "reasons": list(facts.inspection_reasons)}
    if facts.inspection == "ready":
        return GateResult("inspected", "passed", "Its files were inspected.", facts=found)
    if facts.inspection == "rejected":
        return GateResult(
            "inspected",
            "failed",
            "Inspection rejected it: " + "; ".join(facts.inspection_reasons),
            "Mend the files and register another version.",
            found,
        )
    return GateResult(
        "inspected",
        "inconclusive",
        "Its files are still being inspected.",
        "Ask again in a few seconds.",
        found,
    )
