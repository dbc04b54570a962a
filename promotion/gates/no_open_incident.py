"""No incident is open here. Looked at again under lock."""

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.policy_parts import SEVERITIES
from promotion.verdicts import GateResult, not_asked

NAME = "no_open_incident"


def judge(facts: Facts, policy: Policy) -> GateResult:
    asked = policy.gates.no_open_incident
    if asked is None:
        return not_asked(NAME)
    grave = SEVERITIES[SEVERITIES.index(asked.severity) :]
    counted = [one for one in facts.incidents if one["severity"] in grave]
    found = {"open": [dict(one) for one in facts.incidents], "from_severity": asked.severity}
    if counted:
        named = ", ".join(f"{one['severity']} ({one['title']})" for one in counted)
        several = "An incident is" if len(counted) == 1 else f"{len(counted)} incidents are"
        return GateResult(
            NAME,
            "failed",
            f"{several} open here: {named}.",
            "An operator or a risk officer closes it once it is over. A rollback and a stop"
            " never wait for that.",
            found,
        )
    return GateResult(NAME, "passed", "No incident that counts is open here.", facts=found)
