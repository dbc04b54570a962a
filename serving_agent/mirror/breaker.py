"""When to leave a broker alone that does not answer, and for how long."""

from collections.abc import Callable, Iterator

from serving_agent import backoff

OPENS_AFTER = 4


def _waits() -> Iterator[float]:
    return backoff.delays(base=0.2, cap=5.0)


class Breaker:
    """Opens after some failures in a row.

    While it is open the caller asks for a sign of life before it sends anything large.
    """

    def __init__(self, *, waits: Callable[[], Iterator[float]] = _waits) -> None:
        self._make_waits = waits
        self._waits = waits()
        self._failures = 0

    @property
    def open(self) -> bool:
        return self._failures >= OPENS_AFTER

    def failed(self) -> float:
        """Count a failure and return the seconds to wait before the next try."""
        self._failures += 1
        return next(self._waits)

    def worked(self) -> None:
        if self._failures:
            self._failures = 0
            self._waits = self._make_waits()
