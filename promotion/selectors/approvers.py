"""Who may sign what, read from the bindings as they are now."""

from django.db.models import Q

from governance.models import RoleBinding
from promotion.models import Approval, Request

SIGNING_ROLES = (RoleBinding.Role.APPROVER, RoleBinding.Role.RISK)


def valid_approvers(request: Request) -> frozenset[str]:
    """Return the persons who approved and could still approve now.

    Their account is active, a signing role of theirs covers this environment
    and group, and they are not among those the request involves.
    """
    approvals = Approval.objects.filter(request=request, decision=Approval.Decision.APPROVE)
    covering = RoleBinding.objects.filter(
        Q(environment=None) | Q(environment=request.environment_id),
        Q(group="") | Q(group=request.model.group),
        role__in=SIGNING_ROLES,
        revoked_at=None,
        user__is_active=True,
        user__in=approvals.values("user"),
    )
    return frozenset(covering.values_list("user__person", flat=True)) - frozenset(request.persons)
