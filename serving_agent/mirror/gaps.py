"""Which copies never came: the holes in the producers' numbering.

A producer numbers every transaction it chose for the mirror, so a number that
is missing was dropped on the way: by a full queue, by a broker that was down,
or by a stream that was trimmed before it was read.

One consumer alone sees all of it. Where several share a group each sees holes
where the others read: there only the rows of all of them together tell.
"""

from collections import OrderedDict
from typing import Final

MAX_EPOCHS: Final = 256
MAX_HOLES: Final = 100_000


class _Epoch:
    """One process's numbers: everything between the first and the last seen is expected."""

    def __init__(self, seq: int) -> None:
        self.first = seq
        self.last = seq
        self.holes: set[int] = set()
        self.lost = 0
        """Holes beyond what is remembered: counted for good, a late copy does not fill them."""

    def saw(self, seq: int) -> None:
        if seq > self.last:
            self._expect(self.last + 1, seq)
            self.last = seq
        elif seq < self.first:
            self._expect(seq + 1, self.first)
            self.first = seq
        else:
            self.holes.discard(seq)

    def missing(self) -> int:
        return len(self.holes) + self.lost

    def _expect(self, start: int, stop: int) -> None:
        if stop - start > MAX_HOLES - len(self.holes):
            self.lost += stop - start
        else:
            self.holes.update(range(start, stop))


class Gaps:
    """Counts what is missing per producer and epoch. Late and repeated numbers are fine."""

    def __init__(self) -> None:
        self._epochs: OrderedDict[tuple[str, str], _Epoch] = OrderedDict()
        self._settled = 0

    def saw(self, producer: str, epoch: str, seq: int) -> None:
        key = (producer, epoch)
        known = self._epochs.get(key)
        if known is not None:
            known.saw(seq)
            self._epochs.move_to_end(key)
            return
        self._epochs[key] = _Epoch(seq)
        if len(self._epochs) > MAX_EPOCHS:
            _, oldest = self._epochs.popitem(last=False)
            self._settled += oldest.missing()

    def missing(self) -> int:
        return self._settled + sum(epoch.missing() for epoch in list(self._epochs.values()))

    def forget(self) -> None:
        """Start over on another stream, keeping the count."""
        self._settled = self.missing()
        self._epochs.clear()
