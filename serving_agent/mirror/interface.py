"""What a mirror transport must do, whichever broker is behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from serving_agent.errors import TemporaryFailure
from serving_agent.mirror.record import MirrorRecord


class MirrorUnavailable(TemporaryFailure):
    """The broker did not answer, or refused. Nothing is known about what it took."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One copy that can be read, under the name the broker knows it by."""

    entry: str
    record: MirrorRecord


@dataclass(frozen=True, slots=True)
class Batch:
    deliveries: tuple[Delivery, ...]
    redelivered: bool = False
    """Delivered before, to this consumer or a dead one: settle it before asking for more."""


class Publisher(Protocol):
    """The sending side. Used by one thread."""

    def publish(self, stream: str, payloads: Sequence[bytes]) -> int:
        """Append in order and return how many were taken, counted from the first.

        Raises:
            MirrorUnavailable: within a second, whatever the broker does. Some may have been taken.
        """

    def ping(self) -> None:
        """Ask for a sign of life.

        Raises:
            MirrorUnavailable: there is none.
        """

    def close(self) -> None: ...


class Subscription(Protocol):
    """The receiving side: one member of the group ``dark``. Used by one thread."""

    def receive(self, *, most: int, wait: float) -> Batch:
        """Return up to ``most`` copies, after at most ``wait`` seconds; none is an empty batch.

        Raises:
            MirrorUnavailable: what was underway is delivered again later.
        """

    def ack(self, entries: Sequence[str]) -> None:
        """Say that these are dealt with for good.

        Raises:
            MirrorUnavailable: say it again.
        """

    def counters(self) -> dict[str, int]:
        """Return ``poison`` (set aside), ``trimmed`` (gone before they were read), ``claimed``."""

    def close(self) -> None: ...
