"""It was made by the same pipeline as the champion, or by one that is acknowledged."""

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult, not_asked

NAME = "pipeline"


def judge(facts: Facts, policy: Policy) -> GateResult:
    asked = policy.gates.pipeline
    if asked is None:
        return not_asked(NAME)
    if facts.champion is None:
        return GateResult(NAME, "not_applicable", "No version answers here yet.")
    found = {"pipeline": facts.pipeline or None, "champion": facts.champion_pipeline or None}
    if not facts.pipeline:
        return GateResult(
            NAME,
            "inconclusive",
            "Its manifest names no pipeline.",
            "Give `pipeline_digest` in the manifest of the next version.",
            found,
        )
    if facts.pipeline == facts.champion_pipeline:
        return GateResult(NAME, "passed", "The champion's pipeline made it.", facts=found)
    if facts.pipeline in asked.acknowledged:
        return GateResult(NAME, "passed", "Another pipeline made it, acknowledged.", facts=found)
    return GateResult(
        NAME,
        "failed",
        f"Another pipeline made it than version {facts.champion}.",
        "Review what changed in the pipeline, and have the policy acknowledge its digest.",
        found,
    )
