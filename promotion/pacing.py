"""How often one agent may add to the audit log: in bursts, and then at a steady pace.

What would be an entry too many is held back and told with the next one. An agent that is well
never comes near: a rollout changes what it answers with a handful of times.
"""

from datetime import datetime, timedelta

BURST = 30
"""Entries at once, such as of an agent that starts with many models."""
EVERY = timedelta(seconds=10)
"""The pace afterwards."""


def may(paced_until: datetime | None, *, now: datetime) -> bool:
    """Tell whether another entry may be added now."""
    return paced_until is None or paced_until - now <= (BURST - 1) * EVERY


def spend(paced_until: datetime | None, *, now: datetime) -> datetime:
    """Return until when what was added is spread out, with one more entry."""
    return max(paced_until or now, now) + EVERY
