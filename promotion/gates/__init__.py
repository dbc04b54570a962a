"""Gates: pure functions from facts to a verdict, one small module each.

The caller gathers the facts once (``promotion.selectors.facts``), so a stored
verdict can be derived again from the facts stored with it. The first four are judged
always; of the others those that the policy names. Those in ``AT_EXECUTION`` are judged
again under lock when a request is carried out: failing then blocks it, and voids nothing.
"""

from collections.abc import Callable, Mapping

from promotion.gates import (
    attested,
    dark_comparison,
    dark_first,
    dark_limit,
    dark_pairs,
    data_age,
    documentation,
    frozen,
    golden,
    inputs,
    inspected,
    latency,
    live_hours,
    lower_environment,
    memory,
    metrics,
    no_open_findings,
    no_open_incident,
    pipeline,
)
from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult

Gate = Callable[[Facts, Policy], GateResult]

GATES: Mapping[str, Gate] = {
    "inspected": inspected.judge,
    "lower_environment": lower_environment.judge,
    "dark_first": dark_first.judge,
    "dark_pairs": dark_pairs.judge,
    golden.NAME: golden.judge,
    inputs.NAME: inputs.judge,
    metrics.NAME: metrics.judge,
    live_hours.NAME: live_hours.judge,
    documentation.NAME: documentation.judge,
    attested.NAME: attested.judge,
    data_age.NAME: data_age.judge,
    pipeline.NAME: pipeline.judge,
    dark_comparison.NAME: dark_comparison.judge,
    latency.NAME: latency.judge,
    dark_limit.NAME: dark_limit.judge,
    memory.NAME: memory.judge,
    frozen.NAME: frozen.judge,
    no_open_incident.NAME: no_open_incident.judge,
    no_open_findings.NAME: no_open_findings.judge,
}
FOR_KIND: Mapping[str, tuple[str, ...]] = {
    "deploy_dark": (
        "inspected",
        "lower_environment",
        documentation.NAME,
        dark_limit.NAME,
        frozen.NAME,
    ),
    "promote": tuple(name for name in GATES if name != dark_limit.NAME),
    "break_glass": (memory.NAME,),  # Again, that is. At first as a promotion, and most are skipped.
}
ALWAYS = frozenset({"inspected", "lower_environment", "dark_first", "dark_pairs"})
AT_EXECUTION = (memory.NAME, frozen.NAME, no_open_incident.NAME, no_open_findings.NAME)


def judge(kind: str, facts: Facts, policy: Policy) -> list[GateResult]:
    """Run every gate a request of ``kind`` has to pass, in a fixed order."""
    wanted = ALWAYS | _named(policy)
    return [GATES[name](facts, policy) for name in FOR_KIND.get(kind, ()) if name in wanted]


def holds_also_alone(result: GateResult) -> bool:
    """Whether a verdict stops also somebody who breaks the glass.

    Golden transactions that no agent ran yet do not: agents run them before they answer.
    """
    if result.gate == golden.NAME:
        return result.outcome == "failed"
    return result.gate == "inspected" and not result.passes()


def judge_again(kind: str, facts: Facts, policy: Policy) -> list[GateResult]:
    """Run the gates that count at the moment of carrying out."""
    wanted = _named(policy).intersection(AT_EXECUTION)
    return [GATES[name](facts, policy) for name in FOR_KIND.get(kind, ()) if name in wanted]


def count_at_execution(policy: Policy) -> bool:
    """Whether the policy asks for any gate that is judged again."""
    return bool(_named(policy).intersection(AT_EXECUTION))


def _named(policy: Policy) -> frozenset[str]:
    """The gates a policy gives parameters for."""
    parts = type(policy.gates).model_fields
    named = {name for name in parts if getattr(policy.gates, name) is not None}
    if policy.freeze:
        named.add(frozen.NAME)
    if policy.dark_limit is not None:
        named.add(dark_limit.NAME)
    return frozenset(named)
