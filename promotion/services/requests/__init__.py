"""Every write to a request before it is carried out.

Each function is one transaction with the same four beats: lock, decide,
change, record. The environment's targets are locked first, always.
"""

from promotion.services.requests.breaking_glass import break_glass, review
from promotion.services.requests.opening import Outcome, open_request, try_request
from promotion.services.requests.settling import expire, void_disabled, void_overtaken, withdraw
from promotion.services.requests.signing import approve, reject
from promotion.services.requests.together import MOST_TOGETHER, Signature, approve_together

__all__ = [
    "MOST_TOGETHER",
    "Outcome",
    "Signature",
    "approve",
    "approve_together",
    "break_glass",
    "expire",
    "open_request",
    "reject",
    "review",
    "try_request",
    "void_disabled",
    "void_overtaken",
    "withdraw",
]
