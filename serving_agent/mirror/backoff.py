"""How long to leave somebody alone who does not answer."""

import random
from collections.abc import Callable


class Backoff:
    """Doubling waits with jitter, and a breaker that opens after some failures in a row.

    While it is open the caller asks for a sign of life before it sends anything large.
    """

    def __init__(
        self,
        *,
        first: float = 0.1,
        most: float = 5.0,
        opens_after: int = 4,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first = first
        self._most = most
        self._opens_after = opens_after
        self._chance = chance
        self._failures = 0

    @property
    def open(self) -> bool:
        return self._failures >= self._opens_after

    def failed(self) -> float:
        """Count a failure and return the seconds to wait: half fixed, half by chance."""
        # The exponent is bounded: a day of failures must not overflow a float.
        longest = min(self._most, self._first * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return longest * (1.0 + self._chance()) / 2.0

    def worked(self) -> None:
        self._failures = 0
