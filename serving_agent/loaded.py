"""One version in memory: its session, its golden transactions, its counters.

``acquire`` and ``release`` count what is in flight. A version that is leaving
can no longer be acquired, and the lock makes that exact: once it is leaving
and nothing is in flight, no request can reach it any more.
"""

import threading
import time
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving_agent.cost import Cost
from serving_agent.errors import NotLoaded, Reason, VersionFailure
from serving_agent.guard import Guard
from serving_agent.latency import Distribution, Histogram, Latency
from serving_agent.manifests import GoldenSet, Manifest, TensorSpec
from serving_agent.onnx_session import GoldenResult, Session, run_golden
from serving_agent.plan import Role, Wanted
from serving_agent.ports import Tensor
from serving_agent.routing import Instead

READY_SECONDS = 1.0
TIMED = 20


class Loaded:
    """A loaded version. Its role changes; what it computes never does."""

    def __init__(
        self,
        wanted: Wanted,
        *,
        manifest: Manifest,
        session: Session,
        golden: GoldenSet,
        dear_ms: float,
    ) -> None:
        self.model = wanted.model
        self.version = wanted.version
        self.digest = wanted.digest
        self.manifest = manifest
        self.guard = Guard(manifest)
        self.role = Role.LOAD
        self.memory_bytes = 0
        self.need_bytes = 0
        """What it took to load it, if only for a moment."""
        self.used_at = time.perf_counter()
        self.load_seconds = 0.0
        self.golden_result: GoldenResult | None = None
        self.budget_ms: float | None = None
        self.over_budget = 0
        """Answers that took longer than the model's latency budget."""
        self.over_deadline = 0  # Where there is a spare.
        self.spare_answers: Counter[Instead] = Counter()
        self.inputs: dict[str, TensorSpec] = {spec.name: spec for spec in manifest.inputs}
        self.outputs: dict[str, int] = {s.name: i for i, s in enumerate(manifest.outputs)}
        self.headers = [
            (b"lockgate-version", str(wanted.version).encode()),
            (b"lockgate-digest", wanted.digest.encode()),
        ]
        self.latency = Latency()
        self.queue, self.inference = Histogram(), Histogram()
        self._cost = Cost(dear_ms)
        self.requests = 0
        self.errors = 0
        self.scored = 0
        self.positive = 0
        """Of those that were scored: at or above the manifest's threshold."""
        self._threshold = manifest.score.threshold if manifest.score else None
        self.in_flight = 0
        self._session: Session | None = session
        self._golden = golden
        self._lock = threading.Lock()
        self.answers: bool | None = None
        """Whether its golden transaction came out right when it was last put; None: not yet."""
        self._checked_at = float("-inf")
        self._check_passed: bool | None = None

    def acquire(self) -> bool:
        """Take part in what is in flight; False once the version is leaving."""
        with self._lock:
            if self.role is Role.LEAVING:
                return False
            self.in_flight += 1
            return True

    def release(self) -> None:
        with self._lock:
            self.in_flight -= 1

    def set_role(self, role: Role) -> None:
        with self._lock:
            self.role = role

    def count(self, *, milliseconds: float, failed: bool, score: float | None = None) -> None:
        """Note one answered request, and which side of the threshold its score fell on."""
        with self._lock:
            self.requests += 1
            if score is not None and self._threshold is not None:
                self.scored += 1
                self.positive += score >= self._threshold
            if failed:
                self.errors += 1
            else:
                self.latency.add(milliseconds)
                self.over_budget += self.budget_ms is not None and milliseconds > self.budget_ms

    def windows(self) -> list[Distribution]:
        """Return how long answers took lately, the shortest window first."""
        with self._lock:
            return self.latency.windows()

    def is_dear(self, rows: int = 1) -> bool:
        """Tell whether so many transactions are better scored by a worker."""
        return self._cost.is_dear(rows)

    def run(
        self, inputs: dict[str, Any], *, rows: int = 1, asked: float | None = None
    ) -> list[NDArray[Any]]:
        """Score, and measure it. ``asked`` is when the caller began to wait for a worker."""
        session = self._session
        if session is None:
            raise NotLoaded(f"{self.model} {self.digest[:12]} is not in memory")
        sampled = self._cost.is_due(rows)
        began, worked = time.perf_counter(), time.thread_time() if sampled else 0.0
        outputs = session.run(inputs)
        worked, ended = time.thread_time() - worked if sampled else 0.0, time.perf_counter()
        with self._lock:
            self.used_at = ended
            self.queue.add((began - asked) * 1000 if asked is not None else 0.0)
            self.inference.add((ended - began) * 1000)
            if sampled:
                self._cost.note(worked * 1000, rows=rows)
        return outputs

    def score_of(self, outputs: list[NDArray[Any]], *, rows: int) -> float | None:
        """Pick the score out of an answer, where the manifest names one for a single row."""
        score = self.manifest.score
        if score is None or rows != 1:
            return None
        place = self.outputs.get(score.output)
        if place is None:
            return None
        row = np.asarray(outputs[place]).reshape(-1)
        column = score.column or 0
        return float(row[column]) if column < row.size else None

    def warm_up(self) -> None:
        """Put the golden transactions to the model in this very process.

        Raises:
            VersionFailure: GOLDEN_MISMATCH.
        """
        session = self.prove()
        # The first run pays for lazy set-up; the second says what a request costs.
        some = GoldenSet(self._golden.tolerance, self._golden.transactions[:TIMED])
        self._cost.begin(run_golden(session, self.manifest, some).mean_ms)

    def prove(self) -> Session:
        """Put every golden transaction to the model.

        Raises:
            NotLoaded: it has left.
            VersionFailure: GOLDEN_MISMATCH.
        """
        session = self._session
        if session is None:
            raise NotLoaded("dropped already")
        result = run_golden(session, self.manifest, self._golden)
        if result.passed != result.total:
            raise VersionFailure(Reason.GOLDEN_MISMATCH, result.detail)
        self.golden_result = result
        return session

    def check(self) -> bool:
        """Run one golden transaction, at most once a second, and say whether it came out right."""
        now = time.monotonic()
        if now - self._checked_at < READY_SECONDS:
            return bool(self._check_passed)
        session, passed = self._session, False
        if session is not None:
            one = GoldenSet(self._golden.tolerance, self._golden.transactions[:1])
            try:
                passed = run_golden(session, self.manifest, one).passed == 1
            except VersionFailure:
                passed = False
        self._checked_at, self._check_passed = now, passed
        return passed

    @property
    def is_wrong(self) -> bool:
        """Tell whether its golden transaction, whoever put it last, did not come out right."""
        return self.answers is False or self._check_passed is False

    def drop(self) -> None:
        """Let go of the session. Only for a version that is leaving and idle."""
        self._session = None


def rows_of(inputs: tuple[Tensor, ...]) -> int:
    """Count the transactions in one request: the first dimension, by convention."""
    first = inputs[0].shape
    return first[0] if first else 1
