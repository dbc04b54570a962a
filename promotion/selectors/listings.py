"""Lists of the auditor's desk as rows with columns: for callers, and for files."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from governance.audit import sampling
from governance.audit.population import Population
from governance.audit.sampling import Drawn
from governance.exports import Listing, moment
from governance.periods import Period
from promotion import duties
from promotion.selectors.owed import Due
from promotion.selectors.rights import Rights
from promotion.selectors.segregation import Change, Segregation
from promotion.selectors.timeline import Event

LOG = (
    *("entry", "at", "action", "actor_kind", "actor", "subject", "model", "version"),
    *("environment", "request", "said", "note", "facts", "erased", "hash"),
)
TYPES = ("action", "object_type", "by", "count", "first", "last")
DRAWN = ("drawn", *LOG)
HELD = (
    *("person", "kind", "name", "role", "environment", "group", "since", "given_by", "entry"),
    *("counted", "standing"),
)
CHANGES = (
    *("request", "at", "kind", "model", "version", "environment"),
    *duties.DUTIES,
    *("breaches", "overlaps", "doubled", "alone"),
)
OWED = (
    *("what", "standing", "at", "model", "version", "environment", "person", "said"),
    *("request", "gate"),
)


def log(events: Iterable[Event], *, about: Mapping[str, object]) -> Listing:
    """Entries of the log."""
    return Listing("audit-log", LOG, [_entry(event) for event in events], about)


def population(found: Population) -> Listing:
    """All changes of a period by type, with what says that none is missing."""
    rows = [
        {
            "action": one.action,
            "object_type": one.object_type,
            "by": "system" if one.by_system else "people",
            "count": one.count,
            "first": one.first,
            "last": one.last,
        }
        for one in found.types
    ]
    return Listing("audit-population", TYPES, rows, _about_population(found))


def _about_population(found: Population) -> dict[str, object]:
    return {
        **_period(found.period),
        "size": found.size,
        "sealed": found.sealed,
        "count": found.count,
        "by_people": found.by_people,
        "by_system": found.by_system,
        "first": found.first,
        "last": found.last,
        "missing": found.missing,
        "complete": found.is_complete,
        "objects": found.object_count,
        "objects_with_gaps": found.objects_with_gaps,
        "days": {day.isoformat(): dict(counts) for day, counts in found.days.items()},
        "chains": [
            {
                "object": one.object,
                "first": one.first,
                "last": one.last,
                "count": one.count,
                "missing": one.missing,
            }
            for one in found.objects
        ],
        "without_sealing": [
            {
                "first": one.first,
                "last": one.last,
                "since": moment(one.since),
                "sealed_at": moment(one.sealed_at) if one.sealed_at else None,
            }
            for one in found.unsealed
        ],
    }


def sample(drawn: Drawn, events: Iterable[Event]) -> Listing:
    """The changes that were drawn, in the order in which they were drawn."""
    by_entry = {event.seq: event for event in events}
    rows = [
        {"drawn": place, **_entry(by_entry[seq])}
        for place, seq in enumerate(drawn.entries, start=1)
        if seq in by_entry
    ]
    return Listing("audit-sample", DRAWN, rows, about_sample(drawn))


def about_sample(drawn: Drawn) -> dict[str, object]:
    """How a sample was drawn: all that is needed to draw it again."""
    of = drawn.population
    return {
        "method": sampling.METHOD,
        "seed": drawn.seed,
        "n": drawn.wanted,
        "drawn": list(drawn.entries),
        "population": {
            **_period(of.period),
            "size": of.size,
            "kind": of.kind or None,
            "environment": of.environment or None,
            "model": of.model or None,
            "who": of.who,
            "count": drawn.count,
            "first": drawn.first,
            "last": drawn.last,
        },
    }


def rights(found: Rights) -> Listing:
    """Who held what at a moment."""
    rows = [
        {
            "person": one.person,
            "kind": one.principal.kind,
            "name": one.principal.name,
            "role": one.role,
            "environment": one.environment or "all",
            "group": one.group or "all",
            "since": moment(one.since),
            "given_by": one.by,
            "entry": one.entry,
            "counted": one.counted,
            "standing": one.standing,
        }
        for one in found.held
    ]
    return Listing("audit-rights", HELD, rows, {"at": moment(found.at), "counted": found.counted})


def segregation(found: Segregation) -> Listing:
    """Each change with who had which duty in it, and what one person may not have had."""
    about = {
        **_period(found.period),
        "cut": found.is_cut,
        "breaches": len(found.breaches),
        "people": {person: dict(counts) for person, counts in found.people.items()},
        "several_accounts": {person: list(names) for person, names in found.several.items()},
        "tokens": [
            {
                "name": one.name,
                "owner": one.owner,
                "requests": one.requests,
                "owner_signed": one.owner_signed,
            }
            for one in found.tokens
        ],
    }
    return Listing("audit-duties", CHANGES, [_change(one) for one in found.changes], about)


def owed(found: Due) -> Listing:
    """Reviews that nobody has made, and waivers that end."""
    rows = [
        {name: getattr(one, name) for name in OWED} | {"at": moment(one.at)} for one in found.items
    ]
    return Listing("audit-owed", OWED, rows, {"at": moment(found.now), "cut": found.is_cut})


def _entry(event: Event) -> dict[str, object]:
    return {
        "entry": event.seq,
        "at": moment(event.at),
        "action": event.action,
        "actor_kind": event.actor_kind,
        "actor": event.actor,
        "subject": event.subject,
        "model": event.model or None,
        "version": event.version,
        "environment": event.environment or None,
        "request": str(event.request) if event.request else None,
        "said": event.said,
        "note": event.note,
        "facts": event.facts,
        "erased": event.erased,
        "hash": event.hash,
    }


def _change(one: Change) -> dict[str, object]:
    return {
        "request": one.request,
        "at": _or_none(one.at),
        "kind": one.kind,
        "model": one.model,
        "version": one.version,
        "environment": one.environment,
        **{duty: one.people(duty) for duty in duties.DUTIES},
        "breaches": [
            f"{who.person}: {' and '.join(p)}" for who in one.breaches for p in who.breaches
        ],
        "overlaps": [f"{who.person}: {', '.join(who.duties)}" for who in one.overlaps],
        "doubled": [f"{person}: {', '.join(names)}" for person, names in one.doubled],
        "alone": one.is_alone,
    }


def _period(period: Period) -> dict[str, object]:
    return {"since": moment(period.since), "until": moment(period.until)}


def _or_none(at: datetime | None) -> str | None:
    return moment(at) if at else None
