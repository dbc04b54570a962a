"""Who could do what while the version was known, and whether duties were kept apart."""

from collections.abc import Iterable

from governance.audit.actions import Action
from promotion.lineage.sources import GOES_ON, NONE, NOT_SUPPLIED, Json, Record, rows

ROLES = frozenset({Action.ROLE_GRANTED, Action.ROLE_REVOKED})
TOKENS = frozenset({Action.TOKEN_ISSUED, Action.TOKEN_ROTATED, Action.TOKEN_REVOKED})
DUTIES = ("requester", "author", "approver")


def held(
    rights: Iterable[Record], *, since: str, environments: Iterable[str], group: str
) -> list[Json]:
    """List the roles that reached the version at some time since it was registered."""
    found: dict[str, Json] = {}
    places = frozenset(environments)
    for record in rights:
        if record.action == Action.ROLE_GRANTED and (
            (record.environment in places or not record.environment)
            and record.text("group") in {"", group}
        ):
            found[record.subject] = {
                "binding": record.subject.partition(":")[2],
                "holder": record.text("holder"),
                "role": record.text("role"),
                "environment": record.environment or "all",
                "group": record.text("group") or "all",
                "from": record.at,
                "granted_by": record.who(),
                "entry": record.seq,
                "until": GOES_ON,
                "revoked": NONE,
            }
        elif record.action == Action.ROLE_REVOKED and record.subject in found:
            revoked = {"entry": record.seq, "at": record.at, "by": record.who()}
            found[record.subject] |= {"until": record.at, "revoked": revoked}
    return [row for row in found.values() if str(row["until"]) >= since]


def tokens(rights: Iterable[Record]) -> list[Json]:
    """List what became of the tokens that acted on the version: ids, never secrets."""
    return [
        {
            "entry": record.seq,
            "at": record.at,
            "token": record.subject.partition(":")[2],
            "action": record.action,
            "name": record.text("name"),
            "scope": record.text("scope"),
            "owner": record.text("owner") or NONE,
            "expires_at": record.text("expires_at"),
            "by": record.who(),
        }
        for record in rights
        if record.action in TOKENS
    ]


def duties(asked: Iterable[Json]) -> list[Json]:
    """Hold the persons of each request against each other: who asked, made, signed, carried out."""
    found = []
    for request in asked:
        apart = request["segregation"]
        if not isinstance(apart, dict):
            continue
        authors, signed = set(apart["authors"]), list(apart["signed"])
        askers = set(apart["involved"]) - authors
        persons = {"requester": askers, "author": authors, "approver": set(signed)}
        found.append(
            {
                "request": request["id"],
                "requested_by": request["by"],
                "other_askers": sorted(askers),
                "authors": sorted(authors) or NOT_SUPPLIED,
                "approvers": signed,
                "executed_by": apart["executed_by"],
                "overlaps": _overlaps(persons),
                "kept_apart": apart["holds"],
                "entries": [row["entry"] for row in rows(request["approvals"])],
            }
        )
    return found


def _overlaps(persons: dict[str, set[str]]) -> list[Json]:
    """Name whoever approved and has another duty in the same request as well."""
    return [
        {"person": person, "duties": [duty for duty in DUTIES if person in persons[duty]]}
        for person in sorted(persons["approver"])
        if any(person in persons[duty] for duty in DUTIES[:2])
    ]
