"""``/metrics`` of the control plane, for Prometheus: what ``deploy/prometheus/rules.yaml`` needs.

Read from the database when asked, so every web process answers the same.
"""

import hmac
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_GET
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from governance import addresses
from promotion.selectors.figures import Figures, figures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TARGET = ("environment", "tier")

K = TypeVar("K", bound=tuple[str, ...])


class _Families(Collector):
    def __init__(self, found: Figures) -> None:
        self._found = found

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Give every family, also those without a sample: an alert must not miss its metric."""
        f = self._found
        yield _labelled("agents", "Agents by standing.", (*TARGET, "standing"), f.agents)
        yield _labelled("agent_generations_behind", "Of the slowest agent.", TARGET, f.behind)
        yield _labelled("agent_versions_failed", "Versions agents cannot load.", TARGET, f.failed)
        yield _labelled("target_generation", "Newest generation published.", TARGET, f.generation)
        yield _labelled("history_lost", "1 while agents are ahead of us.", TARGET, f.lost)
        place = ("environment",)
        running = {(slug,): n for slug, n in f.running.items()}
        halted = {(slug,): n for slug, n in f.halted.items()}
        yield _labelled("rollouts_running", "Rollouts under way.", place, running)
        yield _labelled("rollouts_halted", "Of those, past their deadline.", place, halted)
        state = ("environment", "state")
        yield _labelled("requests_waiting", "Requests that wait.", state, f.waiting)
        yield _labelled("requests_oldest_seconds", "Age of the oldest of them.", state, f.oldest)
        yield _single("audit_head_entries", "Entries of the audit log.", f.audit_entries)
        yield _single("audit_head_age_seconds", "Since its newest entry.", f.audit_age)
        yield _single("audit_unsealed_entries", "Not sealed yet.", f.unsealed)
        yield _single("audit_unsealed_age_seconds", "Of the oldest of them.", f.unsealed_age)
        yield _single("audit_log_behind", "1 while read-only: it went back.", int(f.log_behind))
        areas = {(area,): n for area, n in f.tampering.items()}
        yield _labelled("tampering", "Changed past the application.", ("where",), areas)
        yield _single("watch_age_seconds", "Since the last look for it.", f.watch_age)
        yield _single("sweep_age_seconds", "Since the last sweep; absent before.", f.sweep_age)


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer those from an allowed network, and those with the token."""
    if not _may_read(request):
        text = "Set METRICS_NETWORKS or METRICS_TOKEN_FILE to let this caller read metrics.\n"
        return HttpResponseForbidden(text, content_type="text/plain; charset=utf-8")
    registry = CollectorRegistry()
    registry.register(_Families(figures(now=timezone.now())))
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE)


urlpatterns = [path("", metrics, name="metrics")]


def _may_read(request: HttpRequest) -> bool:
    config = settings.CONFIG
    allowed = addresses.networks(config.metrics_networks)
    # Behind a proxy that nobody vouches for, every caller would seem to come from its network.
    is_known = bool(config.trusted_proxies) or "HTTP_X_FORWARDED_FOR" not in request.META
    if is_known and addresses.within(request.META.get("REMOTE_ADDR", ""), allowed):
        return True
    if config.metrics_token_file is None:
        return False
    token = config.metrics_token_file.read_text().strip()
    scheme, _, given = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    digests = [sha256(text.encode()).digest() for text in (given, token)]
    return scheme == "Bearer" and bool(token) and hmac.compare_digest(*digests)


def _labelled(
    name: str, text: str, labels: tuple[str, ...], values: Mapping[K, float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"lockgate_{name}", text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, float(value))
    return family


def _single(name: str, text: str, value: float | None) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"lockgate_{name}", text)
    if value is not None:
        family.add_metric((), value)
    return family
