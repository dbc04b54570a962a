"""What a list says of signatures: how many were given, and who else must sign."""

from django import template

from promotion.models import Request
from promotion.policies import Missing
from promotion.selectors.approvers import quorum_of

register = template.Library()


@register.filter
def missing(request: Request) -> Missing:
    """What a request of a list still waits for, its approvals counted with it."""
    given, as_risk = request.given, request.given_as_risk  # type: ignore[attr-defined]
    return quorum_of(request).missing(given=given, as_risk=as_risk)
