"""Every operation the API describes, called with what its own description allows and forbids.

Schemathesis makes the calls from the schema at ``/api/schema``. Some of them are then led
to things there are, and some are given a body that works but for one part of it: what is
made up from end to end is turned away at the door. Each call is made by everybody in turn,
and undone. The description tells successes alone; a refusal is a problem with a code.

``LOCKGATE_FUZZ=30`` makes so many calls of each operation; by default it is as many as a
test run can wait for. The seed is printed, and ``LOCKGATE_SEED`` repeats it.
"""

import os
import re
from collections import Counter
from dataclasses import dataclass

import hypothesis
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from tests.access.matrix import SCOPES
from tests.access.rows import API
from tests.access.world import _person, _signed_in, build

CALLS = int(os.environ.get("LOCKGATE_FUZZ") or 2)
SEED = int(os.environ.get("LOCKGATE_SEED") or 20_260)
CALLERS = (
    "submitter, everywhere",
    "approver and operator",
    "admin, everywhere",
    "agent here",
    "not signed in",
)
PROBLEM = "application/problem+json"
DESCRIBED = [status_code_conformance, content_type_conformance]
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from([2**63, -(2**31) - 1, 1e308, "\x00", "\ufffe", "9" * 5000]),
    st.sampled_from([[], {}, [[]], {"": None}, "2026-02-30", "0001-01-01T00:00:00+14:00"]),
)
TRIED = hypothesis.settings(
    max_examples=CALLS,
    database=None,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
pytestmark = pytest.mark.timeout(120 + 60 * CALLS)


@pytest.fixture
def callers(stage):
    """Who calls, each with their own headers."""
    both = _person("both", SCOPES["everywhere"], "approver", "operator")
    stage.callers["approver and operator"] = _signed_in("approver and operator", both)
    secrets = {name: stage.callers[name].secret for name in CALLERS}
    return {
        name: {"Authorization": f"Bearer {secret}"} if secret else {}
        for name, secret in secrets.items()
    }


@pytest.fixture
def stage(db):
    return build(())


@pytest.fixture
def app():
    """The web process's own, which keeps the connection that the test's transaction is on."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield get_wsgi_application()
    for signal in signals:
        signal.connect(close_old_connections)


@schemathesis.serializer("application/vnd.apache.parquet")
def as_it_is(context, value):
    return {"data": value if isinstance(value, bytes) else str(value).encode(errors="replace")}


@dataclass(frozen=True)
class Known:
    """What leads the calls of one operation to things there are."""

    address: dict
    body: object

    @classmethod
    def of(cls, operation, things):
        """Take it from the rows of the matrix, which name a thing for each part of a route."""
        names = re.findall(r"{(\w+)}", operation.path)
        for row in API:
            if row.method == operation.method.upper() and shape(row.route) == shape(operation.path):
                parts = re.findall(r"<\w+:(\w+)>", row.route)
                found = [str(things[row.things()[part]]) for part in parts]
                return cls(dict(zip(names, found, strict=True)), filled(row.body, things))
        raise AssertionError(f"{operation.label} has no row in rows.py")


def shape(route):
    return re.sub(r"<[^>]+>|{\w+}", "*", route).strip("/")


def filled(body, things):
    if isinstance(body, dict):
        return {key: filled(value, things) for key, value in body.items()}
    if isinstance(body, list):
        return [filled(value, things) for value in body]
    return body.format(**things) if isinstance(body, str) else body


@st.composite
def spoilt(draw, body):
    """A body that works, but for one part of it, however deep."""
    if not (isinstance(body, dict | list) and body) or draw(st.integers(0, 3)) == 0:
        return draw(ODD)
    keys = list(body) if isinstance(body, dict) else list(range(len(body)))
    key, changed = draw(st.sampled_from(keys)), body.copy()
    changed[key] = draw(spoilt(body[key]))
    if draw(st.integers(0, 5)) == 0:
        del changed[key]
    return changed


@st.composite
def calls(draw, operation, known):
    case = draw(st.one_of([operation.as_strategy(generation_mode=mode) for mode in GenerationMode]))
    how = draw(st.integers(0, 3))
    if how:
        case.path_parameters = known.address
    if how > 1 and isinstance(known.body, dict):
        case.media_type = "application/json"
        case.body = known.body if draw(st.integers(0, 3)) == 0 else draw(spoilt(known.body))
    return case


def undone(case, headers):
    with transaction.atomic():
        answer = case.call(headers=headers, buffered=True)  # Read to its end, and closed.
        transaction.set_rollback(True)
    return answer


def problem_with(case, answer):
    """Tell what is wrong with an answer, or nothing."""
    if answer.status_code >= 500:
        return f"{answer.status_code} {answer.text[:300]}"
    if answer.status_code < 400:
        try:
            case.validate_response(answer, checks=DESCRIBED)
        except FailureGroup as group:
            return "; ".join(f"{one.title}: {one.message}" for one in group.exceptions)
        return ""
    kind = answer.headers.get("content-type", [""])[0]
    if kind != PROBLEM or not answer.json().get("code"):
        return f"{answer.status_code} as {kind}, without a code: {answer.text[:300]}"
    return ""


def test_every_answer_is_as_described_or_a_problem_with_a_code(stage, app, callers, capsys):
    schema = schemathesis.openapi.from_wsgi("/api/schema", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    statuses, wrong = Counter(), {}
    for operation in operations:

        @hypothesis.seed(SEED)
        @TRIED
        @hypothesis.given(case=calls(operation, Known.of(operation, stage.things)))
        def called_by_all(case):
            for name, headers in callers.items():
                answer = undone(case, headers)
                statuses[answer.status_code] += 1
                if problem := problem_with(case, answer):
                    sent = f"{case.path_parameters} {case.query} {case.body!r:.300}"
                    wrong.setdefault((case.operation.label, problem), f"by {name}: {sent}")

        called_by_all()

    with capsys.disabled():
        print(f"\nfuzz: seed {SEED}, {statuses.total():,} calls of {len(operations)} operations")
        print("  answers ", ", ".join(f"{one} {statuses[one]}" for one in sorted(statuses)))
    assert {200, 400, 401, 403, 404} <= set(statuses)
    assert not wrong, "\n".join(f"{what}: {told} {sent}" for (what, told), sent in wrong.items())
