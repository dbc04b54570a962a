"""One round of the watch over everything; see ``governance.services.watching``."""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from governance.audit import comparing, definitions
from governance.audit.comparing import Kind, Row
from governance.audit.models import Watch
from governance.audit.notices import Area, Notice
from governance.services import watching as floor
from promotion.models import (
    Agent,
    AgentReport,
    Approval,
    Deployment,
    DesiredState,
    Finding,
    Incident,
    LiveReview,
    Placement,
    Policy,
    PolicyRequest,
    Request,
    Rollout,
    Target,
    Waiver,
)
from registry.services import watching as registry

RUNNING = ("production", "dark")


def look(*, now: datetime | None = None) -> Watch | None:
    """Look at everything once, keep what is seen and record what is new.

    Returns what was kept; None when another round was quicker. Asks the store and the
    sinks, outside of any transaction.
    """
    before = floor.last()
    places: dict[str, Any] = before.places if before else {}
    with floor.snapshot():
        walked, found = floor.log(before)
        floors, floor_went = floor.rows(places.get("floor", {}), walked.subjects)
        theirs, theirs_went = registry.rows(places.get("registry", {}), walked.subjects)
        ours, ours_went = comparing.look(kinds(), places.get("rows", {}))
        gone = comparing.missing(kinds(), walked.subjects)
        found += [*floors, *theirs, *ours, *gone, *states(), *agents()]
        running = _running()
        files = registry.live_files(running)
        next_places = floor.places_of_log(walked, before)
    damaged, after = registry.artifacts(files, after=places.get("blob", ""))
    found += [*damaged, *registry.manifests(running), *floor.sinks(walked)]
    went = {"floor": floor_went, "registry": theirs_went, "rows": ours_went}
    unfinished = any(place for each in went.values() for place in each.values())
    return floor.keep(
        found,
        before=before,
        places={**next_places, **went, "blob": after or ""},
        whole=walked.is_whole and not unfinished and after == "",
        now=now or timezone.now(),
    )


def _running() -> list[UUID]:
    rows = Deployment.objects.filter(Q(state__in=RUNNING) | Q(hold=Deployment.Hold.PREVIOUS))
    return list(rows.values_list("version", flat=True).distinct())


def states() -> Iterator[Notice]:
    """Hold the newest document of each target against the log and against itself."""
    newest = DesiredState.objects.order_by("target_id", "-generation").distinct("target_id")
    rows = list(newest.select_related("target__environment"))
    told = comparing.told_of(f"target:{row.target_id}" for row in rows)
    for row in rows:
        name = f"the state of {row.target}, generation {row.generation}"
        if hashlib.sha256(row.envelope).hexdigest() != row.sha256:
            yield Notice(Area.STATE, f"{name}: its bytes are not those that were signed")
            continue
        target = told.get(f"target:{row.target_id}")
        said = target.facts.get("sha256") if target else None
        if said is None or said[0] != row.sha256:
            yield Notice(Area.STATE, f"{name}: the log tells of other bytes, or of none")


def agents() -> Iterator[Notice]:
    """Pass on what agents say of their own disks."""
    reports = AgentReport.objects.filter(
        agent__left_at=None, counters__changed_on_disk__0__isnull=False
    )
    for report in reports.select_related("agent")[: floor.NEWEST]:
        for text in report.counters["changed_on_disk"][: floor.NEWEST]:
            yield Notice(Area.AGENT, f"{report.agent.name}: {text} was changed on its disk")


def _placed(row: Any) -> dict[str, object]:
    """Facts by which entries are found too."""
    return {"model": row.model.name, "environment": row.environment.slug}


def _deployment(row: Deployment) -> Row:
    names = ("state", "role", "hold", "barred")
    facts = {name: getattr(row, name) for name in names}
    version = {"version": row.version.number, "digest": row.version.digest}
    name = f"{row.model.name} version {row.version.number} in {row.environment.slug}"
    return Row(f"deployment:{row.pk}", name, {**facts, **_placed(row), **version})


def _request(row: Request) -> Row:
    facts = {"kind": row.kind, "state": row.state, "content_hash": row.content_hash}
    name = f"a request to {row.get_kind_display()} {row.model.name} in {row.environment.slug}"
    return Row(row.subject, name, {**facts, **_placed(row)})


def _approval(row: Approval) -> Row:
    names = ("name", "person", "role", "meaning", "comment", "content_hash", "method")
    facts: dict[str, object] = {name: getattr(row, name) for name in names}
    rejected = row.decision == Approval.Decision.REJECT
    return Row(
        f"approval:{row.pk}",
        f"the signature of {row.name} under request {str(row.request_id)[:8]}",
        {**facts, "request": str(row.request_id)},
        {"request.rejected": rejected},
    )


def _rollout(row: Rollout) -> Row:
    names = ("step", "attempt", "stage", "generation")
    facts = {name: getattr(row, name) for name in names}
    return Row(f"rollout:{row.pk}", f"a rollout of request {str(row.request_id)[:8]}", facts)


def _target(row: Target) -> Row:
    facts = {"tier": row.tier, "generation": row.generation, "environment": row.environment.slug}
    return Row(f"target:{row.pk}", f"the target {row}", facts)


def _policy(row: Policy) -> Row:
    facts = {name: getattr(row, name) for name in ("number", "tier", "sha256", "document")}
    return Row(f"policy:{row.pk}", str(row), {**facts, "environment": row.environment.slug})


def _policy_request(row: PolicyRequest) -> Row:
    facts = {name: getattr(row, name) for name in ("state", "tier", "sha256", "content_hash")}
    return Row(row.subject, f"a request for a policy of {row.environment}", facts)


def _waiver(row: Waiver) -> Row:
    facts = {name: getattr(row, name) for name in ("gate", "reason", "name", "person")}
    expires = {"expires_at": row.expires_at.isoformat()}
    return Row(f"waiver:{row.pk}", f"the waiver of {row.gate}", {**facts, **expires})


def _placement(row: Placement) -> Row:
    facts = {"labels": row.labels, "minimum": row.minimum, **_placed(row)}
    return Row(f"placement:{row.pk}", f"the placement of {row.model.name}", facts)


def _incident(row: Incident) -> Row:
    facts = {"severity": row.severity, "title": row.title, "environment": row.environment.slug}
    closed = {"incident.closed": row.closed_at is not None}
    return Row(f"incident:{row.pk}", f"the incident {row.title[:60]}", facts, closed)


def _finding(row: Finding) -> Row:
    facts = {
        "severity": row.severity,
        "title": row.title,
        "text": row.text,
        "owner": row.owner,
        "due": row.due.isoformat(),
        "blocks": row.blocks,
        "condition_of": str(row.condition_of_id) if row.condition_of_id else None,
        **({"resolution": row.resolution, "evidence": row.evidence} if row.closed_at else {}),
    }
    closed = {"finding.closed": row.closed_at is not None}
    return Row(f"finding:{row.pk}", f"the finding {row.title[:60]}", facts, closed)


def _live_review(row: LiveReview) -> Row:
    facts = {
        "outcome": row.outcome,
        "comment": row.comment,
        "person": row.person,
        "next_by": row.next_by.isoformat() if row.next_by else None,
    }
    return Row(f"live_review:{row.pk}", f"the review by {row.name}", facts)


def _agent(row: Agent) -> Row:
    facts = {"name": row.name, "tier": row.target.tier}
    return Row(f"agent:{row.pk}", f"the agent {row.name}", facts)


KINDS = (
    Kind(
        "deployment",
        lambda: Deployment.objects.select_related("model", "version", "environment"),
        _deployment,
        first=Q(state__in=RUNNING),
    ),
    Kind("request", lambda: Request.objects.select_related("model", "environment"), _request),
    Kind("approval", Approval.objects.all, _approval),
    Kind("rollout", Rollout.objects.all, _rollout, first=Q(ended_at=None)),
    Kind("target", lambda: Target.objects.select_related("environment"), _target),
    Kind("policy", lambda: Policy.objects.select_related("environment"), _policy),
    Kind(
        "policy_request",
        lambda: PolicyRequest.objects.select_related("environment"),
        _policy_request,
    ),
    Kind("waiver", Waiver.objects.all, _waiver),
    Kind("placement", lambda: Placement.objects.select_related("model", "environment"), _placement),
    Kind("incident", lambda: Incident.objects.select_related("environment"), _incident),
    Kind("finding", Finding.objects.all, _finding, first=Q(closed_at=None)),
    Kind("live_review", LiveReview.objects.all, _live_review),
    Kind("agent", lambda: Agent.objects.select_related("target"), _agent),
)


@cache
def kinds() -> tuple[Kind, ...]:
    """Return ours, and every other table whose changes have to be recorded: is each row told of?"""
    known = {kind.name for kind in (*floor.KINDS, *registry.KINDS, *KINDS)}
    tables = {model._meta.db_table: model for model in apps.get_models()}  # noqa: SLF001 - public
    triggers = definitions.from_migrations().triggers
    others = {
        found.arguments.strip("'"): tables[table]
        for (table, trigger), found in triggers.items()
        if trigger == "audited" and table in tables
    }
    return (
        *KINDS,
        *(_plain(name, model) for name, model in sorted(others.items()) if name not in known),
    )


def _plain(name: str, model: type[Model]) -> Kind:
    def read(row: Model) -> Row:
        words = f"the {name.replace('_', ' ')} {str(row.pk)[:8]}"
        return Row(f"{name}:{row.pk}", words, {})

    return Kind(name, QuerySet(model).all, read)
