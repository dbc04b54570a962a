"""Waits until something is so, also while the service restarts."""

import time
from collections.abc import Callable
from typing import TypeVar

from lockgate.errors import ApiError, Unreachable, WaitedTooLong

Seen = TypeVar("Seen")
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
_PASSING = frozenset({429, 502, 503, 504})
"""Statuses of a service that has trouble of its own: it may be over in a moment."""


class Patience:
    """How long somebody waits, over everything they wait for.

    Args:
        tell: called with a line whenever there is something new to say.
    """

    def __init__(self, seconds: float, *, tell: Callable[[str], None] | None = None) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._tell = tell or (lambda _: None)

    def until(
        self,
        look: Callable[[], Seen],
        settled: Callable[[Seen], bool],
        *,
        what: str,
        describe: Callable[[Seen], str] | None = None,
    ) -> Seen:
        """Look more and more seldom, up to every two seconds; return what was seen last.

        A service that does not answer is asked again until the time is up.

        Raises:
            WaitedTooLong: it is not so yet.
            Unreachable: nor was there an answer at the end.
            ApiError: the service said no.
        """
        pause, said = FIRST_PAUSE, ""
        while True:
            trouble: ApiError | Unreachable | None = None
            try:
                found = look()
                if settled(found):
                    return found
                news = describe(found) if describe else ""
            except (ApiError, Unreachable) as error:
                if isinstance(error, ApiError) and error.status not in _PASSING:
                    raise
                trouble, news = error, str(error)
            if news and news != said:
                self._tell(news)
            said = news
            left = self._until - time.monotonic()
            if left <= 0:
                if trouble is not None:
                    raise trouble
                message = f"After {self._seconds:.0f} seconds, {what} has not come to an end."
                raise WaitedTooLong(message)
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, LONGEST_PAUSE)
