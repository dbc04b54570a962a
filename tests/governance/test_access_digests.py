"""The access log is sealed by the hour, and a line changed afterwards is noticed."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import transaction

from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.audit.models import Entry
from governance.models import AccessLog
from governance.services import access_digests
from governance.services.access_digests import compare, seal

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def line(minutes: int, detail: str = "") -> AccessLog:
    return AccessLog.objects.create(
        at=NOON + timedelta(minutes=minutes), kind="log.read", principal="ada", detail=detail
    )


def test_full_hours_are_sealed_once_they_are_surely_over() -> None:
    line(5)
    line(50)
    assert seal(now=NOON + timedelta(minutes=65)) is None
    made = seal(now=NOON + timedelta(minutes=71))

    assert made is not None
    assert (made.since, made.until, made.lines) == (NOON, NOON + timedelta(hours=1), 2)
    entry = Entry.objects.get(action="access_log.sealed")
    assert entry.subject == "access_log:2026-11-20T13:00:00.000000Z"
    assert access_digests.sealed_until() == made.until


def test_each_line_is_sealed_once_and_hours_without_lines_leave_no_entry() -> None:
    line(5)
    seal(now=NOON + timedelta(hours=2))
    assert seal(now=NOON + timedelta(hours=5)) is None
    line(5 * 60 + 5)
    again = seal(now=NOON + timedelta(hours=7))

    assert again is not None
    assert (again.since, again.lines) == (NOON + timedelta(hours=1), 1)
    assert Entry.objects.filter(action="access_log.sealed").count() == 2


@pytest.mark.parametrize("tampering", ["edit", "delete", "insert"])
def test_a_line_that_was_tampered_with_is_noticed(tampering: str) -> None:
    first, _ = line(5, "page=log"), line(6)
    seal(now=NOON + timedelta(hours=2))
    assert compare().wrong == ()
    if tampering == "edit":
        AccessLog.objects.filter(pk=first.pk).update(detail="page=desk")
    elif tampering == "delete":
        first.delete()
    else:
        line(7)
    found = compare()

    assert found.wrong == (Entry.objects.get(action="access_log.sealed").seq,)
    assert found.digests == 1


def test_nothing_to_seal_is_nothing() -> None:
    assert seal(now=NOON) is None
    assert compare() == access_digests.Compared(0, 0, None, ())


def verified(*options: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("audit_verify", *options, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def test_the_whole_log_is_verified_with_every_line_that_it_sealed() -> None:
    first = line(5, "page=log")
    seal(now=NOON + timedelta(hours=2))
    line(2 * 60)
    seal(now=NOON + timedelta(hours=4))
    code, said = verified()
    assert (code, "The access log is as it was sealed: 2 lines until" in said) == (0, True)

    AccessLog.objects.filter(pk=first.pk).update(detail="page=desk")
    entry = Entry.objects.filter(action="access_log.sealed").earliest("seq")
    code, said = verified()
    assert code == 1
    reason = "the lines of the access log are not those it sealed"
    assert f"First: entry {entry.seq}: {reason}" in said
    code, said = verified("--json")
    found = json.loads(said)
    assert (code, found["ok"], found["findings"][0]["seq"]) == (1, False, entry.seq)
    assert found["access_log"]["digests"] == 2


@pytest.mark.parametrize("said", [{}, {"since": 1, "until": 2}, {"since": "noon", "until": ""}])
def test_a_digest_that_cannot_be_read_is_named(said: dict[str, object]) -> None:
    """Who owns the database can write anything there; the check goes on."""
    with transaction.atomic():
        audit.record(
            Action.ACCESS_LOG_SEALED,
            actor=Actor.from_task(access_digests.TASK),
            object="system",
            subject="access_log:2026-11-20T13:00:00.000000Z",
            details=said,
        )
    assert compare().wrong == (Entry.objects.get(action="access_log.sealed").seq,)
