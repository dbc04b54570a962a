"""Every failure of the API is a problem with a stable code."""

import pytest

from governance.models import AccessLog

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.governance.urls")]

EXPECTED = {
    "not_found": (404, "not_found"),
    "conflict": (409, "rollout_in_progress"),
    "stale": (412, "stale"),
    "invalid": (400, "invalid"),
    "too_large": (413, "too_large"),
    "unauthenticated": (401, "unauthenticated"),
    "guessing": (429, "too_many_attempts"),
    "forbidden": (403, "forbidden"),
    "refused": (403, "four_eyes"),
    "unavailable": (503, "unavailable"),
    "validation": (400, "invalid"),
    "throttled": (429, "throttled"),
    "gone": (404, "not_found"),
    "denied": (403, "forbidden"),
    "transition": (409, "transition_not_allowed"),
    "operational": (503, "unavailable"),
    "integrity": (409, "conflict"),
    "data": (400, "invalid"),
    "django": (400, "invalid"),
    "suspicious": (400, "bad_request"),
    "bug": (500, "internal"),
}


@pytest.fixture
def client(api):
    client = api()
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize("name", EXPECTED)
def test_a_failure_has_its_status_and_code(client, name):
    answer = client.get(f"/api/v1/test/failing/{name}")
    body = answer.json()

    assert (answer.status_code, body["code"]) == EXPECTED[name]
    assert answer["Content-Type"] == "application/problem+json"
    assert body["status"] == answer.status_code
    assert {"type", "title", "detail"} <= body.keys()
    assert "secret" not in answer.content.decode()
    assert ("WWW-Authenticate" in answer) == (answer.status_code == 401)
    assert ("Retry-After" in answer) == (answer.status_code in {429, 503})


def test_context_is_told_and_hides_nothing(client):
    body = client.get("/api/v1/test/failing/conflict").json()
    assert (body["status"], body["held"]) == (409, [1])


def test_wrong_fields_are_named_by_their_path(client):
    assert client.get("/api/v1/test/failing/invalid").json()["problems"] == {"name": "is wrong"}
    problems = client.get("/api/v1/test/failing/validation").json()["problems"]
    assert problems == {"files.1.sha256": ["no"]}


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("get", "/api/v1/nothing", (404, "not_found")),
        ("get", "/api/nothing", (404, "not_found")),
        ("delete", "/api/v1/test/failing/x", (405, "method_not_allowed")),
        ("get", "/api/v1/test/whoami", (401, "unauthenticated")),
    ],
)
def test_what_no_view_answers_is_a_problem_too(client, method, path, expected):
    answer = getattr(client, method)(path)
    assert (answer.status_code, answer.json()["code"]) == expected
    assert answer["Content-Type"] == "application/problem+json"


def test_a_page_that_is_not_there_is_no_problem_document(client):
    assert client.get("/nothing")["Content-Type"].startswith("text/html")


def test_forbidden_attempts_are_kept_in_the_access_log(api, asha):
    api(asha).get("/api/v1/test/failing/forbidden")
    line = AccessLog.objects.get(kind="request.forbidden")
    assert (line.principal, line.address) == ("asha", "127.0.0.1")
    assert "/api/v1/test/failing/forbidden" in line.detail


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/people/%00",
        "/api/v1/audit/entries?model=%00",
        "/api/v1/audit/entries?model=%ED%A0%80",
        "/api/v1/audit/entries?model=%FF",
    ],
)
def test_an_unreadable_address_is_a_bad_request(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert client.get(path.replace("/api/v1", "")).status_code == 400


def test_health(client):
    assert client.get("/health/live").json() == {"live": True}
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "database": True, "broker": True}
