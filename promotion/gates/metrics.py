"""Its metrics hold the policy's thresholds, the model's limits, and the champion's level."""

from collections.abc import Iterator

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.policy_parts import Metrics
from promotion.verdicts import GateResult, not_asked

NAME = "metrics"


def judge(facts: Facts, policy: Policy) -> GateResult:
    asked = policy.gates.metrics
    if asked is None:
        return not_asked(NAME)
    bounds = {**facts.limits, **asked.at_most}
    named = {*asked.at_least, *bounds, *([facts.optimising_metric] if _compares(facts) else [])}
    found: dict[str, object] = {
        "metrics": {name: facts.metrics.get(name) for name in sorted(named)},
        "at_least": dict(asked.at_least),
        "at_most": bounds,
        "champion": facts.champion_metrics.get(facts.optimising_metric),
    }
    if missing := sorted(named - facts.metrics.keys()):
        return GateResult(
            NAME,
            "inconclusive",
            f"Its manifest does not give {', '.join(missing)}.",
            "Measure them and register a version whose manifest has them.",
            found,
        )
    if problems := [*_over_bounds(facts, asked, bounds), *_worse(facts, asked)]:
        return GateResult(
            NAME,
            "failed",
            "; ".join(problems) + ".",
            "Train a better version, or ask a risk officer about the threshold.",
            found,
        )
    return GateResult(NAME, "passed", "Its metrics hold every threshold.", facts=found)


def _compares(facts: Facts) -> bool:
    return bool(facts.optimising_metric) and facts.optimising_metric in facts.champion_metrics


def _over_bounds(facts: Facts, asked: Metrics, bounds: dict[str, float]) -> Iterator[str]:
    for name, least in asked.at_least.items():
        if facts.metrics[name] < least:
            yield f"{name} is {facts.metrics[name]:g}, below {least:g}"
    for name, most in bounds.items():
        if facts.metrics[name] > most:
            yield f"{name} is {facts.metrics[name]:g}, above {most:g}"


def _worse(facts: Facts, asked: Metrics) -> Iterator[str]:
    if not _compares(facts):
        return
    name = facts.optimising_metric
    mine, theirs = facts.metrics[name], facts.champion_metrics[name]
    worse = theirs - mine if facts.higher_is_better else mine - theirs
    if worse > asked.worse_by:
        yield f"{name} is {mine:g}, worse than version {facts.champion}'s {theirs:g}"
