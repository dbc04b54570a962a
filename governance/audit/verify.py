"""Check the whole audit log against itself, and what guards it against the database.

What this can show is that entries were edited, deleted, inserted or put in another
order. A log that was rewritten whole, heads and all, is consistent with itself: for
that there are checkpoints outside the database's power.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from governance.audit import chain, definitions
from governance.audit.actions import Action
from governance.audit.chain import GENESIS, Stored
from governance.audit.models import Entry, Head, ObjectHead, Payload

CHUNK = 2_000
MOST = 100
"""Findings that are kept; the rest are counted."""
LOG = (
    *("audit_entry", "audit_payload", "audit_head", "audit_object_head"),
    *("audit_checkpoint", "audit_block", "audit_sealer"),
)
CHANGES = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")

GUARDS = frozenset(
    {
        *(
            (f"audit_{table}", "append_only")
            for table in ("entry", "payload", "checkpoint", "block")
        ),
        *(
            (f"governance_{table}", trigger)
            for table in ("user", "environment", "servicetoken", "rolebinding", "erasure")
            for trigger in ("audited", "never_deleted")
        ),
        ("audit_entry", "erased_with_it"),
        ("governance_erasure", "moves"),
        ("registry_registeredmodel", "audited"),
        ("registry_registeredmodel", "never_deleted"),
        ("registry_modelversion", "audited"),
        ("registry_attestation", "audited"),
        ("registry_parentlink", "no_circle"),
        *(
            (f"registry_{name}", "append_only")
            for name in (
                "attestation",
                "blob",
                "datasetuse",
                "modelversion",
                "parentlink",
                "versionfile",
            )
        ),
        *(
            (f"promotion_{table}", trigger)
            for table in (
                "deployment",
                "request",
                "rollout",
                "target",
                "agent",
                "webhook",
                "incident",
                "finding",
                "placement",
            )
            for trigger in ("audited", "never_deleted")
        ),
        *(
            (f"promotion_{name}", "append_only")
            for name in (
                "desiredstate",
                "policy",
                "approval",
                "waiver",
                "policyapproval",
                "comment",
            )
        ),
        ("promotion_approval", "audited"),
        ("promotion_waiver", "audited"),
        ("promotion_comment", "audited"),
        ("promotion_policyapproval", "audited"),
        ("promotion_policyrequest", "audited"),
        ("promotion_policyrequest", "never_deleted"),
        ("promotion_policy", "audited"),
        ("promotion_livereview", "append_only"),
        ("promotion_livereview", "audited"),
        ("promotion_review", "append_only"),
        ("promotion_review", "audited"),
        ("promotion_incident", "closes_once"),
        ("promotion_finding", "closes_once"),
        ("promotion_deployment", "arrows"),
        ("promotion_target", "generation_grows"),
    }
)
"""(table, trigger): what has to be there and switched on. A test compares it with the schema."""

_TRIGGERS = """
SELECT relname, tgname, tgenabled FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE NOT tgisinternal AND relnamespace = 'public'::regnamespace
"""
_PRIVILEGES = """
SELECT relname, privilege FROM pg_class, unnest(%s::text[]) AS privilege
WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%s)
  AND has_table_privilege(current_user, pg_class.oid, privilege)
"""
_POWER = """
SELECT rolsuper, EXISTS (
    SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace
    AND relname = ANY(%s) AND pg_has_role(current_user, relowner, 'USAGE')
) FROM pg_roles WHERE rolname = current_user
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong. ``seq`` is the entry's, if it is one's."""

    area: str
    reason: str
    seq: int | None = None

    def __str__(self) -> str:
        return f"entry {self.seq}: {self.reason}" if self.seq else f"{self.area}: {self.reason}"


@dataclass(slots=True)
class Report:
    """What was checked, and what is wrong with it."""

    entries: int = 0
    objects: int = 0
    head: str = GENESIS
    findings: list[Finding] = field(default_factory=list)
    more: int = 0

    @property
    def ok(self) -> bool:
        return not self.findings

    def add(self, area: str, reason: str, seq: int | None = None) -> None:
        """Keep a finding, or count it when there are many."""
        if len(self.findings) < MOST:
            self.findings.append(Finding(area, reason, seq))
        else:
            self.more += 1


def verify(*, progress: Callable[[int], None] | None = None) -> Report:
    """Check every entry, both kinds of heads, the payloads, the triggers and our own rights.

    All as of one moment: entries written meanwhile are not looked at.

    Args:
        progress: called with the number of entries read so far, every few thousand.
    """
    report = Report()
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        walk = Walk(report, progress or (lambda _: None))
        for fault in chain.faults(walk.entries()):
            report.add("chain", fault.reason, fault.seq)
        _check_heads(report, walk)
        _check_payloads(report, walk)
        _check_guards(report)
    return report


class Walk:
    """One pass over the log, or a stretch of it, that remembers where each chain ended."""

    def __init__(
        self,
        report: Report,
        progress: Callable[[int], None],
        *,
        after: int = 0,
        upto: int | None = None,
    ) -> None:
        self.report = report
        self.progress = progress
        self.after, self.upto = after, upto
        self.last_seq = after
        self.objects: dict[str, tuple[int, str]] = {}
        self.erased: list[int] = []
        self.tombstones: set[str] = set()

    def entries(self) -> Iterator[Stored]:
        report, latest = self.report, datetime.min.replace(tzinfo=UTC)
        found = Entry.objects.filter(seq__gt=self.after)
        if self.upto is not None:
            found = found.filter(seq__lte=self.upto)
        rows = found.order_by("seq").values(*COLUMNS, *BESIDE)
        for row in rows.iterator(chunk_size=CHUNK):
            seq, at = row["seq"], row["at"]
            yield stored(row)
            if at < latest:
                report.add("chain", "its time is before that of the entry before it", seq)
            latest = max(latest, at)
            if row["payload__entry"] is None:
                report.add("payload", "its payload is missing", seq)
            elif row["payload__body"] is None or row["payload__salt"] is None:
                self.erased.append(seq)
            if row["action"] == Action.PAYLOAD_ERASED:
                self.tombstones.add(row["subject"])
            report.entries, report.head, self.last_seq = report.entries + 1, row["hash"], seq
            self.objects[row["object"]] = (row["object_seq"], row["hash"])
            if report.entries % CHUNK == 0:
                self.progress(report.entries)


COLUMNS = (
    "action",
    "actor_id",
    "actor_kind",
    "environment",
    "model",
    "model_version",
    "object",
    "object_seq",
    "payload_sha256",
    "prev_hash",
    "seq",
    "subject",
)
"""Columns whose values stand in the leaf as they are."""
BESIDE = (
    "at",
    "request",
    "leaf",
    "hash",
    "payload__salt",
    "payload__body",
    "payload__entry",
)


def stored(row: dict[str, Any]) -> Stored:
    """Put a row as the chain's arithmetic wants it."""
    columns = {name: row[name] for name in COLUMNS}
    columns["at"] = f"{row['at'].astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
    columns["request"] = str(row["request"]) if row["request"] else None
    salt = row["payload__salt"]
    return Stored(
        seq=row["seq"],
        leaf=row["leaf"],
        hash=row["hash"],
        salt=bytes(salt) if salt is not None else None,
        payload=row["payload__body"],
        columns=columns,
    )


def _check_heads(report: Report, walk: Walk) -> None:
    """Compare where the chains end with where their heads say they do."""
    report.objects = len(walk.objects)
    head = Head.objects.first()
    said = (head.seq, head.hash) if head else (0, GENESIS)
    if said != (walk.last_seq, report.head):
        report.add(
            "head",
            f"the head stands at entry {said[0]} ({said[1][:12]}), the log ends with entry"
            f" {walk.last_seq} ({report.head[:12]})",
        )
    ends = dict(walk.objects)
    for name, seq, last in ObjectHead.objects.values_list("object", "seq", "hash").iterator():
        found = ends.pop(name, (0, GENESIS))
        if found != (seq, last):
            report.add("head", f"{name} should end with its entry {seq}, but ends with {found[0]}")
    for name in sorted(ends):
        report.add("head", f"{name} has entries but no head")


def _check_payloads(report: Report, walk: Walk) -> None:
    """See that what is gone was erased, and that what is said to be erased is gone."""
    for seq in walk.erased:
        if f"entry:{seq}" not in walk.tombstones:
            report.add("payload", "its payload was erased, and no entry says so", seq)
    for subject in sorted(walk.tombstones - {f"entry:{seq}" for seq in walk.erased}):
        report.add("payload", f"{subject} is said to be erased, and is not")
    strays = Payload.objects.exclude(entry__in=Entry.objects.values("seq")).count()
    if strays:
        report.add("payload", f"{strays} payloads belong to no entry")


def _check_guards(report: Report) -> None:
    for reason in (*missing_guards(), *definitions.changed(), *excess_rights()):
        report.add("guard", reason)


def missing_guards() -> list[str]:
    """Name the triggers that are missing or switched off."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute(_TRIGGERS)
        known = {(table, trigger): enabled for table, trigger, enabled in cursor.fetchall()}
    for table, trigger in sorted(GUARDS):
        enabled = known.get((table, trigger), "missing")
        if enabled == "missing":
            found.append(f"the trigger {trigger} of {table} is missing")
        elif enabled not in {"O", "A"} or (table in LOG and enabled != "A"):
            found.append(f"the trigger {trigger} of {table} is not switched on for all")
    return found


def excess_rights() -> list[str]:
    """Name the rights that the application's role must not have, and has."""
    guarded = sorted({table for table, _ in GUARDS})
    with connection.cursor() as cursor:
        cursor.execute(_PRIVILEGES, [list(CHANGES), list(LOG)])
        rows = sorted(cursor.fetchall())
        cursor.execute(_PRIVILEGES, [["TRUNCATE"], [t for t in guarded if t not in LOG]])
        rows += sorted(cursor.fetchall())
        cursor.execute(_POWER, [list(LOG)])
        superuser, owns = cursor.fetchone()
    found = [f"the application's role may {privilege} {table}" for table, privilege in rows]
    if superuser or owns:
        found.append("the application's role owns the log: set DATABASE_OWNER_URL")
    return found
