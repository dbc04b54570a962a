"""The audit log as a page: filtered, newest first, by cursor."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import QuerySet

from governance import searching
from governance.audit import checkpoints
from governance.audit.actions import Action
from governance.audit.checkpoints import Sealing
from governance.audit.models import Entry
from governance.errors import TooLarge
from governance.models import Environment
from governance.searching import Search
from promotion.desk import FAMILIES
from promotion.models import Agent
from promotion.selectors import timeline
from promotion.selectors.timeline import Event
from registry.models import RegisteredModel

PAGE = 50
MOST_EXPORTED = 20_000
"""Entries of one file."""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """One page of entries, and where the next one begins."""

    events: list[Event]
    older: int | None
    newest: bool
    head: int
    sealing: Sealing
    asked: Mapping[str, str]
    models: list[str]
    environments: list[str]
    families: tuple[str, ...]
    actions: list[str]

    def is_filtered(self) -> bool:
        return bool(self.asked)


def audit_page(search: Search, *, asked: Mapping[str, str], before: int | None) -> AuditPage:
    """Read one page; ``before`` is the seq it ends below, so later entries never shift it."""
    entries = _fitting(search)
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
        asked=asked,
        models=list(RegisteredModel.objects.values_list("name", flat=True)),
        environments=list(Environment.objects.values_list("slug", flat=True)),
        families=FAMILIES,
        actions=[action.value for action in Action],
    )


def exported(search: Search) -> list[Event]:
    """Read all entries that fit, newest first, for a file.

    Raises:
        TooLarge: ``too_many_entries``; a file that leaves some out would mislead.
    """
    events = timeline.read(_fitting(search), limit=MOST_EXPORTED + 1)
    if len(events) > MOST_EXPORTED:
        message = (
            f"More than {MOST_EXPORTED:,} entries fit, and one file holds no more: ask for a"
            " shorter period, or take the bundle of the whole log."
        )
        raise TooLarge(message, code="too_many_entries", limit=MOST_EXPORTED)
    return events


def _fitting(search: Search) -> QuerySet[Entry]:
    """Select what fits; an agent acts under its own id."""
    agents: list[str] = []
    if search.actor:
        named = Agent.objects.filter(name__iexact=search.actor).values_list("pk", flat=True)
        agents = list(map(str, named))
    return searching.entries(search, machines=agents)
