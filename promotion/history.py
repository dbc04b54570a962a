"""When agents have applied what this database never published, and what they agree on.

That happens after a restored backup: the agents went on, the tables went back. A
generation must never be used twice for two different things, so nothing is published
to such a target until somebody has decided which of the two is right.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from promotion.verdicts import Denied

JUMP = 1_000
"""How far past the highest generation seen the next one lies: others may have seen more."""
FARTHEST = 1_000_000_000
"""No agent can be farther ahead than that; one that says so is wrong or lies."""


@dataclass(frozen=True, slots=True)
class Witness:
    """One agent that speaks now: what it has applied and what it does with it."""

    agent: str
    generation: int
    champions: Mapping[str, str]
    """model -> digest of what answers, ready."""
    dark: Mapping[str, str]
    """digest -> model of what is scored in the dark."""
    unsettled: tuple[str, ...] = ()
    """Models it is still loading, so that what answers may change by itself."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the agents that are farthest ahead agree on."""

    agents: tuple[str, ...]
    champions: Mapping[str, str]
    dark: Mapping[str, str]


def is_ahead(*, observed: int, newest: int, stale: int | None) -> bool:
    """Tell whether an agent has applied what was never published here.

    Args:
        observed: the generation it has applied.
        newest: the generation its target was told last.
        stale: the generation it refuses as stale, if it does. When that is the newest, and
            the one it has applied, the same number was given to two different states.
    """
    return observed > newest or (observed > 0 and observed == newest == stale)


def is_plausible(*, observed: int, newest: int) -> bool:
    """Tell whether an agent can be that far ahead at all."""
    return observed - newest <= FARTHEST


def agree(witnesses: Iterable[Witness]) -> Served | Denied:
    """Return what those who are farthest ahead serve, if they all serve the same."""
    speaking = list(witnesses)
    if not speaking:
        return Denied("no_agent_to_adopt", "No agent that counts has reported within its lease.")
    highest = max(one.generation for one in speaking)
    ahead = [one for one in speaking if one.generation == highest]
    for one in ahead:
        if one.unsettled:
            waiting = ", ".join(one.unsettled)
            return Denied("agents_not_settled", f"Agent {one.agent} is still loading {waiting}.")
    first = ahead[0]
    for other in ahead[1:]:
        if (other.champions, other.dark) != (first.champions, first.dark):
            reason = f"Agents {first.agent} and {other.agent} do not serve the same."
            return Denied("agents_disagree", reason)
    return Served(tuple(one.agent for one in ahead), first.champions, first.dark)
