"""Scores copies of live transactions with every dark version, where no caller can see it.

A copy is acknowledged only when its rows are on this disk. The order is: write
the file and hold it, acknowledge, release the file for upload. A crash before
the acknowledgement means the copies come again, and the held file says which of
them were scored: each (transaction, version) becomes one row.
"""

import logging
import math
import threading
import time
from collections import OrderedDict
from hashlib import blake2b
from pathlib import Path
from typing import Final, Protocol

from serving_agent import prediction_log
from serving_agent.errors import NotLoaded, ScoringFailed
from serving_agent.mirror import open_subscription
from serving_agent.mirror.breaker import Breaker
from serving_agent.mirror.gaps import Gaps
from serving_agent.mirror.interface import Delivery, MirrorUnavailable, Subscription
from serving_agent.mirror.record import MirrorRecord
from serving_agent.ports import (
    DarkRuntime,
    DarkVersion,
    MirrorSettings,
    RecordingSettings,
    Tensor,
)
from serving_agent.prediction_log import DarkRow
from serving_agent.seldom import Seldom
from serving_agent.spool import Spool
from serving_agent.uploader import Uploader

logger = logging.getLogger(__name__)

WINDOW: Final = 200_000
FILE_ROWS: Final = 2_000
FILE_ENTRIES: Final = 4_000
READ_AT_ONCE: Final = 64
MAX_ERROR_TEXT: Final = 500

LONGEST_HOLD: Final = 15.0
"""Seconds from a copy's arrival to its acknowledgement; others claim it only after sixty."""

NO_STREAM_SECONDS: Final = 60.0
"""Without a stream by then, no copy of the last process will come again: send what it scored."""

_WAIT: Final = 0.25


class Subscribe(Protocol):
    def __call__(self, url: str, *, stream: str, consumer: str) -> Subscription: ...


class Seen:
    """The last (transaction, version) pairs that became a row. Bounded, oldest out first."""

    def __init__(self, size: int = WINDOW) -> None:
        self._size = size
        self._pairs: OrderedDict[bytes, None] = OrderedDict()

    def add(self, transaction_id: str, digest: str) -> bool:
        """Remember a pair and tell whether it is new."""
        key = blake2b(f"{digest}:{transaction_id}".encode(), digest_size=16).digest()
        if key in self._pairs:
            return False
        self._pairs[key] = None
        if len(self._pairs) > self._size:
            self._pairs.popitem(last=False)
        return True


class DarkLoop:
    """One thread: read copies, score them, put the rows on disk, acknowledge."""

    def __init__(
        self,
        settings: RecordingSettings,
        runtime: DarkRuntime,
        *,
        spool: Spool,
        uploader: Uploader,
        subscribe: Subscribe = open_subscription,
    ) -> None:
        self._settings = settings
        self._runtime = runtime
        self._spool = spool
        self._uploader = uploader
        self._subscribe = subscribe
        self._hold_seconds = min(settings.flush_seconds, LONGEST_HOLD)
        self._wanted: str | None = None
        self._stream: str | None = None
        self._subscription: Subscription | None = None
        self._seen = Seen()
        self._gaps = Gaps()
        self._rows: list[DarkRow] = []
        self._entries: list[str] = []
        self._oldest = 0.0
        self._began = 0.0
        self._held: list[Path] = []
        self._leftover: list[Path] = []
        self._counts = dict.fromkeys(
            ("received", "scored", "errors", "duplicates", "unscored", "unloaded", "missing"), 0
        )
        self._broker = {"poison": 0, "trimmed": 0, "claimed": 0}
        self._breaker = Breaker()
        self._worth_a_line = Seldom()
        self._stop = threading.Event()
        self._nudge = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dark", daemon=True)

    def start(self) -> None:
        self._spool.open()
        self._began = time.monotonic()
        self._leftover = self._spool.held()
        for path in self._leftover:
            self._remember(path)
        self._uploader.start()
        self._thread.start()

    def configure(self, mirror: MirrorSettings | None) -> None:
        """Follow the stream that the desired document names, from the next round on."""
        self._wanted = mirror.stream if mirror and self._settings.mirror_url else None
        self._nudge.set()

    def counters(self) -> dict[str, int]:
        """Count copies (``received``, ``duplicates``, ``unscored``) and rows (the others)."""
        reader = self._subscription
        broker = reader.counters() if reader else {}
        return {
            **self._counts,
            **{name: before + broker.get(name, 0) for name, before in self._broker.items()},
            **self._spool.counters(),
            **self._uploader.counters(),
        }

    def close(self, *, timeout: float) -> None:
        """Finish the round, write what is scored, then send what time allows."""
        deadline = time.monotonic() + timeout
        self._stop.set()
        self._nudge.set()
        if self._thread.ident is not None:
            self._thread.join(timeout * 0.7)
        self._uploader.close(timeout=max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._round()
            except MirrorUnavailable as exc:
                delay = self._breaker.failed()
                logger.info("the mirror does not answer, next try in %.1f s: %s", delay, exc)
                self._stop.wait(delay)
            except Exception:
                delay = self._breaker.failed()
                logger.exception("this round failed, next try in %.1f s", delay)
                self._stop.wait(delay)
            else:
                self._breaker.worked()
        self._leave()

    def _round(self) -> None:
        if self._due():
            self._settle()
        if self._wanted != self._stream:
            self._change_stream()
        if self._subscription is None:
            if time.monotonic() - self._began > NO_STREAM_SECONDS:
                self._release(self._leftover)
            self._nudge.wait(_WAIT)
            self._nudge.clear()
            return
        batch = self._subscription.receive(most=READ_AT_ONCE, wait=self._patience())
        if batch.deliveries:
            self._take(batch.deliveries)
        if batch.redelivered:
            self._settle()
        elif self._leftover:
            # Nothing is pending any more: what an earlier process wrote is acknowledged.
            self._release(self._leftover)

    def _due(self) -> bool:
        """Tell whether to write now; always, once a write or an acknowledgement has failed."""
        if not self._entries:
            return bool(self._held)
        full = len(self._rows) >= FILE_ROWS or len(self._entries) >= FILE_ENTRIES
        return full or bool(self._held) or time.monotonic() - self._oldest >= self._hold_seconds

    def _patience(self) -> float:
        """Return how long to wait for copies: not beyond the moment the held rows are due."""
        if not self._entries:
            return _WAIT
        left = self._oldest + self._hold_seconds - time.monotonic()
        return min(_WAIT, max(0.01, left))

    def _take(self, deliveries: tuple[Delivery, ...]) -> None:
        versions: dict[str, list[DarkVersion]] = {}
        for version in self._runtime.dark_versions():
            versions.setdefault(version.model, []).append(version)
        for delivery in deliveries:
            self._consider(delivery.record, versions.get(delivery.record.model, []))
            if not self._entries:
                self._oldest = time.monotonic()
            self._entries.append(delivery.entry)
        self._counts["missing"] = self._gaps.missing()

    def _consider(self, record: MirrorRecord, versions: list[DarkVersion]) -> None:
        self._gaps.saw(record.producer, record.epoch, record.seq)
        fresh = [v for v in versions if self._seen.add(record.transaction_id, v.digest)]
        if versions and not fresh:
            self._counts["duplicates"] += 1
            return
        self._counts["received"] += 1
        if not versions:
            self._counts["unscored"] += 1
            return
        inputs = record.tensors()
        for version in fresh:
            self._score(record, version, inputs)

    def _score(
        self, record: MirrorRecord, version: DarkVersion, inputs: tuple[Tensor, ...]
    ) -> None:
        began = time.perf_counter()
        score: float | None = None
        error: str | None = None
        try:
            score = float(self._runtime.score(version.model, version.digest, inputs))
        except NotLoaded:
            # It left between the list and the call: no longer dark, so no row of it is due.
            self._counts["unloaded"] += 1
            return
        except ScoringFailed as exc:
            error = str(exc) or "no score"
        except Exception as exc:
            if self._worth_a_line.due(version.digest):
                logger.exception("scoring with %s failed", version.digest)
            error = f"{type(exc).__name__}: {exc}"
        latency_ms = (time.perf_counter() - began) * 1000.0
        if score is not None and not math.isfinite(score):
            score, error = None, f"the score is {score}"
        self._counts["errors" if error else "scored"] += 1
        self._rows.append(
            self._row(record, version, score, error=_readable(error), latency_ms=latency_ms)
        )

    def _row(
        self,
        record: MirrorRecord,
        version: DarkVersion,
        score: float | None,
        *,
        error: str | None,
        latency_ms: float,
    ) -> DarkRow:
        return DarkRow(
            transaction_id=record.transaction_id,
            at=record.at_us,
            model=record.model,
            version=version.version,
            digest=version.digest,
            score=score,
            error=error,
            latency_ms=latency_ms,
            champion_digest=record.champion_digest,
            champion_score=record.champion_score,
            agent=self._settings.agent_id,
            producer=record.producer,
            epoch=record.epoch,
            seq=record.seq,
        )

    def _settle(self) -> None:
        """Make what was taken durable, tell the broker, let the files go. Safe to repeat.

        Raises:
            OSError: the disk refuses; the rows stay in memory and nothing more is read.
            MirrorUnavailable: the files stay held until the broker knows.
        """
        if self._rows:
            path = self._spool.write(self._rows, held=True)
            self._rows = []
            if path is not None:
                self._held.append(path)
        if self._entries and self._subscription is not None:
            self._subscription.ack(self._entries)
        self._entries = []
        self._release(self._held)

    def _release(self, paths: list[Path]) -> None:
        while paths:
            self._spool.release(paths[0])
            del paths[0]

    def _change_stream(self) -> None:
        self._settle()
        if self._subscription is not None:
            for name, count in self._subscription.counters().items():
                self._broker[name] += count
            self._subscription.close()
            self._subscription = None
            self._gaps.forget()
        self._stream = self._wanted
        if self._stream and self._settings.mirror_url:
            self._subscription = self._subscribe(
                self._settings.mirror_url,
                stream=self._stream,
                consumer=self._settings.agent_id,
            )

    def _leave(self) -> None:
        """Write and acknowledge what was scored; what fails here is redone at the next start."""
        try:
            self._settle()
        except (MirrorUnavailable, OSError) as exc:
            logger.warning("%d copies will be delivered again: %s", len(self._entries), exc)
        if self._subscription is not None:
            self._subscription.close()

    def _remember(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                pairs = prediction_log.keys(file)
        except Exception:
            # A damaged file: the control plane will refuse it, and its copies are scored again.
            logger.exception("cannot read %s", path.name)
            return
        for transaction_id, digest in pairs:
            self._seen.add(transaction_id, digest)


def _readable(error: str | None) -> str | None:
    """Keep an error to one bounded line without control characters: it is shown to people."""
    if error is None:
        return None
    line = "".join(c if c.isprintable() else " " for c in error[:MAX_ERROR_TEXT])
    return line.encode("utf-8", "replace").decode()
