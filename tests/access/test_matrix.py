"""Every route x method, tried by every role, in every environment and group, and by strangers.

The routes come from the URL configuration, so a new one fails here until ``rows.py`` says
who may call it. How to write a row is told at the head of that file; what is missing is
printed by the failing test, ready to be completed.

The roles that a row does not name are tried together, everywhere: who holds them all and
is refused is refused with any. A role that it names is tried in every place. Each call
runs in a savepoint that is undone.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.db import transaction
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client

from governance.audit.models import Entry
from tests.access import routes
from tests.access.matrix import (
    ACCOUNT,
    AGENT,
    OPEN,
    OWNER,
    PERSON,
    PUBLIC,
    ROLES,
    SCOPES,
    Row,
    covers,
)
from tests.access.rows import API, PAGES, ROWS
from tests.access.world import Caller, Stage, all_but, build

STRANGERS = ("not signed in", "disabled account", "superuser who lost all roles", "ci-here")
MACHINES = ("agent here", "ci-there")
"""Tried at the API alone: a page looks at no token, and ``ci-here`` shows that."""
AGENTS = ("agent there", "stray agent")
"""Tried at what is for agents."""
pytestmark = pytest.mark.timeout(400)  # Hundreds of calls; on a busy machine each may take long.
REFUSED = {401, 403, 404}
FINE = {200, 201, 202, 204}
CLIENT = Client(raise_request_exception=False)
"""One for all: making one reads every static file there is."""


@pytest.fixture
def stage(db: None) -> Stage:
    return build({one.who.roles for one in ROWS})


@dataclass(frozen=True)
class Probe:
    """One caller trying one row, and whether they may."""

    row: Row
    caller: Caller
    may: bool


def test_every_route_has_a_row_and_every_row_a_route(db: None) -> None:
    found, written = routes.calls(), {one.call for one in ROWS}
    missing = [f'    row("{call}", VIEWER.deployed()),' for call in sorted(found - written)]
    gone = sorted(written - found)

    assert not missing, "tests/access/rows.py needs rows such as:\n" + "\n".join(missing)
    assert not gone, f"tests/access/rows.py has rows for routes that are gone: {gone}"


@pytest.mark.parametrize("rows", [API, PAGES], ids=["api", "pages"])
def test_who_may_do_what_where(stage: Stage, rows: tuple[Row, ...]) -> None:
    probes = [probe for row in rows for probe in _probes(row, stage)]
    wrong = [
        f"{probe.row.call} by {probe.caller.name}: {problem}"
        for probe in probes
        if (problem := _try(probe, stage))
    ]

    assert len(probes) > 9 * len(rows)
    assert not wrong, f"{len(wrong)} of {len(probes)} calls:\n" + "\n".join(wrong)


def _probes(row: Row, stage: Stage) -> Iterator[Probe]:
    names = [all_but(row.who.roles)] if row.who.roles not in {(), ROLES} else []
    tried = ("viewer",) if row.who.roles == ROLES else row.who.roles
    names += [f"{role}, {place}" for role in tried for place in SCOPES]
    others = [role for role in row.who.roles if role not in tried]
    if others:  # What is open to every role is tried by two: the plainest, and one in turn.
        names.append(f"{others[ROWS.index(row) % len(others)]}, here, own group")
    names += STRANGERS if row.is_page else (*STRANGERS, *MACHINES)
    names += AGENTS if row.who is AGENT else ()
    if row.owner:
        names.append(row.owner)
    for name in names:
        caller = stage.callers[name]
        yield Probe(row, caller, may=_may(row, caller))


def _may(row: Row, caller: Caller) -> bool:
    known = {
        OPEN: True,
        PUBLIC: True,
        ACCOUNT: caller.kind != "stranger",
        PERSON: caller.kind == "person",
        # An agent's own is its target's: what is here is not an agent's from elsewhere.
        AGENT: caller.name == "agent here"
        or (caller.name == "agent there" and "/self/" in row.route),
        OWNER: caller.name == row.owner,
    }
    if row.who in known:
        return known[row.who]
    if caller.kind == "stranger" or (caller.kind != "person" and (row.is_page or row.who.people)):
        return False
    held = bool(set(caller.roles) & set(row.who.roles))
    reaches = caller.scope is not None and covers(row.who.reach, caller.scope)
    return caller.name == row.owner or (held and reaches)


def _try(probe: Probe, stage: Stage) -> str:
    """Make the call and undo it; return what is wrong with its answer, or nothing."""
    row = probe.row
    with transaction.atomic():
        if row.given:
            row.given(stage)
        before = _changes()
        answer = _call(probe, stage)
        text = _text(answer)
        changed = _changes() - before
        transaction.set_rollback(True)
    status = answer.status_code
    if status >= 500:
        return f"{status} {text[:300]}"
    found = not row.finds or str(stage.things[row.finds]) in text
    if probe.may:
        fine = {row.then} if row.then else {302} if _is_form(row) else FINE
        if row.call == "GET sign-in/":
            fine = {200, 302}  # Who is signed in goes on at once.
        if status not in fine or not found:
            return f"may, but is answered {status}, found {found}: {text[:300]}"
        return ""
    if row.finds and status in FINE:
        return f"finds {stage.things[row.finds]}, which is not theirs" if found else ""
    turned_away = status == 302 and answer["Location"].startswith("/sign-in/")
    if status not in REFUSED and not turned_away:
        return f"may not, but is answered {status}: {text[:300]}"
    return f"is refused, and {changed} entries were written" if changed else ""


def _changes() -> int:
    return Entry.objects.exclude(action="attempt.refused").count()


def _is_form(row: Row) -> bool:
    return row.is_page and row.method == "POST"


def _call(probe: Probe, stage: Stage) -> HttpResponse:
    row, caller = probe.row, probe.caller
    things = stage.things
    path = "/" + routes.fill(row.route, {n: things[t] for n, t in row.things().items()})
    headers = {}
    CLIENT.cookies.clear()
    if row.is_page and caller.session:
        CLIENT.cookies["sessionid"] = caller.session
    elif caller.secret:
        headers["Authorization"] = f"Bearer {caller.secret}"
    if row.query:
        path += "?" + row.query.format(**things)
    body = _filled(row.body, things)
    if _is_form(row):
        return CLIENT.post(path, body or {}, headers=headers)
    kind = "application/json"
    if isinstance(body, bytes):
        kind = (
            "application/octet-stream" if row.method == "PUT" else "application/vnd.apache.parquet"
        )
    data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    if row.method in {"GET", "HEAD"}:
        data = b""
    return CLIENT.generic(row.method, path, data, content_type=kind, headers=headers)


def _filled(body: object, things: dict[str, object]) -> object:
    if isinstance(body, dict):
        return {key: _filled(value, things) for key, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, things) for value in body]
    return body.format(**things) if isinstance(body, str) else body


def _text(answer: HttpResponse) -> str:
    if isinstance(answer, StreamingHttpResponse):
        return b"".join(answer).decode(errors="replace")  # Read to its end, it is closed.
    return answer.content.decode(errors="replace")
