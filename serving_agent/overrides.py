"""What somebody on this host took back, against what is decided, until it is decided anew.

An override stands until a newer document names another champion of that model than the one
it was taken back from (or none, or the model is not placed here any more), or until somebody
on this host ends it. A document that changes other models, or this model's candidate, leaves
it standing. One that has ended is told of until the control plane has heard it.
"""

import threading
import time
from collections.abc import Iterable
from dataclasses import replace

import msgspec

from serving_agent.plan import HOLD, Role, Wanted
from serving_agent.state import Override, State

KEPT = 100
"""Ended ones remembered until they are reported; the oldest are given up first."""


class Overrides:
    """The working thread, the courier and whoever is on the host change it: it has its own lock."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._all = state.overrides()
        self._lock = threading.Lock()

    def all(self) -> list[Override]:
        """Return those that stand, and those that ended and were not reported yet."""
        return self._all

    def of(self, model: str) -> Override | None:
        return next((one for one in self._all if one.model == model and one.stands), None)

    def is_standing(self, model: str) -> bool:
        return self.of(model) is not None

    def begin(self, override: Override) -> bool:
        """Let it stand from now on; say whether it will outlive this process."""
        with self._lock:
            ended = [one for one in self._without(override.model, "replaced") if not one.stands]
            standing = [one for one in self._all if one.stands and one.model != override.model]
            return self._keep([*ended[-KEPT:], *standing, override])

    def end(self, model: str, *, how: str) -> None:
        with self._lock:
            self._keep(self._without(model, how))

    def follow(self, decided: Iterable[Wanted], *, generation: int) -> None:
        """End what a newer document has decided anew."""
        named = {one.model: one.digest for one in decided if one.slot == Role.CHAMPION}
        for one in self._all:
            if one.stands and generation > one.generation and named.get(one.model) != one.instead:
                self.end(one.model, how="decided")

    def on(self, decided: Iterable[Wanted]) -> list[Wanted]:
        """Say what is wanted instead. What was decided stays loaded, and answers nobody."""
        standing = {one.model: one for one in self._all if one.stands}
        ours = [
            Wanted(one.model, one.version, one.digest, Role.CHAMPION) for one in standing.values()
        ]
        keys = {one.key for one in ours}
        others = [
            replace(one, slot=Role.LOAD)
            if one.model in standing and one.slot == Role.CHAMPION
            else one
            for one in decided
            if one.key not in keys
        ]
        return ours + others

    def acknowledge(self, ids: Iterable[str]) -> None:
        """Forget those that ended, and of which the control plane has heard."""
        heard = set(ids)
        with self._lock:
            staying = [one for one in self._all if one.stands or one.id not in heard]
            if staying != self._all:
                self._keep(staying)

    def _without(self, model: str, how: str) -> list[Override]:
        now = time.time()
        return [
            msgspec.structs.replace(one, ended_at=now, ended=how)
            if one.model == model and one.stands
            else one
            for one in self._all
        ]

    def _keep(self, overrides: list[Override]) -> bool:
        self._all = overrides  # One assignment: whoever reads needs no lock.
        return self._state.save_overrides(overrides)


def former(decided: Iterable[Wanted], *, number: int | None) -> Wanted | None:
    """Choose a former champion of one model: by its number, else the one before.

    That is the one in bake; else the spare; else, of those held on disk, the newest that is
    older than the champion.
    """
    wanted = list(decided)
    champion = next((one for one in wanted if one.slot == Role.CHAMPION), None)
    may = [one for one in wanted if one.slot in (Role.BAKE, Role.SPARE, HOLD)]
    if number is not None:
        return next((one for one in may if one.version == number), None)
    slots: tuple[str, ...] = (Role.BAKE, Role.SPARE, HOLD)
    newest = champion.version if champion else 0

    def rank(one: Wanted) -> tuple[int, bool, int]:
        return slots.index(one.slot), one.version > newest, -one.version

    return min(may, key=rank, default=None)
