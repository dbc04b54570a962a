"""How far this host's clock is from the control plane's, by the ``Date`` of its answers.

Nothing here depends on it: times that matter are measured by a monotonic clock. But logs
and decision records of two hosts are laid beside one another, so it must not go unseen.
"""

import logging
from email.utils import parsedate_to_datetime

logger = logging.getLogger(__name__)

ODD_SECONDS = 5.0
_SLOW = 2.0
"""An answer that took longer says too little about when it was written."""


class Skew:
    def __init__(self) -> None:
        self.seconds = 0.0
        """By how much this clock is ahead at least; below 0, how much it is behind."""
        self._odd = False

    def note(self, date: str | None, *, sent: float, now: float) -> None:
        """Compare a date, which knows no parts of a second, with this clock around it."""
        if date is None or not 0 <= now - sent <= _SLOW:
            return
        try:
            theirs = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return
        least, most = sent - theirs - 1.0, now - theirs
        self.seconds = max(0.0, least) + min(0.0, most)
        odd = abs(self.seconds) > ODD_SECONDS
        if odd and not self._odd:
            logger.warning("the clock is %+.0f s off the control plane's", self.seconds)
        elif self._odd and not odd:
            logger.info("the clock agrees with the control plane's again")
        self._odd = odd
