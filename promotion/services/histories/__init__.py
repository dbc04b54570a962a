"""Lost history: noticed in agents' reports, and ended by an operator's decision.

``notice`` marks a target whose agents have applied what was never published here;
from then on everything that decides about its environment answers ``history_lost``.
``decide`` ends that: by adopting what the agents serve, or by overriding it.
"""

from promotion.services.histories.deciding import Decided, decide
from promotion.services.histories.noticing import notice

__all__ = ["Decided", "decide", "notice"]
