"""Who decided what about a version: requests, signatures, transitions and refused attempts."""

from collections.abc import Iterable, Mapping

from governance.audit.actions import Action
from promotion import content
from promotion.lineage.sources import (
    ERASED,
    NONE,
    NOT_SUPPLIED,
    Asked,
    Json,
    Record,
    Sources,
    rows,
)

ENDS = {
    Action.REQUEST_REJECTED: "rejected",
    Action.REQUEST_WITHDRAWN: "withdrawn",
    Action.REQUEST_VOIDED: "voided",
    Action.REQUEST_EXPIRED: "expired",
    Action.REQUEST_EXECUTED: "done",
    Action.REQUEST_SUPERSEDED: "superseded",
}
STEERED = frozenset({Action.ROLLOUT_PAUSED, Action.ROLLOUT_RESUMED, Action.ROLLOUT_ABORTED})
AT_ONCE = frozenset({"break_glass", "rollback", "stop"})
"""Kinds of requests that one person carries out by asking."""
SAID = ("reason", "comment", "why", "detail")


def states(own: Iterable[Record]) -> Json:
    """Replay the deployment entries: environment -> state, role, since when, by which entry."""
    found: Json = {}
    for record in own:
        if record.action.startswith("deployment."):
            found[record.environment] = {
                "state": record.text("state"),
                "role": record.text("role") or NONE,
                "since": record.at,
                "entry": record.seq,
            }
    return found


def timeline(own: Iterable[Record]) -> list[Json]:
    """List every entry about the version, oldest first."""
    return [
        {
            "entry": record.seq,
            "at": record.at,
            "action": record.action,
            "by": record.who(),
            "environment": record.environment or NONE,
            "request": record.request or NONE,
            "state": record.text("state") or NONE,
            "said": said(record) or NONE,
            **({"role": record.text("role") or NONE} if is_decision else {}),
        }
        for record in own
        for is_decision in [record.action.startswith("deployment.")]
    ]


def refusals(own: Iterable[Record]) -> list[Json]:
    """List attempts that a rule forbade."""
    return [
        {
            "entry": record.seq,
            "at": record.at,
            "by": record.who(),
            "subject": record.subject,
            "rule": record.text("rule"),
            "reason": record.text("reason"),
        }
        for record in own
        if record.action == Action.ATTEMPT_REFUSED
    ]


def requests(sources: Sources) -> list[Json]:
    """Tell of every request: who, why, judged how, signed by whom, and how it ended."""
    grouped: dict[str, list[Record]] = {}
    for record in sources.own:
        if record.request in sources.requests:
            grouped.setdefault(record.request, []).append(record)
    authors = frozenset(sources.card.authors)
    return [
        _request(sources.requests[pk], records, authors=authors)
        for pk, records in grouped.items()
        if records[0].action == Action.REQUEST_OPENED or _opened(records)
    ]


def causes(beside: Iterable[Record]) -> list[Json]:
    """List requests about other versions that moved this one, such as its successor's promotion."""
    return [
        {
            "id": record.request,
            "version": record.version,
            "environment": record.environment,
            "kind": record.text("kind"),
            "at": record.at,
            "by": record.who(),
            "reason": record.text("reason"),
            "entry": record.seq,
        }
        for record in beside
        if record.action == Action.REQUEST_OPENED
    ]


def said(record: Record) -> str:
    """What people, or the system for them, gave as the reason; "" for nothing."""
    if record.payload is None:
        return ERASED
    return next((str(record.facts[key]) for key in SAID if record.facts.get(key)), "")


def _request(asked: Asked, records: list[Record], *, authors: frozenset[str]) -> Json:
    opened = _opened(records) or records[0]
    shown = opened.facts.get("content")
    approvals = [_approval(record) for record in records if record.subject.startswith("approval:")]
    signed = [str(approval["person"]) for approval in approvals]
    is_alone = opened.text("kind") == "break_glass"
    return {
        "id": asked.id,
        "entry": opened.seq,
        "environment": opened.environment,
        "kind": opened.text("kind"),
        "at": opened.at,
        "by": opened.who(),
        "reason": opened.text("reason"),
        "ticket": opened.text("ticket") or NOT_SUPPLIED,
        "content": shown if isinstance(shown, dict) else NOT_SUPPLIED,
        "content_hash": opened.text("content_hash"),
        "gates": _gates(asked),
        "evidence_is_sealed": _is_sealed(asked, shown),
        "approvals": approvals,
        "segregation": {
            "involved": sorted(frozenset(asked.persons) | authors),
            "authors": sorted(authors),
            "signed": signed,
            "executed_by": _executed_by(records, kind=opened.text("kind")),
            "holds": not (frozenset(signed) & (frozenset(asked.persons) | authors))
            and len(signed) == len(set(signed))
            and not is_alone,
        },
        "break_glass": _broken(opened, records) if is_alone else NONE,
        "end": _end(records),
        "entries": [record.seq for record in records],
    }


def _broken(opened: Record, records: list[Record]) -> Json:
    """Say what one person skipped alone, and what a second one said of it afterwards."""
    reviews = [record for record in records if record.action == Action.REQUEST_REVIEWED]
    return {
        "skipped": opened.facts.get("skipped", NOT_SUPPLIED),
        "review_due_at": opened.facts.get("review_due_at", NOT_SUPPLIED),
        "review": [
            {
                "entry": record.seq,
                "at": record.at,
                "account": record.who(),
                **{
                    name: record.text(name)
                    for name in ("name", "person", "role", "verdict", "comment")
                },
            }
            for record in reviews
        ],
    }


def _executed_by(records: list[Record], *, kind: str) -> list[str]:
    """Who carried it out, or steered it, by hand. What has its signatures goes by itself."""
    found = [r for r in records if r.action in STEERED and r.actor_kind == "user"]
    if kind in AT_ONCE:
        found += [r for r in records if r.action == Action.REQUEST_OPENED]
    return sorted({record.text("actor") for record in found})


def _opened(records: list[Record]) -> Record | None:
    return next((r for r in records if r.action == Action.REQUEST_OPENED), None)


def _approval(record: Record) -> Json:
    return {
        "entry": record.seq,
        "at": record.at,
        "decision": "reject" if record.action == Action.REQUEST_REJECTED else "approve",
        "account": record.who(),
        **{
            name: record.text(name)
            for name in ("name", "person", "role", "meaning", "comment", "content_hash", "method")
        },
    }


def _gates(asked: Asked) -> list[Json]:
    return [dict(gate) for gate in rows(asked.evidence.get("gates"))]


def _is_sealed(asked: Asked, shown: object) -> object:
    """Whether the gates shown here have the hash in the content that was signed."""
    if not isinstance(shown, Mapping):
        return NOT_SUPPLIED
    return content.hash_of(asked.evidence) == shown.get("evidence_sha256")


def _end(records: list[Record]) -> Json:
    for record in reversed(records):
        is_end = record.subject.startswith("request:") and record.action in ENDS
        is_failure = record.action == Action.REQUEST_FAILED and record.text("state") == "failed"
        if is_end or is_failure:
            return {
                "state": ENDS.get(Action(record.action), "failed"),
                "at": record.at,
                "by": record.who(),
                "detail": record.text("detail"),
                "entry": record.seq,
            }
    return {"state": "not settled"}
