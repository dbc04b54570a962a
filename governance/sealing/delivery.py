"""One sink, and how far it has come: what it could not take is brought later, in order."""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from governance.audit.sinks import Sink, Taken
from governance.errors import Unavailable
from governance.sealing.log import Log, Sealed

AT_ONCE = 500
"""Checkpoints that are read from the database at a time, to be brought."""


@dataclass(slots=True)
class Delivery:
    """A sink with its state. What goes wrong is kept and told, never raised."""

    sink: Sink
    clock: Callable[[], datetime]
    size: int | None = None
    """Entries the sink's newest checkpoint covers; None before we have looked."""
    error: str = ""
    since: datetime | None = None
    failures: int = 0
    reading: bool = False
    """What went wrong is that it could not be read."""

    def beyond(self, last: Sealed, *, epoch: int) -> Mapping[int, str]:
        """Return the notes it has of a larger log than the database has sealed."""
        try:
            sizes = list(self.sink.sizes(epoch, after=last.size if last.epoch == epoch else 0))
            found = {size: self.sink.read(epoch, size) for size in sizes}
        except Unavailable as error:
            self._failed(error.message, reading=True)
            return {}
        if self.reading:
            self._well()
        return found

    def catch_up(self, log: Log, *, new: Sealed | None = None) -> bool:
        """Bring what the sink lacks, then what is new; tell whether it has everything."""
        before = self.size
        try:
            if self.size is None or self.size > log.newest().size:
                self.size = self._find(log.places())
            while late := log.sealed_after(self.size, most=AT_ONCE):
                for each in late:
                    self._put(each)
            if new is not None:
                self._put(new)
        except (Unavailable, Taken) as error:
            self._failed(str(error), reading=False)
            return False
        if self.size != before:  # Only what could be written shows that writing works again.
            self._well()
        return not self.error

    def said(self) -> dict[str, object]:
        """What people are told."""
        return {
            "name": self.sink.name,
            "size": self.size or 0,
            "error": self.error,
            "since": self.since.isoformat() if self.since else None,
        }

    def _find(self, places: list[tuple[int, int]]) -> int:
        """Find the newest checkpoint it has: it got them in order, so by halving."""

        def lacks(place: tuple[int, int]) -> bool:
            epoch, size = place
            return next(self.sink.sizes(epoch, after=size - 1), None) != size

        at = bisect_left(places, x=True, key=lacks)
        return places[at - 1][1] if at else 0

    def _put(self, sealed: Sealed) -> None:
        self.sink.put(sealed.epoch, sealed.size, sealed.note)
        self.size = sealed.size

    def _failed(self, error: str, *, reading: bool) -> None:
        self.failures, self.reading = self.failures + 1, reading
        self.error, self.since = error, self.since or self.clock()

    def _well(self) -> None:
        self.failures, self.reading, self.error, self.since = 0, False, "", None
