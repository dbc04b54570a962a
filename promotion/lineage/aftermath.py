"""What became of a version: incidents, rollbacks, and how it left each environment."""

from collections.abc import Iterable

from governance.audit.actions import Action
from promotion.lineage.life import said
from promotion.lineage.sources import GOES_ON, NONE, NOT_SUPPLIED, UNKNOWN, Json, Record, rows

AUTOMATIC = frozenset({Action.DEPLOYMENT_RETIRED, Action.DEPLOYMENT_RECALLED})


def incidents(records: Iterable[Record], *, since: str, environments: Iterable[str]) -> list[Json]:
    """List incidents with the model, or with all of an environment, while the version was known.

    Args:
        since: when the version was registered.
        environments: where it was ever asked for; incidents with all models count there only.
    """
    found: dict[str, Json] = {}
    places = frozenset(environments)
    for record in records:
        is_of_model = record.object.startswith("model:")
        is_here = is_of_model or record.environment in places
        if record.action == Action.INCIDENT_OPENED and is_here:
            found[record.subject] = {
                "incident": record.subject.partition(":")[2],
                "environment": record.environment,
                "with": "the model" if is_of_model else "the environment",
                **{name: record.text(name) for name in ("severity", "title", "detail")},
                "entry": record.seq,
                "at": record.at,
                "by": record.who(),
                "closed": NONE,
            }
        elif record.action == Action.INCIDENT_CLOSED and record.subject in found:
            found[record.subject]["closed"] = {
                "entry": record.seq,
                "at": record.at,
                "by": record.who(),
                "resolution": record.text("resolution"),
            }
    return [row for row in found.values() if _touches(row, since=since)]


def rollbacks(own: Iterable[Record], beside: Iterable[Record], *, asked: list[Json]) -> list[Json]:
    """List every step back that concerned the version: by a guard, by a person, on a host."""
    mine = {str(request["id"]): request for request in asked}
    manual = {
        record.request: record
        for record in beside
        if record.action == Action.REQUEST_OPENED and record.text("kind") == "rollback"
    }
    found = [_row(one, "manual", "to another version") for one in manual.values()]
    for record in own:
        kind = str(mine[record.request]["kind"]) if record.request in mine else ""
        if record.action == Action.REQUEST_OPENED and record.text("kind") == "rollback":
            found.append(_row(record, "manual", "to this version"))
        elif record.action in AUTOMATIC and kind in {"promote", "break_glass"}:
            if record.facts.get("why"):
                found.append(_row(record, "automatic", "away from this version"))
        elif record.action == Action.DEPLOYMENT_RESTORED and record.facts.get("why"):
            found.append(_row(record, "automatic", "to this version"))
    found += [_local(record, "to this version") for record in own if _is_local(record)]
    found += [_local(record, "to another version") for record in beside if _is_local(record)]
    return sorted(found, key=lambda row: int(str(row["entry"])))


def reviews(asked: Iterable[Json]) -> list[Json]:
    """List what second persons said afterwards of what one had carried out alone."""
    return [
        {"request": request["id"], **review}
        for request in asked
        if isinstance(broken := request["break_glass"], dict)
        for review in rows(broken["review"])
    ]


def live_reviews(own: Iterable[Record]) -> list[Json]:
    """List what reviewers said of the version while it answered: whether it may go on."""
    return [
        {
            "entry": record.seq,
            "at": record.at,
            "by": record.who(),
            "environment": record.environment,
            "name": record.text("name"),
            "person": record.text("person"),
            "outcome": record.text("outcome"),
            "comment": record.text("comment"),
            "trigger": record.text("trigger") or NONE,
            "next_by": record.fact("next_by"),
        }
        for record in own
        if record.action == Action.VERSION_REVIEWED
    ]


def retirement(
    own: Iterable[Record], *, asked: Iterable[Json], moved: Iterable[Json], serving: list[Json]
) -> list[Json]:
    """Tell for each environment how the version left it, if it did."""
    last = {r.environment: r for r in own if r.action.startswith("deployment.")}
    by_request = {str(row["id"]): row for row in (*moved, *asked)}
    return [
        _left(record, because=by_request.get(record.request), serving=serving)
        for record in last.values()
    ]


def _left(record: Record, *, because: Json | None, serving: list[Json]) -> Json:
    here = [row for row in serving if row["environment"] == record.environment]
    state = record.text("state")
    if state != "retired":
        return {"environment": record.environment, "state": state, "retired": NONE}
    other = because.get("version") if because else None
    return {
        "environment": record.environment,
        "state": state,
        "retired": {
            "entry": record.seq,
            "at": record.at,
            "by": record.who(),
            "said": said(record) or NONE,
            "request": record.request or NONE,
            "because": _because(because) if because else NONE,
            "signed_by": [row["name"] for row in rows((because or {}).get("approvals"))],
            "replaced_by_version": other if other is not None else NONE,
            "last_scoring": _last_scoring(here),
            "agents": _agents(here),
            "held_for_rollback": record.text("hold") or UNKNOWN,
            "archive": "its files stay in the artifact store under their SHA-256; see artifact",
            "retained_until": NOT_SUPPLIED,
        },
    }


def _because(asked: Json) -> Json:
    return {name: asked[name] for name in ("entry", "at", "kind", "by", "reason")}


def _last_scoring(here: list[Json]) -> str:
    if not here:
        return "never, by what agents said"
    ends = [str(row["until"]) for row in here]
    return GOES_ON if GOES_ON in ends else max(ends)


def _agents(here: list[Json]) -> list[Json]:
    """When each agent last said that the version answered its callers."""
    last = {(str(row["agent_id"]), str(row["role"])): row for row in here}
    return [
        {
            "agent": row["agent"],
            "answered_until": row["until"],
            "entry": row["ended_by"],
            "files_removed": NOT_SUPPLIED,
        }
        for row in last.values()
    ]


def _is_local(record: Record) -> bool:
    return record.action in {Action.AGENT_ROLLED_BACK, Action.AGENT_RESUMED}


def _row(record: Record, way: str, direction: str) -> Json:
    return {
        "entry": record.seq,
        "at": record.at,
        "environment": record.environment,
        "way": way,
        "direction": direction,
        "by": record.who(),
        "said": said(record) or NONE,
    }


def _local(record: Record, direction: str) -> Json:
    has_ended = record.action == Action.AGENT_RESUMED
    return {
        **_row(record, "local, ended" if has_ended else "local", direction),
        "agent": record.text("name"),
        "person_on_the_host": record.text("by"),
        "began_at": record.text("began_at"),
        "ended_at": record.text("ended_at") if has_ended else GOES_ON,
    }


def _touches(row: Json, *, since: str) -> bool:
    closed = row["closed"]
    return not isinstance(closed, dict) or str(closed["at"]) >= since
