"""What did not work, and when it may be tried again.

A wrong digest or a golden mismatch will be just as wrong next time, so it
waits for another generation. A version that cannot be validated gets three
tries. The network and the disk get as many as it takes, ever further apart.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from serving_agent import backoff
from serving_agent.errors import Reason

FINAL = frozenset(
    {Reason.GOLDEN_MISMATCH, Reason.DIGEST_MISMATCH, Reason.INVALID, Reason.OVERSIZED}
)
COUNTED = frozenset({Reason.LOAD_FAILED, Reason.OUT_OF_MEMORY, Reason.TIMEOUT})
TRIES = 3
NEVER = float("inf")


@dataclass(slots=True)
class _Record:
    waits: Iterator[float] = field(default_factory=backoff.delays)
    counted: int = 0
    due: float = 0.0


class Attempts:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: dict[str, _Record] = {}
        self._lock = threading.Lock()

    def failed(self, digest: str, reason: Reason, *, final: bool | None = None) -> None:
        with self._lock:
            record = self._records.setdefault(digest, _Record())
            record.counted += reason in COUNTED
            if (reason in FINAL if final is None else final) or record.counted >= TRIES:
                record.due = NEVER
            else:
                record.due = self._clock() + next(record.waits)

    def succeeded(self, digest: str) -> None:
        with self._lock:
            self._records.pop(digest, None)

    def forget(self) -> None:
        """Begin anew, for another generation."""
        with self._lock:
            self._records.clear()

    def blocked(self) -> frozenset[str]:
        now = self._clock()
        with self._lock:
            return frozenset(digest for digest, one in self._records.items() if one.due > now)

    def wait(self) -> float:
        """Return the seconds until something blocked may be tried again."""
        with self._lock:
            dues = [one.due for one in self._records.values()]
        return max(0.0, min(dues, default=NEVER) - self._clock())
