"""What keeps a place in order: incidents, findings, policies, rights, agents."""

from collections.abc import Iterable

from governance.audit.actions import Action
from promotion.lineage.life import said
from promotion.lineage.sources import GOES_ON, NONE, Json, Record
from promotion.lineage_scope.sources import BEFORE, ScopeSources

ROLES = frozenset({Action.ROLE_GRANTED, Action.ROLE_REVOKED})
INCIDENTS = frozenset({Action.INCIDENT_OPENED, Action.INCIDENT_CLOSED})
FINDINGS = frozenset({Action.FINDING_RECORDED, Action.FINDING_CLOSED})
QUIET = frozenset({Action.AGENT_CHANGED_SERVING})
"""Of agents' entries, those that the serving intervals tell."""


def incidents(sources: ScopeSources) -> list[Json]:
    """List incidents that were open at some time in the period."""
    found: dict[str, Json] = {}
    for record in sources.incidents:
        if record.action == Action.INCIDENT_OPENED:
            found[record.subject] = {
                "incident": record.subject.partition(":")[2],
                "environment": record.environment,
                "with": record.object,
                **{name: record.text(name) for name in ("severity", "title", "detail")},
                **_opened(record),
                "closed": NONE,
            }
        elif record.seq <= sources.starts_after:
            found.pop(record.subject, None)
        elif record.subject in found:
            found[record.subject]["closed"] = {
                **_opened(record),
                "resolution": record.text("resolution"),
            }
    return list(found.values())


def findings(sources: ScopeSources) -> list[Json]:
    """List findings of reviewers that were recorded or closed in the period."""
    names = ("finding", "severity", "title", "owner", "due", "resolution")
    return [
        {
            **_opened(record),
            "action": record.action,
            "model": record.object.partition(":")[2],
            "version": record.version,
            **{name: record.text(name) for name in names},
        }
        for record in sources.records
        if record.action in FINDINGS
    ]


def policies(sources: ScopeSources) -> list[Json]:
    """List what happened to the rules: proposed, signed, published."""
    names = ("number", "tier", "sha256", "state", "name", "person", "role", "reason")
    return [
        {
            **_opened(record),
            "action": record.action,
            "environment": record.environment,
            **{name: record.fact(name) for name in names if name in record.facts},
        }
        for record in sources.records
        if record.action.startswith("policy.")
    ]


def access(sources: ScopeSources) -> Json:
    """Say who held which role in the period, and what changed of people and tokens."""
    return {
        "roles": _held(sources),
        "changes": [
            {
                **_opened(record),
                "action": record.action,
                "subject": record.subject,
                **{name: record.text(name) for name in ("holder", "name", "role", "scope")},
            }
            for record in sources.records
            if record.action.startswith(("person.", "token.", "role."))
        ],
    }


def fleet(sources: ScopeSources) -> list[Json]:
    """List what became of agents, and which states they refused."""
    return [
        {
            **_opened(record),
            "action": record.action,
            "environment": record.environment,
            **{name: record.text(name) for name in ("name", "tier", "reason", "detail")},
        }
        for record in sources.records
        if record.action.startswith("agent.") and record.action not in QUIET
    ]


def changes(records: Iterable[Record]) -> list[Json]:
    """List every change there was: nothing is chosen and nothing is left out."""
    return [
        {
            **_opened(record),
            "action": record.action,
            "object": record.object,
            "object_seq": record.object_seq,
            "subject": record.subject,
            "version": record.version,
            "environment": record.environment,
            "request": record.request,
            "said": said(record),
            "hash": record.hash,
        }
        for record in records
    ]


def _held(sources: ScopeSources) -> list[Json]:
    found: dict[str, Json] = {}
    for record in sources.rights:
        if record.action == Action.ROLE_GRANTED:
            found[record.subject] = {
                "binding": record.subject.partition(":")[2],
                "holder": record.text("holder"),
                "role": record.text("role"),
                "environment": record.environment or "all",
                "group": record.text("group") or "all",
                "from": BEFORE if record.seq <= sources.starts_after else record.at,
                "granted_by": record.who(),
                "entry": record.seq,
                "until": GOES_ON,
                "revoked": NONE,
            }
        elif record.seq <= sources.starts_after:
            found.pop(record.subject, None)
        elif record.subject in found:
            revoked = {"entry": record.seq, "at": record.at, "by": record.who()}
            found[record.subject] |= {"until": record.at, "revoked": revoked}
    return list(found.values())


def _opened(record: Record) -> Json:
    return {"entry": record.seq, "at": record.at, "by": record.who()}
