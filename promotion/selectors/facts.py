"""Gathers what gates judge by, in a constant number of queries."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from numbers import Real
from typing import Any

from django.db.models import Q

from governance.models import Environment
from promotion import latencies
from promotion.compatibility import compare_inputs
from promotion.confirmation import Standing, confirm
from promotion.gates.facts import Facts
from promotion.latencies import total
from promotion.models import (
    Agent,
    AgentReport,
    DarkTally,
    Deployment,
    Finding,
    Incident,
    Request,
    ServingInterval,
    Target,
)
from promotion.selectors import darkened, fleet_facts, placements
from promotion.selectors.latencies import HOUR, latest
from registry.models import ModelVersion

REQUIRED = ("training", "datasets", "metrics", "environment_lock")
"""Parts of a manifest that documentation is complete with."""


def gather(
    version: ModelVersion,
    environment: Environment,
    *,
    deployment: Deployment | None,
    champion: Deployment | None,
    now: datetime,
) -> Facts:
    """Read everything any gate needs about one version in one environment."""
    tally = _tally(version, environment, champion)
    inspection = version.inspection
    scored = tally.scored if tally else 0
    other = champion.version if champion and champion.version_id != version.pk else None
    inputs = compare_inputs(other.manifest, version.manifest) if other else None
    model = version.model
    return Facts(
        inspection=inspection.status,
        inspection_reasons=tuple(map(str, inspection.reasons)),
        answering_in=_answering_in(version, now=now),
        deployment_state=deployment.state if deployment else Deployment.State.TRAINED,
        champion=champion.version.number if champion else None,
        pairs=scored,
        flips=tally.stricter + tally.laxer if tally else 0,
        errors=tally.errors if tally else 0,
        mean_absolute_difference=_mean(tally.sum_absolute_difference, scored) if tally else 0.0,
        at=now.astimezone(UTC).isoformat(),
        ran_on=tuple(_ran_on(version, now=now)),
        latency=_latency(version, now=now),
        live_hours=_live_hours(version, now=now),
        inputs_added=inputs.added if inputs else None,
        inputs_removed=inputs.removed if inputs else None,
        inputs_narrowed=inputs.narrowed if inputs else None,
        metrics=_numbers(version.manifest.get("metrics")),
        champion_metrics=_numbers(other.manifest.get("metrics")) if other else {},
        optimising_metric=model.optimising_metric,
        higher_is_better=model.optimising_direction == "max",
        limits=_numbers(model.satisficing),
        undocumented=tuple(_undocumented(version)),
        attested=tuple(_attested(version)),
        data_until=_data_until(version.manifest),
        pipeline=str(version.manifest.get("pipeline_digest") or ""),
        champion_pipeline=str(other.manifest.get("pipeline_digest") or "") if other else "",
        latency_budget_ms=model.latency_budget_ms,
        dark_versions=tuple(_dark_versions(version, environment)),
        dark_idle_before=tuple(_dark_idle_before(version, environment)),
        resident=_resident(version, environment, now=now),
        incidents=tuple(_incidents(version, environment)),
        findings=tuple(_findings(version)),
    )


def _tally(
    version: ModelVersion, environment: Environment, champion: Deployment | None
) -> DarkTally | None:
    if champion is None:
        return None
    return DarkTally.objects.filter(
        environment=environment, version=version, champion=champion.version
    ).first()


def _answering_in(version: ModelVersion, *, now: datetime) -> dict[str, int]:
    """Count, per environment, the agents that confirm this version as decided champion."""
    decided = Deployment.objects.filter(
        version=version, role=Deployment.Role.CHAMPION
    ).select_related("environment", "model")
    generations = {d.environment.slug: d.switched_generation for d in decided}
    if not generations:
        return {}
    agents = fleet_facts.facts_by_environment(version.model.name, now=now)
    found = {}
    for slug, generation in generations.items():
        confirmation = confirm(
            agents.get(slug, []),
            digest=version.digest,
            generation=generation,
            now=now,
            lease=fleet_facts.lease(),
        )
        found[slug] = sum(
            finding.standing is Standing.CONFIRMED for finding in confirmation.findings
        )
    return found


def _ran_on(version: ModelVersion, *, now: datetime) -> Iterator[dict[str, Any]]:
    """What each agent that is heard now, and has the version ready, says of it. One query."""
    reports = AgentReport.objects.filter(
        agent__left_at=None,
        at__gt=now - fleet_facts.lease(),
        versions__contains=[{"digest": version.digest}],
    ).select_related("agent__target__environment")
    for report in reports.order_by("agent__name"):
        item = next(one for one in report.versions if one["digest"] == version.digest)
        golden, latency = item.get("golden") or {}, item.get("latency") or {}
        yield {
            "agent": report.agent.name,
            "environment": report.agent.target.environment.slug,
            "phase": item["phase"],
            "golden_passed": golden.get("passed", 0),
            "golden_total": golden.get("total", 0),
            "memory_bytes": item.get("memory_bytes") or 0,
            "answers": latency.get("count", 0),
            "p50_ms": latency.get("p50_ms", 0.0),
            "p95_ms": latency.get("p95_ms", 0.0),
            "p99_ms": latency.get("p99_ms", 0.0),
        }


def _latency(version: ModelVersion, *, now: datetime) -> dict[str, float]:
    """How long its answers of the last hour took, on all agents together. One query."""
    found = latencies.distribution(total(latest(version, since=now - HOUR)))
    if found is None:
        return {}
    named = {"mean": found.mean_ms, "sd": found.sd_ms, "p50": found.p50_ms, "p95": found.p95_ms}
    figures = {f"{name}_ms": round(ms, 4) for name, ms in {**named, "p99": found.p99_ms}.items()}
    return {"answers": found.n, "over_budget": found.over_budget, **figures}


def _live_hours(version: ModelVersion, *, now: datetime) -> dict[str, float]:
    """For how long agents that are heard now have answered with it, by environment. One query."""
    running = ServingInterval.objects.filter(
        version=version,
        role=Deployment.Role.CHAMPION,
        ended_at=None,
        agent__left_at=None,
        agent__report__at__gt=now - fleet_facts.lease(),
    ).values_list("agent__target__environment__slug", "began_at")
    found: dict[str, float] = {}
    for slug, began in running:
        hours = (now - began).total_seconds() / 3_600
        found[slug] = max(found.get(slug, 0.0), round(hours, 4))
    return found


def _resident(version: ModelVersion, environment: Environment, *, now: datetime) -> dict[str, int]:
    """What the live agents here that would take it hold in memory. Two queries."""
    placed = placements.of(version.model_id, environment.pk)
    rows = Agent.objects.filter(
        target__environment=environment,
        target__tier=Target.Tier.LIVE,
        labels__contains=dict(placed.labels),
        left_at=None,
        cordoned=False,
        report__at__gt=now - fleet_facts.lease(),
    ).select_related("report")
    return {
        agent.name: int(agent.report.counters.get("resident_bytes") or 0)
        for agent in rows.order_by("name")
    }


def _mean(total: float, count: int) -> float:
    return total / count if count else 0.0


def _dark_versions(version: ModelVersion, environment: Environment) -> list[int]:
    """Other versions of the model that are dark here, or about to be. One query."""
    about_to_be = Q(
        requests__kind=Request.Kind.DEPLOY_DARK,
        requests__state__in=["open", "approved", "executing"],
    )
    rows = Deployment.objects.filter(
        Q(state=Deployment.State.DARK) | about_to_be,
        model=version.model_id,
        environment=environment,
    ).exclude(version=version)
    return sorted(set(rows.values_list("version__number", flat=True)))


def _dark_idle_before(version: ModelVersion, environment: Environment) -> Iterator[int]:
    rows = darkened.idle_before(version, environment)
    yield from rows.values_list("version__number", flat=True)


def _incidents(version: ModelVersion, environment: Environment) -> Iterator[dict[str, str]]:
    """What is open here, of the model or of everything. One query."""
    rows = Incident.objects.open_at(environment.pk, model_id=version.model_id)
    for row in rows.order_by("opened_at"):
        yield {
            "id": str(row.pk),
            "title": row.title,
            "severity": row.severity,
            "since": row.opened_at.astimezone(UTC).isoformat(),
        }


def _findings(version: ModelVersion) -> Iterator[dict[str, object]]:
    """What is open on it, wherever it is promoted to. One query."""
    for row in Finding.objects.open().filter(version=version):
        yield {
            "id": str(row.pk),
            "title": row.title,
            "severity": row.severity,
            "due": row.due.isoformat(),
            "blocks": row.blocks,
            "condition_of": str(row.condition_of_id) if row.condition_of_id else None,
        }


def _undocumented(version: ModelVersion) -> Iterator[str]:
    model, manifest = version.model, version.manifest
    for name in ("purpose", "owner", "optimising_metric"):
        if not getattr(model, name):
            yield f"the model's {name.replace('_', ' ')}"
    for name in REQUIRED:
        if not manifest.get(name):
            yield name.replace("_", " ")
    training = manifest.get("training")
    if isinstance(training, Mapping) and not training.get("commit"):
        yield "training commit"


def _attested(version: ModelVersion) -> list[str]:
    """Kinds of evidence that others than its authors have given. One query."""
    kinds = version.attestations.filter(by_author=False).values_list("kind", flat=True)
    return sorted(set(kinds))


def _data_until(manifest: Mapping[str, Any]) -> str:
    datasets = manifest.get("datasets")
    days = [
        str(one["to"])
        for one in (datasets if isinstance(datasets, list) else [])
        if isinstance(one, Mapping) and one.get("to")
    ]
    return max(days, default="")


def _numbers(value: object) -> dict[str, float]:
    if not isinstance(value, Mapping):
        return {}
    return {str(name): float(one) for name, one in value.items() if isinstance(one, Real)}
