"""From the audit log alone to what was so at some moment: facts in, a picture out.

Nothing here reads a table. Whoever gathers the entries decides how far the log goes:
all of them give today's tables again, those up to a moment give that moment.
"""

from promotion.replay.log import UNKNOWN, Event
from promotion.replay.moments import moment
from promotion.replay.past import Agent, Answer, Approval, Deployment, Past, Request, replay

__all__ = [
    "UNKNOWN",
    "Agent",
    "Answer",
    "Approval",
    "Deployment",
    "Event",
    "Past",
    "Request",
    "moment",
    "replay",
]
