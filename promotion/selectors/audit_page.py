"""The audit log as a page: filtered, newest first, by cursor."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from governance.audit import checkpoints
from governance.audit.actions import Action
from governance.audit.checkpoints import Sealing
from governance.audit.models import Entry
from governance.models import Environment
from promotion.selectors import timeline
from promotion.selectors.timeline import Event
from registry.models import RegisteredModel

PAGE = 50
FILTERS = ("model", "environment", "action", "actor", "text")


@dataclass(frozen=True, slots=True)
class AuditPage:
    """One page of entries, and where the next one begins."""

    events: list[Event]
    older: int | None
    newest: bool
    head: int
    sealing: Sealing
    filters: Mapping[str, str]
    models: list[str]
    environments: list[str]
    actions: list[str]

    def is_filtered(self) -> bool:
        return any(self.filters.values())


def audit_page(*, filters: Mapping[str, str], before: int | None) -> AuditPage:
    """Read one page; ``before`` is the seq it ends below, so later entries never shift it."""
    entries = _filtered(filters)
    if before is not None:
        entries = entries.filter(seq__lt=before)
    events = timeline.read(entries, limit=PAGE + 1)
    sealing = checkpoints.sealing()
    return AuditPage(
        events=events[:PAGE],
        older=events[PAGE - 1].seq if len(events) > PAGE else None,
        newest=before is None,
        head=sealing.head,
        sealing=sealing,
        filters={name: filters.get(name, "") for name in FILTERS},
        models=list(RegisteredModel.objects.values_list("name", flat=True)),
        environments=list(Environment.objects.values_list("slug", flat=True)),
        actions=[action.value for action in Action],
    )


def _filtered(filters: Mapping[str, str]) -> QuerySet[Entry]:
    entries = Entry.objects.all()
    for name in ("model", "environment", "action"):
        if value := filters.get(name):
            entries = entries.filter(**{name: value})
    if actor := filters.get("actor"):
        # A payload is canonical JSON, in which only the key itself can read like this.
        written = json.dumps(actor, ensure_ascii=False)[:-1]
        entries = entries.filter(
            Q(payload__body__icontains=f'"actor":{written}') | Q(actor_id=actor)
        )
    if text := filters.get("text"):
        entries = entries.filter(
            Q(payload__body__icontains=text) | Q(subject__icontains=text) | Q(hash=text)
        )
    return entries
