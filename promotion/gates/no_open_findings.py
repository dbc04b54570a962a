"""No finding that counts is open on the version. Looked at again under lock.

One that was made the condition of an approval counts by its severity only once it is
overdue: until then the approver has accepted it. One that blocks always counts.
"""

from collections.abc import Mapping

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.policy_parts import FINDING_SEVERITIES
from promotion.verdicts import GateResult, not_asked

NAME = "no_open_findings"


def judge(facts: Facts, policy: Policy) -> GateResult:
    asked = policy.gates.no_open_findings
    if asked is None:
        return not_asked(NAME)
    grave = frozenset(FINDING_SEVERITIES[FINDING_SEVERITIES.index(asked.severity) :])
    today = facts.at[:10]
    counted = [one for one in facts.findings if _counts(one, grave=grave, today=today)]
    found = {"open": [dict(one) for one in facts.findings], "from_severity": asked.severity}
    if counted:
        named = ", ".join(f"{one['severity']} ({one['title']})" for one in counted)
        several = "A finding is" if len(counted) == 1 else f"{len(counted)} findings are"
        return GateResult(
            NAME,
            "failed",
            f"{several} open on this version: {named}.",
            "Its owner sees to it, and a reviewer closes it who neither recorded nor owns it"
            " and is no author. Or register a version without it.",
            found,
        )
    return GateResult(NAME, "passed", "No finding that counts is open on it.", facts=found)


def _counts(one: Mapping[str, object], *, grave: frozenset[str], today: str) -> bool:
    if one["blocks"]:
        return True
    is_accepted = one["condition_of"] is not None and str(one["due"]) >= today
    return one["severity"] in grave and not is_accepted
