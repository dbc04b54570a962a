"""Who may sign what, read from the bindings as they are now."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from django.db.models import Q

from governance.models import RoleBinding
from promotion.models import Approval, Request
from promotion.policies import Missing, Quorum
from promotion.policies import Policy as Rules


def quorum_of(request: Request) -> Quorum:
    """Return the signatures a request needs, by the policy it was asked under."""
    return Rules.model_validate(request.policy.document).quorum(request.kind)


def missing(request: Request, approvals: Iterable[Approval]) -> Missing:
    """Return the signatures a request still waits for, given those under it."""
    given = [one.role for one in approvals if one.decision == Approval.Decision.APPROVE]
    return quorum_of(request).missing(given=len(given), as_risk=given.count("risk"))


def valid_approvers(request: Request, *, roles: Iterable[str]) -> Mapping[str, set[str]]:
    """Return the persons who approved and could still approve now, with the roles they hold.

    Their account is active, one of ``roles`` of theirs covers this environment
    and group, and they are not among those the request involves.
    """
    approvals = Approval.objects.filter(request=request, decision=Approval.Decision.APPROVE)
    covering = RoleBinding.objects.filter(
        Q(environment=None) | Q(environment=request.environment_id),
        Q(group="") | Q(group=request.model.group),
        role__in=list(roles),
        revoked_at=None,
        user__is_active=True,
        user__in=approvals.values("user"),
    )
    found: dict[str, set[str]] = defaultdict(set)
    for person, role in covering.values_list("user__person", "role"):
        if person not in request.persons:
            found[person].add(role)
    return found
