"""Reads what a lineage report is made from, in a constant number of queries.

The head of the log is read first, and of the log only what is not younger: entries
commit in the order of their numbers, so this is the log as it was at that size.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from django.db.models import Q, QuerySet

from governance.audit import chain
from governance.audit.actions import Action
from governance.audit.models import Entry, Head
from governance.errors import NotFound
from promotion.lineage.serving import GONE
from promotion.lineage.sources import Asked, Card, File, Json, Record, Sources, exact
from promotion.models import AgentReport, DarkTally, Request, RolloutStep
from registry.models import ModelVersion, RegisteredModel


def find(model: str, version: int) -> ModelVersion:
    """Read a version with its model, files and inspection.

    Raises:
        NotFound: ``unknown_model`` or ``unknown_version``.
    """
    rows = ModelVersion.objects.select_related("model", "inspection", "manifest_blob")
    found = rows.prefetch_related("files__blob").filter(model__name=model, number=version).first()
    if found is not None:
        return found
    known = RegisteredModel.objects.filter(name=model).exists()
    message = f"There is no version {version} of {model!r}."
    raise NotFound(message, code="unknown_version" if known else "unknown_model")


def sources(version: ModelVersion) -> Sources:
    """Read the log and the sealed rows about one version."""
    head = Head.objects.first()
    size = head.seq if head else 0
    log = Entry.objects.filter(seq__lte=size).order_by("seq")
    of_model = log.filter(object=f"model:{version.model.name}")
    requests = {
        str(row.pk): Asked(str(row.pk), tuple(row.persons), exact(row.evidence))
        for row in Request.objects.filter(deployment__version=version)
    }
    own = _records(of_model.filter(_concerns(version, requests)))
    environments = {record.environment for record in own if record.environment}
    others = {record.request for record in own if record.request} - requests.keys()
    causes = of_model.filter(action=Action.REQUEST_OPENED, request__in=others)
    policies = log.filter(action=Action.POLICY_PUBLISHED, environment__in=environments)
    return Sources(
        card=_card(version),
        size=size,
        head=head.hash if head else chain.GENESIS,
        as_of=written(head.at) if head else "",
        chain=_leaves(of_model),
        own=own,
        causes=_records(causes),
        policies=_records(policies),
        agents=_records(_of_agents(log, version, environments)),
        requests=requests,
        decided={
            row.environment.slug: (row.state, row.role)
            for row in version.deployments.select_related("environment")
        },
    )


def observed(version: ModelVersion) -> Json:
    """Read what agents and dark scores say now. No part of what the log proves."""
    digest = version.digest
    reports = AgentReport.objects.filter(agent__left_at=None).select_related(
        "agent__target__environment"
    )
    steps = RolloutStep.objects.filter(rollout__request__deployment__version=version)
    tallies = DarkTally.objects.filter(version=version).select_related("environment", "champion")
    return {
        "agents": [
            _holding(row, item)
            for row in reports.order_by("agent__name", "pk")
            for item in row.versions
            if item.get("digest") == digest
        ],
        "steps": [_step(row) for row in steps.select_related("agent").order_by("pk")],
        "dark": [_tally(row) for row in tallies.order_by("environment__slug", "champion__number")],
    }


def written(at: datetime) -> str:
    """Write a time as the log's entries do."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _concerns(version: ModelVersion, requests: Iterable[str]) -> Q:
    subjects = [
        f"model:{version.model_id}",
        f"version:{version.pk}",
        *(f"request:{pk}" for pk in requests),
    ]
    return Q(model_version=version.number) | Q(subject__in=subjects)


def _of_agents(
    log: QuerySet[Entry], version: ModelVersion, environments: Iterable[str]
) -> QuerySet[Entry]:
    served = Q(action=Action.AGENT_CHANGED_SERVING, payload__body__contains=version.digest)
    others = Q(action__in=[*GONE, Action.AGENT_REFUSED_STATE])
    return log.filter(served | others, environment__in=environments)


def _records(entries: QuerySet[Entry]) -> tuple[Record, ...]:
    rows = entries.values_list("leaf", "hash", "payload__salt", "payload__body")
    return tuple(
        Record.read(
            leaf=leaf, digest=hash_, salt=None if salt is None else bytes(salt), payload=payload
        )
        for leaf, hash_, salt, payload in rows
    )


def _leaves(entries: QuerySet[Entry]) -> tuple[Record, ...]:
    return tuple(
        Record.read(leaf=leaf, digest=hash_, salt=None, payload=None)
        for leaf, hash_ in entries.values_list("leaf", "hash")
    )


def _card(version: ModelVersion) -> Card:
    model, inspection = version.model, getattr(version, "inspection", None)
    return Card(
        model=model.name,
        model_id=str(model.pk),
        version=version.number,
        version_id=str(version.pk),
        digest=version.digest,
        manifest=exact(version.manifest),
        manifest_size=version.manifest_blob.size,
        files=tuple(
            File(file.path, file.role, file.blob.size, file.blob_id) for file in version.files.all()
        ),
        owner=model.owner,
        purpose=model.purpose,
        risk_tier=model.risk_tier,
        regimes=tuple(map(str, model.regimes)),
        group=model.group,
        limits=exact(model.satisficing),
        metric=_metric(model),
        latency_budget_ms=model.latency_budget_ms,
        authors=tuple(version.authors),
        inspection=inspection.status if inspection else "",
        inspection_reasons=tuple(map(str, inspection.reasons)) if inspection else (),
        inspection_facts=exact(inspection.facts) if inspection else {},
    )


def _metric(model: RegisteredModel) -> str:
    if not model.optimising_metric:
        return ""
    better = "higher" if model.optimising_direction == "max" else "lower"
    return f"{model.optimising_metric}, {better} is better"


def _holding(report: AgentReport, item: Json) -> Json:
    kept = (
        "role",
        "phase",
        "reason",
        "load_seconds",
        "memory_bytes",
        "golden",
        "requests",
        "errors",
        "latency",
    )
    return {
        "agent": report.agent.name,
        "environment": report.agent.target.environment.slug,
        "tier": report.agent.target.tier,
        "reported_at": written(report.at),
        **{name: item.get(name) for name in kept},
    }


def _step(row: RolloutStep) -> Json:
    return {
        "rollout": str(row.rollout_id),
        "step": row.step,
        "agent": row.agent.name,
        "generation": row.generation,
        "asked_at": written(row.asked_at),
        "done_at": written(row.done_at) if row.done_at else None,
        "failed_at": written(row.failed_at) if row.failed_at else None,
        "reason": row.reason,
        "detail": row.detail,
    }


def _tally(row: DarkTally) -> Json:
    scored = row.scored
    return {
        "environment": row.environment.slug,
        "champion": {"version": row.champion.number, "digest": row.champion.digest},
        "scored": scored,
        "errors": row.errors,
        "stricter": row.stricter,
        "laxer": row.laxer,
        "flips": row.stricter + row.laxer,
        "mean_difference": row.sum_difference / scored if scored else None,
        "mean_absolute_difference": row.sum_absolute_difference / scored if scored else None,
        "mean_latency_ms": row.sum_latency_ms / scored if scored else None,
        "first_at": written(row.first_at) if row.first_at else None,
        "last_at": written(row.last_at) if row.last_at else None,
    }
