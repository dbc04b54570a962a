"""People, roles, tokens, environments and the audit log over HTTP."""

import pytest

from governance.audit.models import Entry
from governance.models import AccessLog, RoleBinding, User
from governance.services.environments import define_environment

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.governance.urls")]


@pytest.fixture
def prod(set_up):
    return define_environment(slug="prod-eu", kind="production", actor=set_up).environment


def pages(client, path, **query):
    """Read a list to its end."""
    items, cursor = [], None
    while True:
        answer = client.get(path, {**query, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.content
        items += answer.json()["items"]
        cursor = answer.json()["next"]
        if cursor is None:
            return items


def test_callers_learn_who_they_are(api, make_person, prod):
    actor = make_person("eva", "operator", environment=prod).actor
    me = api(actor).get("/api/v1/me").json()
    assert (me["label"], me["person"]) == ("eva", "eva")
    assert [(r["role"], r["environment"]) for r in me["roles"]] == [("operator", "prod-eu")]


def test_administrators_add_people_and_give_roles(api, ada, audit_trail):
    client = api(ada)
    body = {"person": "eva", "first_name": "Eva", "password": "a long enough phrase"}
    assert client.put("/api/v1/people/eva", body, format="json").status_code == 201
    answer = client.put("/api/v1/people/eva", {"first_name": "Eve"}, format="json")
    assert (answer.status_code, answer.json()["name"]) == (200, "Eve")

    role = client.post("/api/v1/people/eva/roles", {"role": "viewer"}, format="json")
    again = client.post("/api/v1/people/eva/roles", {"role": "viewer"}, format="json")
    assert role.status_code == 201
    assert role.json() == again.json()
    assert client.delete(f"/api/v1/roles/{role.json()['id']}").status_code == 204
    assert client.delete(f"/api/v1/roles/{role.json()['id']}").json()["code"] == "already_revoked"
    assert [action for action, _ in audit_trail()] == [
        "person.added",
        "person.changed",
        "role.granted",
        "role.revoked",
    ]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("put", "people/eva", {"person": "eva"}),
        ("put", "people/bram", {"is_staff": True}),
        ("post", "people/asha/roles", {"role": "admin"}),
        ("get", "people", None),
        ("get", "people/bram", None),
        ("get", "people/nobody", None),
        ("get", "audit/entries", None),
        ("get", "audit/entries/1", None),
        ("get", "audit/entries/99999999999999999999", None),
    ],
)
def test_a_submitter_may_none_of_it(api, asha, bram, audit_trail, method, path, body):
    answer = getattr(api(asha), method)(f"/api/v1/{path}", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert audit_trail() == []


@pytest.mark.parametrize("field", ["is_superuser", "id", "state", "date_joined", "groups"])
def test_fields_nobody_sends_are_refused(api, ada, field):
    answer = api(ada).put("/api/v1/people/eva", {"person": "e", field: "1"}, format="json")
    assert (answer.status_code, list(answer.json()["problems"])) == (400, [field])
    assert not User.objects.filter(username="eva").exists()


def test_people_make_and_end_their_own_tokens(api, asha, bram):
    client = api(asha)
    made = client.post("/api/v1/tokens", {"name": "laptop", "days": 1}, format="json")
    assert made.status_code == 201
    other = api()
    other.credentials(HTTP_AUTHORIZATION=f"Bearer {made.json()['secret']}")
    assert other.get("/api/v1/me").json()["label"] == "asha"
    assert made.json()["secret"] not in client.get("/api/v1/tokens").content.decode()

    path = f"/api/v1/tokens/{made.json()['id']}"
    assert api(bram).delete(path).json()["code"] == "forbidden"
    assert client.delete(path).status_code == 204
    assert other.get("/api/v1/me").status_code == 401


def test_the_log_reads_in_pages_that_end(api, ada):
    client = api(ada)
    first = client.get("/api/v1/audit/entries", {"limit": 2}).json()
    api(ada)  # Issues a token: the log grows while it is read.
    bound = Entry.objects.order_by("-seq")[1].seq

    assert [entry["seq"] for entry in first["items"]] == [1, 2]
    entries = pages(client, "/api/v1/audit/entries", limit=2)
    assert [entry["seq"] for entry in entries] == list(range(1, bound + 2))
    rest = client.get("/api/v1/audit/entries", {"limit": 500, "cursor": first["next"]}).json()
    assert rest["items"][-1]["seq"] == bound
    assert rest["next"] is None
    assert AccessLog.objects.filter(kind="log.read", principal="ada").count() == 2


def test_the_log_is_filtered(api, ada):
    client = api(ada)
    query = {"action": "role.granted", "object": f"principal:{ada.id}"}
    found = pages(client, "/api/v1/audit/entries", **query)
    assert len(found) == 2
    assert found[0]["details"]["role"] == "auditor"
    assert client.get("/api/v1/audit/entries/1").json()["seq"] == 1
    assert client.get("/api/v1/audit/entries/999").json()["code"] == "not_found"


@pytest.mark.parametrize(
    "query",
    [
        {"ordering": "password"},
        {"actor__regex": "(a+)+$"},
        {"limit": "1000000000"},
        {"limit": "-1"},
        {"limit": "0"},
        {"limit": "\u0663"},
        {"cursor": "x"},
        {"cursor": "WyJhIiwiYiJd"},
        {"cursor": "WzFd"},
        {"cursor": "W10"},
        {"cursor": "\u00e4"},
        {"cursor": "WyI5OTk5OTk5OTk5OTk5OTk5OTk5OTkiLCIxIl0"},
        {"request": "x"},
        {"model_version": "99999999999"},
        {"model_version": "-1"},
        {"since": "yesterday"},
        {"since": "2026-01-01T00:00:00"},
        {"since": "2026-13-01T00:00:00Z"},
        {"model": ["a", "b"]},
    ],
)
def test_a_strange_query_is_a_bad_request(api, ada, query):
    answer = api(ada).get("/api/v1/audit/entries", query)
    assert answer.status_code == 400
    assert answer.json()["code"] in {"invalid_query", "bad_limit", "bad_cursor"}


def test_an_auditor_of_one_environment_reads_that_one(api, make_person, prod):
    client = api(make_person("eva", "auditor", environment=prod).actor)
    assert client.get("/api/v1/audit/entries").json()["code"] == "forbidden"
    found = pages(client, "/api/v1/audit/entries", environment="prod-eu")
    assert {entry["environment"] for entry in found} == {"prod-eu"}
    assert client.get(f"/api/v1/audit/entries/{found[0]['seq']}").status_code == 200
    assert client.get("/api/v1/audit/entries/1").status_code in {200, 403}


def test_an_account_with_an_odd_name_is_found_or_not_but_never_a_500(api, ada):
    for name in ("a%2fb", "..", "a b", "%F0%9F%98%80", "x" * 500, "' OR 1=1"):
        assert api(ada).get(f"/api/v1/people/{name}").status_code in {404, 200}
        answer = api(ada).put(f"/api/v1/people/{name}", {"person": "p"}, format="json")
        assert answer.status_code in {400, 404}
    assert RoleBinding.objects.count() == 2
