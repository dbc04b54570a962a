"""Who asked for what, who signed and carried it out, what was refused, and who went alone."""

from collections.abc import Iterable
from datetime import datetime

from governance.audit.actions import Action
from promotion.lineage.life import ENDS
from promotion.lineage.sources import ERASED, NONE, NOT_SUPPLIED, Json, Record
from promotion.lineage_scope.sources import ScopeSources

ALONE = "break_glass"
SIGNED = ("name", "person", "role", "meaning", "comment", "content_hash", "method")


def promotions(sources: ScopeSources) -> list[Json]:
    """Tell of every request that has an entry in the scope, all of it up to the log's size."""
    grouped: dict[str, list[Record]] = {}
    for record in sources.requests:
        grouped.setdefault(record.request, []).append(record)
    return [_request(pk, records) for pk, records in grouped.items()]


def refusals(sources: ScopeSources) -> Json:
    """List attempts that a rule forbade, and count those that name no place."""
    return {
        "listed": [
            {
                "entry": record.seq,
                "at": record.at,
                "by": record.who(),
                "object": record.object,
                "subject": record.subject,
                "rule": record.text("rule"),
                "reason": record.text("reason"),
            }
            for record in sources.refused
        ],
        "of_no_place": sources.unplaced,
    }


def exceptions(sources: ScopeSources, asked: Iterable[Json]) -> Json:
    """List what passed by a waiver, and what one person did alone, with its review."""
    return {
        "waivers": [_waiver(r, sources.as_of) for r in sources.records if _is_waiver(r)],
        "break_glass": [_broken(str(row["id"]), sources) for row in asked if row["kind"] == ALONE],
    }


def _request(pk: str, records: list[Record]) -> Json:
    opened = next((r for r in records if r.action == Action.REQUEST_OPENED), records[0])
    started = [r for r in records if r.action == Action.REQUEST_STARTED]
    return {
        "id": pk,
        "environment": opened.environment,
        "model": opened.object.partition(":")[2],
        "version": opened.version,
        "kind": opened.text("kind"),
        "asked": {
            "entry": opened.seq,
            "at": opened.at,
            "by": opened.who(),
            "reason": opened.text("reason"),
            "ticket": opened.text("ticket"),
        },
        "content_hash": opened.text("content_hash"),
        "signed": [_signature(r) for r in records if r.subject.startswith("approval:")],
        "executed": [{"entry": r.seq, "at": r.at, "by": r.who()} for r in started],
        "end": _end(records),
        "entries": [record.seq for record in records],
    }


def _signature(record: Record) -> Json:
    decision = "reject" if record.action == Action.REQUEST_REJECTED else "approve"
    said = {name: record.text(name) for name in SIGNED}
    return {"entry": record.seq, "at": record.at, "decision": decision, **said}


def _end(records: list[Record]) -> Json:
    """How it ended by the log's size; a signature that rejects is followed by the request's own."""
    for record in reversed(records):
        if not record.subject.startswith("request:"):
            continue
        failed = record.action == Action.REQUEST_FAILED and record.text("state") == "failed"
        if record.action in ENDS or failed:
            state = "failed" if failed else ENDS[Action(record.action)]
            detail = record.text("detail") or NONE
            return {
                "state": state, "entry": record.seq, "at": record.at, "by": record.who(),
                "detail": detail,
            }  # fmt: skip
    return {"state": "not settled by then"}


def _is_waiver(record: Record) -> bool:
    return record.action == Action.WAIVER_GIVEN


def _waiver(record: Record, as_of: str) -> Json:
    until = record.text("expires_at")
    return {
        "entry": record.seq,
        "at": record.at,
        "environment": record.environment,
        "model": record.object.partition(":")[2],
        "version": record.version,
        **{name: record.text(name) for name in ("gate", "name", "person", "reason")},
        "until": until,
        "by_then": _by_then(until, as_of, over="expired", not_yet="in force"),
    }


def _broken(pk: str, sources: ScopeSources) -> Json:
    mine = [record for record in sources.requests if record.request == pk]
    opened = next((r for r in mine if r.action == Action.REQUEST_OPENED), mine[0])
    due = str(opened.facts.get("review_due_at") or NOT_SUPPLIED)
    reviews = [record for record in mine if record.action == Action.REQUEST_REVIEWED]
    said = ("name", "person", "role", "verdict", "comment")
    return {
        "request": pk,
        "entry": opened.seq,
        "skipped": opened.facts.get("skipped"),
        "review_due_at": due,
        "reviews": [
            {"entry": r.seq, "at": r.at, **{name: r.text(name) for name in said}} for r in reviews
        ],
        "review": "given"
        if reviews
        else _by_then(due, sources.as_of, over="overdue", not_yet="owed"),
    }


def _by_then(text: str, as_of: str, *, over: str, not_yet: str) -> str:
    """Say how a moment stands to the one of the log; of what was erased nobody can tell."""
    if text in {ERASED, NOT_SUPPLIED, ""}:
        return text or NOT_SUPPLIED
    return over if datetime.fromisoformat(text) <= datetime.fromisoformat(as_of) else not_yet
