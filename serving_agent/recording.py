"""Puts the recording half together: what serving calls, and the threads behind it.

Nothing in here may slow, fail or change an answer. Everything has a bound, and
what goes over it is counted.
"""

import logging
import math
import time
from hashlib import sha256

from serving_agent.dark import DarkLoop
from serving_agent.decisions import DecisionLog
from serving_agent.mirror import open_publisher
from serving_agent.mirror.producer import Producer, ProducerLimits
from serving_agent.ports import (
    Answer,
    DarkRuntime,
    DarkScorer,
    MirrorSettings,
    Recorder,
    RecordingSettings,
    Uploads,
)
from serving_agent.prediction_log import DecisionRow
from serving_agent.spool import Spool
from serving_agent.uploader import Uploader

logger = logging.getLogger(__name__)


def build_recorder(settings: RecordingSettings, uploads: Uploads) -> Recorder:
    spool = Spool(settings.home, "decision", limit_bytes=settings.spool_bytes)
    producer = None
    if settings.mirror_url:
        producer = Producer(
            open_publisher(settings.mirror_url),
            producer=settings.agent_id,
            epoch=settings.boot_id,
            limits=ProducerLimits(records=settings.queue_size),
        )
    return LiveRecorder(
        agent=settings.agent_id,
        spool=spool,
        decisions=DecisionLog(spool, flush_seconds=settings.flush_seconds),
        producer=producer,
        uploader=Uploader(spool, uploads),
    )


def build_dark(settings: RecordingSettings, runtime: DarkRuntime, uploads: Uploads) -> DarkScorer:
    spool = Spool(settings.home, "dark", limit_bytes=settings.spool_bytes)
    return DarkLoop(settings, runtime, spool=spool, uploader=Uploader(spool, uploads))


class LiveRecorder:
    """A decision row of every answer, a copy to the mirror of those that were chosen."""

    def __init__(
        self,
        *,
        agent: str,
        spool: Spool,
        decisions: DecisionLog,
        producer: Producer | None,
        uploader: Uploader,
    ) -> None:
        self._agent = agent
        self._spool = spool
        self._decisions = decisions
        self._producer = producer
        self._uploader = uploader
        self._mirror: MirrorSettings | None = None
        self._failed = 0

    def start(self) -> None:
        self._spool.open()
        self._decisions.start()
        if self._producer is not None:
            self._producer.start()
        self._uploader.start()

    def answered(self, answer: Answer) -> None:
        """Take one answer, on the event loop. Never blocks, never raises: drops and counts."""
        try:
            self._record(answer)
        except Exception:
            self._failed += 1
            if self._failed == 1:
                logger.exception("an answer could not be recorded; more of these are only counted")

    def configure(self, mirror: MirrorSettings | None) -> None:
        self._mirror = mirror

    def counters(self) -> dict[str, int]:
        """Return ``sent`` and ``dropped`` of the mirror, and how the decision log stands."""
        mirror = self._producer.counters() if self._producer else {"sent": 0, "dropped": 0}
        return {
            **mirror,
            "failed": self._failed,
            **self._decisions.counters(),
            **self._spool.counters(),
            **self._uploader.counters(),
        }

    def close(self, *, timeout: float) -> None:
        """Write and send what is held: rows to the disk first, they are the ones that stay."""
        deadline = time.monotonic() + timeout
        self._decisions.close(timeout=timeout / 2)
        if self._producer is not None:
            self._producer.close(timeout=timeout / 4)
        self._uploader.close(timeout=max(0.0, deadline - time.monotonic()))

    def _record(self, answer: Answer) -> None:
        score = answer.score
        if score is not None and not math.isfinite(score):
            score = None
        mirror = self._mirror
        # Without one score there is nothing to compare, so no dark score is expected either.
        chosen = (
            mirror is not None
            and self._producer is not None
            and score is not None
            and is_chosen(answer.transaction_id, mirror.fraction)
        )
        self._decisions.append(
            DecisionRow(
                transaction_id=answer.transaction_id,
                at=answer.at_us,
                model=answer.model,
                version=answer.version,
                digest=answer.digest,
                score=score,
                latency_ms=answer.latency_ms,
                mirrored=chosen,
                agent=self._agent,
            )
        )
        if chosen and mirror is not None and self._producer is not None:
            self._producer.offer(mirror.stream, answer)


def is_chosen(transaction_id: str, fraction: float) -> bool:
    """Choose a share of transactions by their id alone, the same in every agent and again."""
    number = int.from_bytes(sha256(transaction_id.encode()).digest()[:4])
    return number / 2**32 < fraction
