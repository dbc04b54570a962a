"""The promotion API: clear errors with stable codes, and nothing changed by them."""

import base64
import hashlib
import json
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from rest_framework.test import APIClient

from governance.audit.models import Entry
from governance.models import User
from promotion.models import Agent, Deployment, Request
from tests.promotion.conftest import PASSWORD, PROD

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent_api():
    def client(rig):
        made = APIClient()
        made.credentials(HTTP_AUTHORIZATION=f"Bearer {rig.secret}")
        return made

    return client


def promote(client, version=1, **changes):
    body = {
        "model": "credit-default",
        "version": version,
        "environment": "prod-eu",
        "to": "production",
        "reason": "better",
        **changes,
    }
    return client.post("/api/v1/promotions", body, format="json")


def with_password(actor):
    user = User.objects.get(pk=actor.id)
    from governance.services import people

    people.set_password(user_id=user.pk, password=PASSWORD, actor=actor)
    return actor


def test_a_promotion_from_request_to_live(world, api, asha, bram, vera):
    rig = world.agent("eu-1")
    world.version()
    opened = promote(api(asha))
    assert opened.status_code == 201, opened.content
    body = opened.json()
    assert body["state"] == "open"
    assert body["content"]["replaces"] is None
    signature = {
        "decision": "approve",
        "meaning": "approval",
        "content_hash": body["content_hash"],
        "password": PASSWORD,
    }
    path = f"/api/v1/promotions/{body['id']}"
    signed = api(with_password(bram)).post(f"{path}/approvals", signature, format="json")
    assert signed.status_code == 201, signed.content
    assert signed.json()["state"] == "executing"
    world.settle()
    shown = api(vera).get(path).json()
    assert shown["state"] == "done"
    assert {step["step"] for step in shown["rollouts"][0]["agents"]} == {"load", "commit"}
    state = api(vera).get("/api/v1/environments/prod-eu/state").json()
    assert state["models"][0]["live"]["verdict"] == "confirmed"
    assert rig.desired()["models"][0]["champion"]["version"] == 1


def test_a_dry_run_answers_and_changes_nothing(world, api, asha):
    world.version()
    entries = Entry.objects.count()

    answer = promote(api(asha))
    assert answer.status_code == 201
    Request.objects.all()
    before = Entry.objects.count()
    dry = api(asha).post(
        "/api/v1/promotions?dry_run=1",
        {
            "model": "credit-default",
            "version": 1,
            "environment": "qa",
            "to": "production",
            "reason": "why not",
        },
        format="json",
    )
    assert dry.status_code == 200
    assert dry.json()["would_pass"] is True
    assert not Deployment.objects.filter(environment__slug="qa").exists()
    assert Entry.objects.count() - before <= 1, entries  # the token of the second client


WRONG = [
    ({"environment": "nowhere"}, 404, "unknown_environment"),
    ({"model": "unknown"}, 404, "unknown_model"),
    ({"version": 99}, 404, "unknown_version"),
    ({"version": 0}, 400, "invalid"),
    ({"version": "1"}, 400, "invalid"),
    ({"version": True}, 400, "invalid"),
    ({"version": 2**31}, 400, "invalid"),
    ({"version": 10**30}, 400, "invalid_json"),
    ({"to": "champion"}, 400, "invalid"),
    ({"reason": "   "}, 400, "invalid"),
    ({"reason": "a\u0000b"}, 400, "invalid_json"),
    ({"reason": "x" * 100_000}, 400, "invalid"),
    ({"reason": "abc\u202edef"}, 400, "invalid"),
    ({"state": "approved"}, 400, "invalid"),
    ({"approved_by": "bram"}, 400, "invalid"),
    ({"to": "retired"}, 201, ""),
]


@pytest.mark.parametrize(("changes", "status", "code"), WRONG)
def test_wrong_input_gets_a_clear_error_and_changes_nothing(
    world, api, asha, changes, status, code
):
    world.version()

    answer = promote(api(asha), **changes)

    assert answer.status_code == status, answer.content
    if code:
        assert answer.json()["code"] == code
        assert answer["Content-Type"] == "application/problem+json"
        assert not Request.objects.exists()
        assert not Deployment.objects.exists()


def test_who_has_no_role_may_not_ask(world, api, vera, omar):
    world.version()

    assert promote(api()).status_code == 401
    assert promote(api(vera)).json()["code"] == "forbidden"
    assert promote(api(omar)).json()["code"] == "forbidden"
    assert not Request.objects.exists()


def test_an_environment_as_code_is_put_once(api, ada, asha):
    first = api(ada).put("/api/v1/environments/prod-us", PROD, format="json")
    again = api(ada).put("/api/v1/environments/prod-us", PROD, format="json")
    dry = api(ada).put("/api/v1/environments/other?dry_run=1", PROD, format="json")
    denied = api(asha).put("/api/v1/environments/prod-us", PROD, format="json")

    assert first.json().get("changed") is True, first.json()
    assert again.json() == {"changed": False, "changes": [], "dry_run": False}
    assert dry.json()["changed"] is True
    assert denied.status_code == 403
    listed = api(ada).get("/api/v1/environments").json()["items"]
    assert [e["slug"] for e in listed] == ["prod-us"]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"kind": "prod"},
        {"kind": "qa", "extra": 1},
        {"kind": "qa", "policy": {"approvals": "1"}},
        {"kind": "qa", "policy": {"approvals": -1}},
        {"kind": "qa", "policy": {"unknown": 1}},
        {"kind": "qa", "targets": {"dark": {}}},
        {"kind": "qa", "targets": {"live": {"mirror_fraction": 1.5}}},
        {"kind": "qa", "targets": {"live": {}, "other": {}}},
        {"kind": "qa", "position": 10**9},
    ],
)
def test_a_wrong_environment_is_refused_whole(api, ada, document):
    answer = api(ada).put("/api/v1/environments/prod-us", document, format="json")

    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] == "invalid"
    assert api(ada).get("/api/v1/environments").json()["items"] == []


def test_an_agent_gets_the_exact_signed_bytes_once(world, agent_api):
    client = agent_api(world.agent("eu-1"))

    first = client.get("/api/v1/agents/self/desired-state")
    tag = first["ETag"]
    again = client.get("/api/v1/agents/self/desired-state", HTTP_IF_NONE_MATCH=tag)
    odd = client.get("/api/v1/agents/self/desired-state", HTTP_ACCEPT="application/vnd.dsse+json")
    assert odd.content == first.content

    assert tag == f'"{hashlib.sha256(first.content).hexdigest()}"'
    assert (again.status_code, again.content) == (304, b"")
    envelope = json.loads(first.content)
    body = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    key = json.loads(body)["keys"][0]
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key["public"]))
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)
    public.verify(base64.b64decode(envelope["signatures"][0]["sig"]), signed)


def test_an_agent_has_its_own_paths_and_no_others(world, agent_api, api, asha):
    client = agent_api(world.agent("eu-1"))

    assert promote(client).status_code == 403
    assert client.get("/api/v1/promotions").status_code == 403
    for path in ("desired-state",):
        denied = api(asha).get(f"/api/v1/agents/self/{path}")
        assert (denied.status_code, denied.json()["code"]) == (403, "not_an_agent")
    assert APIClient().get("/api/v1/agents/self/desired-state").status_code == 401


def test_an_agent_that_left_and_reports_counts_again(world, agent_api):
    rig = world.agent("eu-1")
    client = agent_api(rig)
    assert client.post("/api/v1/agents/self/leave").status_code == 204
    assert Agent.objects.get().left_at is not None
    rig.obey()
    assert Agent.objects.get().left_at is None


def test_a_token_is_renewed_and_the_old_one_lasts_a_little(world, agent_api):
    rig = world.agent("eu-1")
    client = agent_api(rig)

    renewed = client.post("/api/v1/agents/self/renew")

    assert renewed.status_code == 200, renewed.content
    assert renewed.json()["token"] != rig.secret
    assert client.get("/api/v1/agents/self/desired-state").status_code == 200
    rig.secret = renewed.json()["token"]
    assert agent_api(rig).get("/api/v1/agents/self/desired-state").status_code == 200


def test_nobody_enrols_without_a_good_join_token(world):
    world.agent("eu-1")
    for token in ("", "lgj_nonsense", "x" * 201, "\ud800"):
        body = json.dumps({"join_token": token, "name": "eve"})
        answer = APIClient().post("/api/v1/agents/enrol", body, content_type="application/json")
        assert answer.status_code in {400, 401}, answer.content
    assert Agent.objects.count() == 1


def test_unknown_requests_are_not_found(api, asha, bram):
    path = f"/api/v1/promotions/{uuid4()}"
    signature = {
        "decision": "approve",
        "meaning": "approval",
        "content_hash": "0" * 64,
        "password": PASSWORD,
    }
    with_password(bram)
    assert api(asha).get(path).json()["code"] == "unknown_request"
    answer = api(bram).post(f"{path}/approvals", signature, format="json")
    assert answer.status_code == 404
    assert api(asha).get("/api/v1/promotions/1").status_code == 404


def test_guessing_a_password_at_the_signature_is_limited_and_signs_nothing(world, api, asha, bram):
    world.agent("eu-1")
    world.version()
    body = promote(api(asha)).json()
    client = api(with_password(bram))
    path = f"/api/v1/promotions/{body['id']}/approvals"
    signature = {
        "decision": "approve",
        "meaning": "approval",
        "content_hash": body["content_hash"],
        "password": "not this one",
    }
    answers = [client.post(path, signature, format="json") for _ in range(12)]

    assert answers[0].json()["code"] == "wrong_password"
    assert answers[-1].status_code == 429
    assert answers[-1].json()["code"] == "too_many_attempts"
    signature["password"] = PASSWORD
    assert client.post(path, signature, format="json").status_code == 429
    assert Request.objects.get().state == "open"


def test_a_misspelt_state_is_not_an_empty_list(api, world, vera):
    assert api(vera).get("/api/v1/promotions?state=open").json()["items"] == []
    answer = api(vera).get("/api/v1/promotions?state=opened")
    assert answer.status_code == 400
    assert "must be one of open, approved" in answer.json()["problems"]["state"]
