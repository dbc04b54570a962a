"""Examines what everything stands on: database, clock, broker, mirror and keys."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from governance import signing
from governance.audit import behind, checkpoints, verify
from governance.checks import Check, Verdict, looked_at, ok
from governance.services import reachability

SKEW_WARN, SKEW_FAIL = 1.0, 10.0
"""Seconds between two clocks: leases are 15 seconds long."""


def examine() -> list[Check]:
    """Look at everything here. Outside any transaction: it asks other servers."""
    return [*database(), seals(), clock(), broker(), mirror(), key()]


def database() -> list[Check]:
    """Look at the schema, and at what protects the audit log."""
    asks = "Is the database up, and DATABASE_URL right?"
    return [
        looked_at("database role", _role, meaning="The log may not be safe from us.", fix=asks),
        looked_at("triggers", _triggers, meaning="Changes may pass unrecorded.", fix=asks),
        looked_at("migrations", _migrations, meaning="The schema is unknown.", fix=asks),
    ]


def _role() -> Check:
    excess = verify.excess_rights()
    if excess:
        return Check(
            "database role",
            Verdict.FAIL,
            _some(excess),
            "Whoever controls the web process can change or empty the audit log.",
            "Connect as a role that owns nothing (DATABASE_URL), migrate as the owner"
            " (DATABASE_OWNER_URL), and run `python manage.py migrate`: it sets the rights.",
        )
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        name = cursor.fetchone()[0]
    return ok("database role", f"{name} can neither truncate nor switch triggers off")


def _triggers() -> Check:
    missing = verify.missing_guards()
    if missing:
        return Check(
            "triggers",
            Verdict.FAIL,
            _some(missing),
            "A change can be made without an entry in the audit log.",
            "As the tables' owner: ALTER TABLE ... ENABLE ALWAYS TRIGGER ...; what is missing"
            " comes back by `python manage.py migrate`. Then `lockgate audit verify`.",
        )
    return ok("triggers", f"all {len(verify.GUARDS)} are switched on")


def _migrations() -> Check:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        names = [f"{migration.app_label} {migration.name}" for migration, _ in plan]
        return Check(
            "migrations",
            Verdict.FAIL,
            f"not applied: {_some(names)}",
            "The code expects tables and columns that are not there.",
            "Run `python manage.py migrate`, then start the processes again.",
        )
    loader = executor.loader
    unknown = set(loader.applied_migrations) - set(loader.disk_migrations)
    ours = sorted(f"{app} {name}" for app, name in unknown if app in loader.migrated_apps)
    if ours:
        return Check(
            "migrations",
            Verdict.WARN,
            f"applied, and unknown to this code: {_some(ours)}",
            "The database was migrated by newer code than this process runs.",
            "Start this process again with the newer release.",
        )
    return ok("migrations", f"all {len(loader.applied_migrations)} are applied")


def seals() -> Check:
    """Look at how far the audit log is sealed, and compare it with the sinks."""
    return looked_at(
        "sealing",
        _seals,
        meaning="Nobody knows whether the log could be changed unseen.",
        fix="Is the database up, and can this process read CHECKPOINT_SINKS?",
    )


def _seals() -> Check:
    name, now = "sealing", datetime.now(UTC)
    found = checkpoints.sealing()
    if not found.is_wanted():
        return Check(
            name,
            Verdict.WARN,
            "no sink is named, so nothing is sealed",
            "Whoever owns the database could rewrite the log unseen.",
            "Run the sealer, and name its sinks in CHECKPOINT_SINKS (docs/install.md).",
        )
    if lost := behind.look():
        return Check(
            name,
            Verdict.FAIL,
            f"{lost} ({lost.sink})",
            "Nothing can be changed: a backup was restored, or the end of the log was cut off.",
            "Find out which, then record it: /audit/history/ or POST /api/v1/audit/history.",
        )
    reach = f"{found.sealed:,} of {found.head:,} entries are sealed"
    trouble = [f"{each['name']}: {each['error']}" for each in found.said.get("sinks", [])]
    trouble = [line for line in trouble if not line.endswith(": ")]
    if found.refused or found.is_late(now):
        why = found.refused or _some(trouble) or "the sealer does not run, or is not heard"
        return Check(
            name,
            Verdict.FAIL,
            f"{reach}: {why}",
            "What is not sealed could still be changed unseen.",
            "Start the sealer (`lockgate up` runs it), and look at its log and its sinks.",
        )
    if trouble:
        return Check(
            name,
            Verdict.WARN,
            f"{reach}; {_some(trouble)}",
            "That sink gets what it lacks once it works again.",
            "Make room there, or see why it cannot be reached.",
        )
    return ok(name, f"{reach}{_embedded_key()}")


def _embedded_key() -> str:
    """Embedded, all runs under one user: that user could sign in the sealer's name."""
    path: Path = settings.CONFIG.lockgate_home / "keys" / "sealer_key"
    if not os.access(path, os.R_OK):
        return ""
    return "; this user can read the sealer's key, as it is in the embedded mode"


def clock() -> Check:
    """Compare our clock with the database's."""
    return looked_at(
        "clock",
        _clock,
        meaning="Leases and deadlines are judged by two clocks.",
        fix="Is the database up?",
    )


def _clock() -> Check:
    before = datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs = cursor.fetchone()[0]
    between = before + (datetime.now(UTC) - before) / 2
    skew = (theirs - between).total_seconds()
    found = f"the database's is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} ours"
    if abs(skew) < SKEW_WARN:
        return ok("clock", "the database's and ours agree")
    return Check(
        "clock",
        Verdict.WARN if abs(skew) < SKEW_FAIL else Verdict.FAIL,
        found,
        "Leases and deadlines come too early or too late, and times in the log do not fit.",
        "Let both machines follow the same time servers (chrony or systemd-timesyncd).",
    )


def broker() -> Check:
    """Ask Celery's broker for a sign of life."""
    name, trouble = "broker", reachability.trouble_with_broker()
    if trouble:
        return Check(
            name,
            Verdict.FAIL,
            f"it does not answer: {trouble}",
            "Agents hear of changes one poll later, and nothing is inspected or swept.",
            "Start the server that BROKER_URL names, and see that its password is right.",
        )
    if _server(settings.CONFIG.broker_url) == _server(settings.CONFIG.mirror_url):
        return Check(
            name,
            Verdict.WARN,
            "it is the same server as the mirror's",
            "Agents know the mirror's credentials, and so could send tasks.",
            "Give BROKER_URL a server of its own.",
        )
    return ok(name, "it answers")


def mirror() -> Check:
    """Ask the mirror stream's server for a sign of life."""
    trouble = reachability.trouble_with_mirror(settings.CONFIG.mirror_url)
    if trouble:
        return Check(
            "mirror",
            Verdict.FAIL,
            f"it does not answer: {trouble}",
            "Live answers are not hurt. Dark versions see no traffic, so no evidence grows.",
            "Start the server that MIRROR_URL names, and see that its password is right.",
        )
    return ok("mirror", "it answers")


def key() -> Check:
    """Look at the key that signs desired states, in the file and in this process."""
    try:
        return _key()
    except signing.BadKey as error:
        return Check(
            "signing key",
            Verdict.FAIL,
            str(error),
            "No change can be signed, so agents keep what they serve.",
            "Bring the file back from its backup; SIGNING_KEY_FILE names it.",
        )


def _key() -> Check:
    public = signing.public_keys()
    path: Path = settings.CONFIG.signing_key_file
    on_disk = signing.raw_public(signing.read_key(path))
    found = f"fingerprint {signing.fingerprint(public[0])}"
    if on_disk != public[0]:
        return Check(
            "signing key",
            Verdict.FAIL,
            f"the file holds another key than this process signs with ({found})",
            "After a restart, agents that do not know the other key refuse every change.",
            "If the change was meant, name the new key as successor first; else restore the file.",
        )
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Check(
            "signing key",
            Verdict.WARN,
            f"{found}; its file can be read by other users (mode {mode:o})",
            "Who reads it can sign what agents will serve.",
            f"chmod 600 {path}",
        )
    successor = f", successor {signing.fingerprint(public[1])}" if len(public) > 1 else ""
    return ok("signing key", f"{found}{successor or ', no successor named'}")


def _server(url: str) -> tuple[str | None, int | None, str]:
    parts = urlsplit(url)
    socket = parts.path if not parts.hostname else ""
    return parts.hostname, parts.port, socket


def _some(things: list[str]) -> str:
    rest = len(things) - 3
    return "; ".join(things[:3]) + (f"; and {rest} more" if rest > 0 else "")
