"""Asks every version in memory for its own golden transaction, again and again.

A runtime can hang, or turn to wrong answers, without anything failing: callers would be the
first to know. Each question is put in a thread of its own and waited for only so long, so that
a version that hangs is told of, and holds up neither the others nor the report.
"""

import logging
import threading
from collections.abc import Callable, Iterable

from serving_agent.loaded import Loaded
from serving_agent.plan import Key, Role

ANSWERING = frozenset({Role.CHAMPION, Role.SPARE})
logger = logging.getLogger(__name__)


class SelfCheck:
    """Keeps ``answers`` of every loaded version as things are now."""

    def __init__(
        self, loaded: Callable[[], Iterable[Loaded]], *, seconds: float, patience: float
    ) -> None:
        self._loaded = loaded
        self._seconds, self._patience = seconds, patience
        self._hanging: dict[Key, threading.Thread] = {}
        self._stopping = threading.Event()

    def run(self) -> None:
        """Go round until told to stop."""
        while not self._stopping.wait(self._seconds):
            self.look()

    def stop(self) -> None:
        self._stopping.set()

    def look(self) -> None:
        """Ask each version once. One that still owes an answer is not asked again."""
        there = [one for one in self._loaded() if one.role is not Role.LEAVING]
        keys = {(one.model, one.digest) for one in there}
        self._hanging = {
            key: thread
            for key, thread in self._hanging.items()
            if thread.is_alive() and key in keys
        }
        for one in there:
            if self._stopping.is_set():
                return
            self._note(one, answers=self._ask(one))

    def is_wedged(self) -> bool:
        """Tell whether none of those that answer callers answers us, nor a spare in its place."""
        there = list(self._loaded())
        well = {one.model for one in there if one.role in ANSWERING and one.answers is not False}
        champions = {one.model for one in there if one.role is Role.CHAMPION}
        return bool(champions) and not champions & well

    def _ask(self, one: Loaded) -> bool:
        key = (one.model, one.digest)
        if key in self._hanging:
            return False
        said: list[bool] = []
        thread = threading.Thread(
            target=lambda: said.append(one.check()), name="golden", daemon=True
        )
        thread.start()
        thread.join(self._patience)
        if thread.is_alive():
            self._hanging[key] = thread
        return said[:1] == [True]

    @staticmethod
    def _note(one: Loaded, *, answers: bool) -> None:
        before, one.answers = one.answers, answers
        name = f"{one.model} version {one.version}"
        if before is not False and not answers:
            logger.error("%s does not answer its golden transaction as it should", name)
        elif before is False and answers:
            logger.info("%s answers its golden transaction again", name)
