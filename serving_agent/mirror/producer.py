"""The live side: take a copy if there is room, send it when there is time.

``offer`` is on the path of every answer. It takes one short lock, never waits
for a socket, and when there is no room the copy is dropped and counted. Each
mirrored transaction gets the next number of this process's epoch whether or not
there was room, so a drop shows as a gap to whoever reads the stream.
"""

import logging
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass

from serving_agent.mirror.breaker import Breaker
from serving_agent.mirror.interface import MirrorUnavailable, Publisher
from serving_agent.mirror.record import UnsendableRecord, encode
from serving_agent.ports import Answer, Tensor
from serving_agent.seldom import Seldom

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    stream: str
    seq: int
    answer: Answer
    size: int


@dataclass(frozen=True, slots=True)
class ProducerLimits:
    """What may be held and sent at once."""

    records: int = 10_000
    bytes: int = 64 * 1024 * 1024
    batch_records: int = 256
    batch_bytes: int = 1024 * 1024
    linger: float = 0.05
    """Seconds to wait for company: twenty wake-ups a second disturb the answers less than 300."""


class Producer:
    """Offers go in from any thread; one thread of its own sends them."""

    def __init__(
        self,
        publisher: Publisher,
        *,
        producer: str,
        epoch: str,
        limits: ProducerLimits | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self._publisher = publisher
        self._producer = producer
        self._epoch = epoch
        self._limits = limits or ProducerLimits()
        self._breaker = breaker or Breaker()
        self._lock = threading.Lock()
        self._queue: deque[_Waiting] = deque()
        self._bytes = 0
        self._seq = 0
        self._sent = 0
        self._dropped: Counter[str] = Counter()
        self._retries = 0
        self._worth_a_line = Seldom()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._deadline = 0.0
        self._thread = threading.Thread(target=self._run, name="mirror-producer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def offer(self, stream: str, answer: Answer) -> bool:
        """Take a copy for later, or drop it. Never blocks."""
        size = _size(answer.inputs)
        with self._lock:
            self._seq += 1
            full = len(self._queue) >= self._limits.records
            if full or self._bytes + size > self._limits.bytes or self._closing.is_set():
                self._dropped["full"] += 1
                return False
            self._queue.append(_Waiting(stream, self._seq, answer, size))
            self._bytes += size
        if not self._wake.is_set():
            self._wake.set()
        return True

    def counters(self) -> dict[str, int]:
        """Return ``offered`` = ``sent`` + ``dropped`` + ``waiting``, and why some were dropped."""
        with self._lock:
            dropped = self._dropped.total()
            return {
                "offered": self._seq,
                "sent": self._sent,
                "dropped": dropped,
                "waiting": self._seq - self._sent - dropped,
                "retries": self._retries,
                **{f"dropped_{reason}": n for reason, n in self._dropped.items()},
            }

    def close(self, *, timeout: float) -> None:
        """Send what waits, for at most ``timeout`` seconds; the rest is dropped and counted."""
        self._deadline = time.monotonic() + timeout
        self._closing.set()
        self._wake.set()
        if self._thread.ident is not None:
            # A second more than the deadline: one socket timeout may be underway.
            self._thread.join(timeout + 1.0)
        self._abandon()
        if not self._thread.is_alive():
            self._publisher.close()

    def _run(self) -> None:
        while self._queue or not self._closing.is_set():
            if not self._closing.is_set():
                self._wake.wait()
            self._closing.wait(self._limits.linger)
            self._wake.clear()
            # What comes meanwhile waits for company, as these did.
            due = len(self._queue)
            while due > 0 and (batch := self._take()):
                due -= len(batch)
                self._deliver_or_drop(batch)

    def _deliver_or_drop(self, batch: list[_Waiting]) -> None:
        try:
            self._deliver(batch)
        except Exception:
            # The thread must outlive anything: without it nothing is ever mirrored again.
            if self._worth_a_line.due():
                logger.exception("dropped %d copies for the mirror", len(batch))
            self._drop("failed", len(batch))

    def _take(self) -> list[_Waiting]:
        """Remove the next batch: of one stream, and bounded in records and bytes."""
        batch: list[_Waiting] = []
        size = 0
        with self._lock:
            while self._queue and len(batch) < self._limits.batch_records:
                following = self._queue[0]
                if batch and (
                    following.stream != batch[0].stream
                    or size + following.size > self._limits.batch_bytes
                ):
                    break
                size += following.size
                batch.append(self._queue.popleft())
            self._bytes -= size
        return batch

    def _deliver(self, batch: list[_Waiting]) -> None:
        payloads = [p for p in map(self._encode, batch) if p is not None]
        while payloads:
            try:
                if self._breaker.open:
                    self._publisher.ping()
                taken = self._publisher.publish(batch[0].stream, payloads)
            except MirrorUnavailable as exc:
                taken, refusal = 0, str(exc)
            else:
                refusal = "the broker refused an entry"
            with self._lock:
                self._sent += taken
            payloads = payloads[taken:]
            if not payloads:
                self._breaker.worked()
            elif not self._wait_to_retry(refusal):
                self._drop("abandoned", len(payloads))
                return

    def _encode(self, waiting: _Waiting) -> bytes | None:
        try:
            return encode(
                waiting.answer,
                producer=self._producer,
                epoch=self._epoch,
                seq=waiting.seq,
            )
        except UnsendableRecord as exc:
            logger.debug("not mirrored: %s", exc)
            self._drop("unsendable", 1)
            return None

    def _wait_to_retry(self, refusal: str) -> bool:
        """Wait, and tell whether to try again: not when closing has used up its time."""
        was_open = self._breaker.open
        delay = self._breaker.failed()
        if self._breaker.open and not was_open:
            logger.warning("the mirror does not take copies, they wait and then drop: %s", refusal)
        with self._lock:
            self._retries += 1
        if not self._closing.wait(delay):
            return True
        left = self._deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(delay, left))
        return True

    def _drop(self, reason: str, count: int) -> None:
        with self._lock:
            self._dropped[reason] += count

    def _abandon(self) -> None:
        with self._lock:
            if self._queue:
                self._dropped["abandoned"] += len(self._queue)
            self._queue.clear()
            self._bytes = 0


def _size(inputs: tuple[Tensor, ...]) -> int:
    """Estimate what a copy costs, in bytes. Strings count as what they hold."""
    size = 512
    for tensor in inputs:
        size += tensor.data.nbytes
        if tensor.data.dtype.hasobject:
            size += sum(len(text) for text in tensor.data.flat)
    return size
