"""What Prometheus is told.

Collected when asked, from counters that are kept anyway: nothing is added to
the way of a request.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from serving_agent.guard import few
from serving_agent.latency import Histogram
from serving_agent.loaded import Loaded
from serving_agent.memory import resident_bytes
from serving_agent.routing import Instead

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
LABELS = ("model", "version", "digest")
SERIES = 100
"""Of one version, for values that training did not hold: the features with most of them."""
TIMED = {
    "latency": "Time to answer",
    "queue": "Of it, waiting for a worker; 0 for what is scored on the event loop",
    "inference": "Of it, scoring",
}


class Metrics(Collector):
    def __init__(
        self,
        *,
        loaded: Callable[[], list[Loaded]],
        generation: Callable[[], int],
        token_ends: Callable[[], float],
        clock_offset: Callable[[], float],
        mirror: Callable[[], dict[str, int]],
        dark: Callable[[], dict[str, int]],
        memory_budget: int = 0,
    ) -> None:
        self._loaded, self._generation, self._token_ends = loaded, generation, token_ends
        self._clock_offset = clock_offset
        self._memory_budget = memory_budget
        self._counters = {"mirror": mirror, "dark": dark}
        self.refusals: Counter[int] = Counter()
        self.turned_away: Counter[str] = Counter()
        """Callers that met one of the limits, by which."""
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        return []  # Nothing is collected at registration.

    def collect(self) -> Iterator[Metric]:
        yield from self._of_versions()
        yield from self._of_guards()
        yield from self._of_spares()
        refused = CounterMetricFamily(
            "lockgate_agent_refused", "Requests not answered, by status", labels=("status",)
        )
        for status, count in sorted(self.refusals.items()):
            refused.add_metric((str(status),), count)
        yield refused
        away = CounterMetricFamily(
            "lockgate_agent_turned_away", "Callers that met a limit", labels=("limit",)
        )
        for limit, count in sorted(self.turned_away.items()):
            away.add_metric((limit,), count)
        yield away
        for kind, counters in self._counters.items():
            for name, count in sorted(counters().items()):
                yield CounterMetricFamily(
                    f"lockgate_agent_{kind}_{name}", f"Of the {kind}: {name}", value=count
                )
        yield GaugeMetricFamily(
            "lockgate_agent_generation", "Generation applied", value=self._generation()
        )
        yield GaugeMetricFamily(
            "lockgate_agent_token_expires_timestamp_seconds",
            "When its token ends, unless it is renewed",
            value=self._token_ends(),
        )
        yield GaugeMetricFamily(
            "lockgate_agent_clock_offset_seconds",
            "How far the clock is ahead of the control plane's, at least",
            value=self._clock_offset(),
        )
        yield GaugeMetricFamily(
            "lockgate_agent_resident_bytes", "Memory of the process", value=resident_bytes()
        )
        yield GaugeMetricFamily(
            "lockgate_agent_memory_budget_bytes",
            "What it may be; 0 for no limit",
            value=self._memory_budget,
        )

    def _of_guards(self) -> Iterator[Metric]:
        labels = (*LABELS, "input", "feature", "kind", "did")
        values = CounterMetricFamily(
            "lockgate_agent_odd_values", "Values that training did not hold", labels=labels
        )
        pipelines = CounterMetricFamily(
            "lockgate_agent_other_pipeline", "Calls with another pipeline's digest", labels=LABELS
        )
        for one in self._loaded():
            of_version = (one.model, str(one.version), one.digest)
            for count in few(one.guard.counts(), most=SERIES):
                about = (count.tensor, count.feature, count.kind.value, count.did)
                values.add_metric((*of_version, *about), count.values)
            pipelines.add_metric(of_version, one.guard.other_pipelines)
        yield from (values, pipelines)

    def _of_spares(self) -> Iterator[Metric]:
        late = CounterMetricFamily(
            "lockgate_agent_over_deadline", "Calls too slow where there is a spare", labels=LABELS
        )
        answers = CounterMetricFamily(
            "lockgate_agent_spare_answers",
            "Answers of a spare in place of the champion",
            labels=("model", "version", "reason"),
        )
        for one in self._loaded():
            late.add_metric((one.model, str(one.version), one.digest), one.over_deadline)
            for reason in Instead:
                if count := one.spare_answers[reason]:
                    answers.add_metric((one.model, str(one.version), reason.value), count)
        yield from (late, answers)

    def _of_versions(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("lockgate_agent_requests", "Answered calls", labels=LABELS)
        errors = CounterMetricFamily("lockgate_agent_errors", "Failed calls", labels=LABELS)
        in_flight = GaugeMetricFamily("lockgate_agent_in_flight", "Calls now", labels=LABELS)
        memory = GaugeMetricFamily(
            "lockgate_agent_memory_bytes", "Memory it took when it was loaded", labels=LABELS
        )
        role = GaugeMetricFamily(
            "lockgate_agent_role", "What a version does", labels=(*LABELS, "role")
        )
        over = CounterMetricFamily(
            "lockgate_agent_over_budget", "Answers slower than the budget", labels=LABELS
        )
        timed = {
            name: HistogramMetricFamily(f"lockgate_agent_{name}_seconds", words, labels=LABELS)
            for name, words in TIMED.items()
        }
        for one in self._loaded():
            labels = (one.model, str(one.version), one.digest)
            requests.add_metric(labels, one.requests)
            errors.add_metric(labels, one.errors)
            over.add_metric(labels, one.over_budget)
            in_flight.add_metric(labels, one.in_flight)
            memory.add_metric(labels, one.memory_bytes)
            role.add_metric((*labels, one.role.value), 1)
            for name, family in timed.items():
                histogram: Histogram = getattr(one, name)
                family.add_metric(labels, list(histogram.cumulated()), histogram.sum_ms / 1000)
        yield from (requests, errors, over, in_flight, memory, role, *timed.values())
