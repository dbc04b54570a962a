"""What every sink promises."""

from collections.abc import Iterator
from typing import Protocol


class Taken(Exception):
    """There is another checkpoint of that size: somebody has sealed another history."""


class Sink(Protocol):
    """Signed notes by epoch and size, each written once."""

    @property
    def name(self) -> str:
        """The sink's URL without its options: what people are told."""

    def put(self, epoch: int, size: int, note: str) -> None:
        """Keep a note, for good, before returning. The same note again is no mistake.

        Raises:
            Taken: another note is there.
            Unavailable: ``sink_full`` or ``sink_unavailable``.
        """

    def sizes(self, epoch: int, *, after: int) -> Iterator[int]:
        """Yield the sizes of what is kept, those above ``after``, smallest first.

        Raises:
            Unavailable: ``sink_unavailable``.
        """

    def read(self, epoch: int, size: int) -> str:
        """Return one note.

        Raises:
            Unavailable: ``sink_unavailable``.
        """
