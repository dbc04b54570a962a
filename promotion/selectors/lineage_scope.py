"""Reads what the report of an environment or a period is made from, in a fixed number of queries.

A period is a stretch of the log: its times never go backwards, so from when to when is
from which entry to which. Entries commit in the order of their numbers.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, Q, QuerySet

from governance.audit.actions import Action
from governance.audit.models import Entry, Head
from governance.errors import TooLarge
from promotion.lineage.serving import GONE, SAYS
from promotion.lineage.sources import Json, Record
from promotion.lineage_scope.sources import Chain, Scope, ScopeSources
from promotion.lineage_scope.upkeep import INCIDENTS, ROLES
from promotion.models import Deployment, Incident, Policy, Request, Waiver
from promotion.selectors.lineage import end_of, records, written
from registry.models import ModelVersion

MOST = 20_000
"""Entries one report lists one by one."""
LAST_WORDS = frozenset({*SAYS, *GONE})


def sources(
    environment: str, *, since: datetime | None, until: datetime | None, size: int | None
) -> ScopeSources:
    """Read the log about a place and a period.

    Args:
        environment: its name; empty for everything.
        since, until: from when to before when; None is from the first, to the last entry.
        size: how many entries of the log; None for all there are.

    Raises:
        Invalid: ``unknown_size``.
        TooLarge: ``report_too_large``: more entries than one report lists.
    """
    end = end_of(size)
    first = size_before(since) if since else 0
    last = min(end.seq, size_before(until)) if until else end.seq
    log = Entry.objects.filter(seq__lte=end.seq).order_by("seq")
    period = log.filter(seq__gt=first, seq__lte=last)
    here = period.filter(_in(environment))
    if (count := here.count()) > MOST:
        message = f"This has {count} entries, and a report lists {MOST}: ask for a shorter period."
        raise TooLarge(message, code="report_too_large", entries=count, most=MOST)
    found = records(here)
    before = log.filter(_in(environment), seq__lte=first)
    asked = {one.request for one in found if one.action.startswith("request.")}
    up_to = log.filter(seq__lte=last)
    refused, unplaced = _refused(period, environment, log)
    return ScopeSources(
        scope=Scope(environment, _text(since), _text(until)),
        size=end.seq,
        head=end.hash,
        as_of=written(end.at),
        starts_after=first,
        records=found,
        before=records(_last_words(before)),
        requests=records(log.filter(request__in=asked, action__startswith="request.")),
        rights=records(up_to.filter(_reaching(environment), action__in=ROLES)),
        incidents=records(up_to.filter(_in(environment), action__in=INCIDENTS)),
        refused=refused,
        unplaced=unplaced,
        chains=_chains(log, {one.object for one in found}),
        versions=_versions(),
    )


def size_before(at: datetime) -> int:
    """Return how many entries the log had before a moment."""
    last = Entry.objects.filter(at__lt=at).order_by("-at", "-seq").values_list("seq", flat=True)
    return last.first() or 0


def numbers(environment: str, *, size: int) -> frozenset[int]:
    """Return the numbers of all entries of an environment, however old."""
    rows = Entry.objects.filter(_in(environment), seq__lte=size)
    return frozenset(rows.values_list("seq", flat=True))


def reconciled(environment: str, *, size: int) -> list[Json] | None:
    """Hold what follows from the entries against the tables. None: the tables are of later."""
    head = Head.objects.first()
    if head is None or head.seq != size:
        return None
    log = Entry.objects.filter(_in(environment), seq__lte=size)
    at: dict[str, Any] = {"environment__slug": environment} if environment else {}
    places = Deployment.objects.filter(**at).values_list("pk", "state", "role")
    states = Request.objects.filter(**at).values_list("pk", "state")
    incidents = Incident.objects.filter(**at).values_list("pk", "closed_at")
    return [
        _compared(
            "deployments",
            _final(log, "deployment", "state", "role"),
            {f"deployment:{pk}": (state, role) for pk, state, role in places},
        ),
        _compared(
            "requests",
            _final(log, "request", "state"),
            {f"request:{pk}": (state,) for pk, state in states},
        ),
        _compared(
            "incidents",
            _last(log, "incident"),
            {
                f"incident:{pk}": (Action.INCIDENT_CLOSED if closed else Action.INCIDENT_OPENED,)
                for pk, closed in incidents
            },
        ),
        _counted("waivers", log, Action.WAIVER_GIVEN, Waiver.objects.filter(**at).count()),
        _counted("policies", log, Action.POLICY_PUBLISHED, Policy.objects.filter(**at).count()),
    ]


def _in(environment: str) -> Q:
    if not environment:
        return Q()
    return Q(environment=environment) | Q(object=f"environment:{environment}")


def _reaching(environment: str) -> Q:
    """Rights that count there: those given for it, and those for all environments."""
    return _in(environment) | Q(environment=None) if environment else Q()


def _last_words(before: QuerySet[Entry]) -> QuerySet[Entry]:
    """The last entry about each deployment, and the last of each agent that says what answers."""
    told = before.filter(Q(subject__startswith="deployment:") | Q(action__in=LAST_WORDS))
    newest = told.order_by("subject", "-seq").distinct("subject").values("seq")
    return Entry.objects.filter(seq__in=newest).order_by("seq")


def _refused(
    period: QuerySet[Entry], environment: str, log: QuerySet[Entry]
) -> tuple[tuple[Record, ...], int]:
    """Refusals name no environment, but what they are about may have other entries that do."""
    rows = records(period.filter(action=Action.ATTEMPT_REFUSED))
    if not environment:
        return rows, 0
    subjects = {one.subject for one in rows}
    placed = dict(
        log.filter(subject__in=subjects)
        .exclude(environment=None)
        .values_list("subject", "environment")
    )
    own = f"environment:{environment}"
    here = tuple(one for one in rows if own == one.object or placed.get(one.subject) == environment)
    nowhere = sum(
        one.subject not in placed and not one.object.startswith("environment:") for one in rows
    )
    return here, nowhere


def _chains(log: QuerySet[Entry], objects: Iterable[str]) -> tuple[Chain, ...]:
    rows = (
        log.order_by()
        .filter(object__in=set(objects))
        .values("object")
        .annotate(entries=Count("seq"), first=Min("object_seq"), last=Max("object_seq"))
        .order_by("object")
    )
    return tuple(Chain(**row) for row in rows)


def _versions() -> dict[str, tuple[str, int]]:
    rows = ModelVersion.objects.values_list("digest", "model__name", "number")
    return {digest: (model, number) for digest, model, number in rows}


def _last(log: QuerySet[Entry], kind: str) -> dict[str, tuple[str, ...] | None]:
    """What happened last to each of a kind."""
    rows = log.filter(subject__startswith=f"{kind}:").exclude(action=Action.ATTEMPT_REFUSED)
    newest = rows.order_by("subject", "-seq").distinct("subject")
    return {subject: (action,) for subject, action in newest.values_list("subject", "action")}


def _final(log: QuerySet[Entry], kind: str, *names: str) -> dict[str, tuple[str, ...] | None]:
    """What the last entry about each of a kind says of it; None where that was erased."""
    rows = log.filter(subject__startswith=f"{kind}:").exclude(action=Action.ATTEMPT_REFUSED)
    newest = rows.order_by("subject", "-seq").distinct("subject").values("seq")
    found = records(Entry.objects.filter(seq__in=newest).order_by("seq"))
    return {
        one.subject: None if one.payload is None else tuple(one.text(name) for name in names)
        for one in found
    }


def _compared(
    what: str, told: dict[str, tuple[str, ...] | None], kept: dict[str, tuple[str, ...]]
) -> Json:
    """Name what differs, and what only one of both has; of what was erased nobody can tell."""
    erased = {name for name, said in told.items() if said is None}
    names = (told.keys() | kept.keys()) - erased
    differ = sorted(name for name in names if told.get(name) != kept.get(name))
    return {
        "what": what,
        "by_entries": len(told),
        "in_tables": len(kept),
        "agree": not differ,
        "differ": differ[:100],
    }


def _counted(what: str, log: QuerySet[Entry], action: str, kept: int) -> Json:
    told = log.filter(action=action).count()
    agree = told == kept
    return {"what": what, "by_entries": told, "in_tables": kept, "agree": agree, "differ": []}


def _text(at: datetime | None) -> str:
    return written(at) if at else ""
