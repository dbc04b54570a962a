"""Whether an agent is well: one process and not two, and moving rather than wedged.

Pure: what was known and what is said now go in, what is known afterwards comes out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

BOOTS = 8
"""Runs of one agent that are remembered, the latest last."""

Item = Mapping[str, object]
Boot = Mapping[str, object]


class Run(StrEnum):
    """What a report's run and number say beside those that came before."""

    NEXT = "next"
    NEW = "new"
    LATE = "late"
    RETURNED = "returned"
    """A run that another one had followed reports again: two processes share a name."""


def judge_run(boots: Sequence[Boot], *, boot_id: str, seq: int) -> Run:
    """Tell a next report from a late one, and a restart from a clone.

    A process never takes up an earlier run's id, so a run that comes back with
    news of its own did not end when the other one began.
    """
    known = {str(boot["id"]): int(str(boot["seq"])) for boot in boots}
    if boot_id not in known:
        return Run.NEW
    if seq <= known[boot_id]:
        return Run.LATE
    return Run.NEXT if str(boots[-1]["id"]) == boot_id else Run.RETURNED


def remember_run(boots: Sequence[Boot], *, boot_id: str, seq: int) -> list[Boot]:
    """Return the runs that are known now, the one that spoke last at the end."""
    others = [boot for boot in boots if boot["id"] != boot_id]
    return [*others, {"id": boot_id, "seq": seq}][-BOOTS:]


def standing_still(
    before: Iterable[Item], after: Iterable[Item], *, since: Mapping[str, str], now: datetime
) -> dict[str, str]:
    """Return since when each version has made no headway: digest -> time.

    That is: calls are in flight and none was answered since the report before, or the
    version does not answer its own golden transaction.
    """
    earlier = {str(item["digest"]): item for item in before}
    found = {}
    for item in after:
        digest = str(item["digest"])
        old = earlier.get(digest)
        waits = bool(old and old.get("in_flight") and item.get("in_flight"))
        is_stuck = waits and old is not None and old.get("requests") == item.get("requests")
        if is_stuck or item.get("answers") is False:
            found[digest] = since.get(digest, now.isoformat())
    return found


@dataclass(frozen=True, slots=True)
class Wedged:
    """An agent that is alive and does not move: how, at which version, and since when."""

    said: str
    since: datetime
    at: str = ""

    @property
    def how(self) -> str:
        return self.said.format(self.at)

    @property
    def how_without_names(self) -> str:
        """The same for who does not see every model there."""
        return self.said.format("a version")


def wedged(
    *,
    items: Iterable[Item],
    still: Mapping[str, str],
    behind_since: datetime | None,
    refuses: bool,
    now: datetime,
    patience: timedelta,
) -> Wedged | None:
    """Find out whether an agent that reports is wedged. What it refuses, it is not stuck at.

    Args:
        items: the versions it reports.
        still: since when which of them makes no headway, see ``standing_still``.
        behind_since: when the first state it has not applied yet was published.
        refuses: whether it says that it refuses a newer state.
        now: when this is judged.
        patience: how long each of these may last.
    """
    if behind_since and not refuses and now - behind_since > patience:
        return Wedged("does not apply what it is told", behind_since)
    for item in items:
        told = still.get(str(item["digest"]))
        if told is None or now - (began := datetime.fromisoformat(told)) <= patience:
            continue
        name = f"{item['model']} version {item['version']}"
        if item.get("answers") is False:
            said = "gets no right answer from {} to its golden transaction"
        else:
            said = f"answers none of {item['in_flight']} calls in flight at {{}}"
        return Wedged(said, began, at=name)
    return None
