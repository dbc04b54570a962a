"""Who may stay in memory when not all can.

Pure but for what is remembered: who was told to make room. What answers callers, or
may have to at any moment, is never sent away. The rest goes least recently used
first, keeps its files, and comes back once there is room for it without anybody
else having to go.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from serving_agent.errors import Reason, VersionFailure
from serving_agent.plan import HOLD, Key, Role, Wanted

MAY_LEAVE = frozenset({Role.SPARE, Role.DARK, Role.LOAD})
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Tenant:
    """One version in memory."""

    key: Key
    role: Role
    slot: str | None
    """What is wanted of it; None when nothing is any more."""
    memory_bytes: int
    need_bytes: int
    """What it took to load it, which may be more than it keeps."""
    used_at: float


def leaving(tenants: Iterable[Tenant], *, lacking: int) -> list[Tenant] | None:
    """Choose who makes room for ``lacking`` bytes; None where that is not possible.

    What a version does and what is wanted of it both count: a champion that is about
    to be switched to does not answer yet.
    """
    chosen: list[Tenant] = []
    may = [one for one in tenants if one.role in MAY_LEAVE and one.slot in MAY_LEAVE]
    for one in sorted(may, key=lambda one: one.used_at):
        if lacking <= 0:
            break
        chosen.append(one)
        lacking -= one.memory_bytes
    return chosen if lacking <= 0 else None


@dataclass(frozen=True, slots=True)
class Evicted:
    """Why a version left, and what it needs to come back."""

    slot: str
    need: int
    detail: str


class Room:
    """The budget, and who was sent away because of it. Changed under the reconciler's lock."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget = budget_bytes
        self._evicted: dict[Key, Evicted] = {}

    def lacking(self, need: int, *, resident: int) -> int:
        """Return how many bytes are missing; 0 without a budget."""
        return max(0, resident + need - self.budget) if self.budget else 0

    def make(self, need: int, *, resident: int, tenants: Iterable[Tenant], guest: Wanted) -> bool:
        """Say whether a guest fits now; if not, remember who leaves for it.

        Raises:
            VersionFailure: OUT_OF_MEMORY, when all who may leave are not enough.
        """
        there = list(tenants)
        lacking = self.lacking(need, resident=resident)
        going = sum(one.memory_bytes for one in there if one.role is Role.LEAVING)
        chosen = leaving(there, lacking=lacking - going)
        if chosen is None:
            detail = (
                f"it needs {need / MEGABYTE:,.0f} MB beside the {resident / MEGABYTE:,.0f} MB"
                f" in use; the budget is {self.budget / MEGABYTE:,.0f} MB"
                " and nobody else may leave"
            )
            raise VersionFailure(Reason.OUT_OF_MEMORY, detail)
        for one in chosen:
            detail = (
                f"made room for {guest.model} version {guest.version};"
                f" needs {one.need_bytes / MEGABYTE:,.0f} MB to come back,"
                f" the budget is {self.budget / MEGABYTE:,.0f} MB"
            )
            self._evicted[one.key] = Evicted(one.slot or HOLD, one.need_bytes, detail)
        return not lacking

    def readmit(self, *, resident: int) -> bool:
        """Let one come back that fits beside all that is there now."""
        for key, one in self._evicted.items():
            if not self.lacking(one.need, resident=resident):
                del self._evicted[key]
                return True
        return False

    def forget(self, wanted: Iterable[Wanted]) -> None:
        """Forget those that are not wanted any more, or for something else: they count anew."""
        slots = {one.key: one.slot for one in wanted}
        self._evicted = {
            key: one for key, one in self._evicted.items() if slots.get(key) == one.slot
        }

    def evicted(self, key: Key) -> Evicted | None:
        return self._evicted.get(key)

    def without(self, wanted: Iterable[Wanted]) -> list[Wanted]:
        """Want of those that left only that their files stay."""
        return [replace(one, slot=HOLD) if one.key in self._evicted else one for one in wanted]
