"""Copies out of a Valkey or Redis stream, as one member of a consumer group.

The broker keeps every delivery pending until it is acknowledged. What was
pending when this consumer died, or lost its connection, is read again from that
list before anything new; what another consumer left for too long is claimed.

A copy that cannot be read is set aside at once in ``<stream>:dead``. One that
was delivered ``tries`` times and never acknowledged is set aside too: it is the
likely cause of the deaths. From the second delivery on copies come one by one,
so that the neighbours of such a copy are not buried with it.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import redis

from serving_agent.mirror.interface import Batch, Delivery
from serving_agent.mirror.record import MirrorRecord, UnreadableRecord, decode
from serving_agent.mirror.redis_connection import connect, translated
from serving_agent.seldom import Seldom

logger = logging.getLogger(__name__)

GROUP: Final = "dark"
DEAD_LENGTH: Final = 256
DEAD_BYTES: Final = 64 * 1024

_TIMEOUT: Final = 1.5
_LONGEST_WAIT: Final = 1.0
_ACK_AT_ONCE: Final = 500
_CLAIM_AT_ONCE: Final = 256


class RedisSubscription:
    """Reads with XREADGROUP; the group is made when it is missing."""

    def __init__(
        self,
        url: str,
        *,
        stream: str,
        consumer: str,
        tries: int = 3,
        stale_seconds: float = 60.0,
    ) -> None:
        self._client = connect(url, timeout=_TIMEOUT)
        # The client's own reading of this reply leaves out what was trimmed away.
        self._client.set_response_callback("XAUTOCLAIM", _as_it_is)
        self._stream = stream
        self._group = GROUP
        self._consumer = consumer
        self._tries = tries
        self._stale_ms = int(stale_seconds * 1000)
        self._claim_every = stale_seconds / 4
        self._claim_at = 0.0
        self._grouped = False
        self._recovering = True
        self._outstanding: set[str] = set()
        self._worth_a_line = Seldom()
        self._counts = {"poison": 0, "trimmed": 0, "claimed": 0}

    def receive(self, *, most: int, wait: float) -> Batch:
        try:
            with translated(self._client):
                return self._receive(most, min(wait, _LONGEST_WAIT))
        except Exception:
            # A reply may have been lost on the way: what it held is pending now, and the
            # group may have gone with the broker's data.
            self._recovering, self._grouped = True, False
            raise

    def ack(self, entries: Sequence[str]) -> None:
        with translated(self._client):
            for start in range(0, len(entries), _ACK_AT_ONCE):
                self._client.xack(self._stream, self._group, *entries[start : start + _ACK_AT_ONCE])
        self._outstanding.difference_update(entries)

    def counters(self) -> dict[str, int]:
        return dict(self._counts)

    def close(self) -> None:
        self._client.close()

    def _receive(self, most: int, wait: float) -> Batch:
        if not self._grouped:
            self._make_group()
        # The pending list also holds what the caller has not acknowledged yet: while there is
        # any, reading that list would deliver it twice.
        if not self._outstanding:
            self._claim_stale()
            if self._recovering and (batch := self._recover(most)) is not None:
                return batch
        reply = self._read(">", most, block=max(1, int(wait * 1000)))
        return Batch(self._readable(reply))

    def _make_group(self) -> None:
        """Start at the beginning: what the broker still has is still worth scoring."""
        try:
            self._client.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except redis.ResponseError as exc:
            if "BUSYGROUP" not in str(exc):
                raise
        self._grouped = True

    def _read(self, start: str, most: int, *, block: int | None = None) -> list[Any]:
        reply: Any = self._client.xreadgroup(
            self._group, self._consumer, {self._stream: start}, count=most, block=block
        )
        return list(reply[0][1]) if reply else []

    def _recover(self, most: int) -> Batch | None:
        """Read what is pending for this consumer, or return None when nothing is left."""
        pending: Any = self._client.xpending_range(
            self._stream,
            self._group,
            min="-",
            max="+",
            count=most,
            consumername=self._consumer,
        )
        worn = [p["message_id"] for p in pending if p["times_delivered"] >= self._tries]
        for entry in worn:
            self._bury_worn(entry)
        if not pending:
            self._recovering = False
            return None
        if len(worn) == len(pending):
            return Batch((), redelivered=True)
        careful = any(p["times_delivered"] > 1 for p in pending)
        reply = self._read("0", 1 if careful else most)
        return Batch(self._readable(reply), redelivered=True)

    def _claim_stale(self) -> None:
        now = time.monotonic()
        if now < self._claim_at:
            return
        self._claim_at = now + self._claim_every
        reply: Any = self._client.xautoclaim(
            self._stream,
            GROUP,
            self._consumer,
            self._stale_ms,
            count=_CLAIM_AT_ONCE,
            justid=True,  # does not count as a delivery
        )
        _, claimed, *gone = reply
        # Brokers before version 7 do not tell what was trimmed away meanwhile.
        self._counts["trimmed"] += len(gone[0]) if gone else 0
        if claimed:
            self._counts["claimed"] += len(claimed)
            self._recovering = True

    def _readable(
        self, reply: Sequence[tuple[bytes, Mapping[bytes, bytes] | None]]
    ) -> tuple[Delivery, ...]:
        deliveries = []
        for raw_entry, fields in reply:
            entry = raw_entry.decode()
            if not fields:
                self._forget_trimmed(entry)
                continue
            try:
                deliveries.append(Delivery(entry, _record(fields)))
            except UnreadableRecord as exc:
                self._bury(entry, fields, str(exc))
        self._outstanding.update(d.entry for d in deliveries)
        return tuple(deliveries)

    def _forget_trimmed(self, entry: str) -> None:
        """Acknowledge an entry that was pending when the stream grew past its length."""
        self._client.xack(self._stream, self._group, entry)
        self._counts["trimmed"] += 1

    def _bury_worn(self, entry: bytes) -> None:
        found: Any = self._client.xrange(self._stream, min=entry, max=entry)
        if not found:
            self._forget_trimmed(entry.decode())
            return
        self._bury(
            entry.decode(),
            found[0][1],
            f"delivered {self._tries} times, never finished",
        )

    def _bury(self, entry: str, fields: Mapping[bytes, bytes], reason: str) -> None:
        """Set a copy aside and acknowledge it, both or neither."""
        if self._worth_a_line.due():
            logger.warning("set aside copy %s of %s: %s", entry, self._stream, reason[:200])
        pipeline = self._client.pipeline(transaction=True)
        pipeline.xadd(
            f"{self._stream}:dead",
            {
                "entry": entry,
                "reason": reason[:500],
                "consumer": self._consumer,
                "d": fields.get(b"d", b"")[:DEAD_BYTES],
            },
            maxlen=DEAD_LENGTH,
            approximate=False,
        )
        pipeline.xack(self._stream, self._group, entry)
        pipeline.execute()
        self._counts["poison"] += 1


def _as_it_is(reply: Any, **_options: object) -> Any:
    return reply


def _record(fields: Mapping[bytes, bytes]) -> MirrorRecord:
    version = fields.get(b"v", b"")
    if version != b"1":
        raise UnreadableRecord(f"record version {version[:16]!r}, only 1 is known")
    if b"d" not in fields:
        raise UnreadableRecord("an entry without a record")
    return decode(fields[b"d"])
