"""Every write about agents: joining, reporting, leaving, and being taken out."""

from promotion.services.agents.joining import enrol, issue_join_token, leave, renew
from promotion.services.agents.reporting import report
from promotion.services.agents.serving import catch_up, waiting
from promotion.services.agents.standing import cordon, decommission, evict, uncordon

__all__ = [
    "catch_up",
    "cordon",
    "decommission",
    "enrol",
    "evict",
    "issue_join_token",
    "leave",
    "renew",
    "report",
    "uncordon",
    "waiting",
]
