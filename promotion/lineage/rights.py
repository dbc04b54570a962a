"""Who could do what while the version was known, and whether duties were kept apart."""

from collections.abc import Iterable

from governance.audit.actions import Action
from promotion.duties import overlaps
from promotion.lineage.sources import GOES_ON, NONE, Json, Record, mapping, rows

ROLES = frozenset({Action.ROLE_GRANTED, Action.ROLE_REVOKED})
TOKENS = frozenset({Action.TOKEN_ISSUED, Action.TOKEN_ROTATED, Action.TOKEN_REVOKED})


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


def duties(asked: Iterable[Json], *, waived: Iterable[Json]) -> list[Json]:
    """Hold the persons of each request against each other: who asked, made, signed, waived."""
    given = list(waived)
    return [_apart(request, waived=given) for request in asked]


def _apart(request: Json, *, waived: list[Json]) -> Json:
    kept = mapping(request["segregation"])
    authors, signed = _texts(kept["authors"]), _texts(kept["signed"])
    others = sorted(set(_texts(kept["involved"])) - set(authors))
    by = str(mapping(request["by"])["name"])
    waivers = [str(row["person"]) for row in waived if request["id"] in _texts(row["counted_for"])]
    reviews = rows(mapping(request["break_glass"]).get("review"))
    executors = _texts(kept["executed_by"])
    found = overlaps(
        requesters=others or [by],
        authors=authors,
        approvers=signed,
        executors=executors,
        waivers=waivers,
        reviewers=[str(row["person"]) for row in reviews],
    )
    return {
        "request": request["id"],
        "requesters": others or [by],
        "authors": authors,
        "approvers": signed,
        "waivers": waivers,
        "executed_by": executors or ["the system"],
        "overlaps": [
            {"person": one.person, "duties": list(one.duties), "is_breach": one.is_breach}
            for one in found
        ],
        "kept_apart": kept["holds"] is True and not any(one.is_breach for one in found),
        "entries": [row["entry"] for row in rows(request["approvals"])],
    }


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
