"""A POST with an Idempotency-Key happens once, however often it is sent."""

import threading

import pytest
from django.db import connection, transaction
from rest_framework.test import APIClient

from governance.audit.models import Entry
from governance.models import Environment, IdempotencyKey

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.governance.urls")]
PATH = "/api/v1/test/define/qa"


@pytest.fixture
def client(api, ada):
    return api(ada)


def post(client, key="k1", path=PATH, **body):
    return client.post(path, body, format="json", HTTP_IDEMPOTENCY_KEY=key)


def test_a_repeated_post_gets_the_first_answer_and_does_nothing(client, audit_trail):
    first, second = post(client), post(client)

    assert (first.status_code, first.json()) == (201, {"changed": True})
    assert (second.status_code, second.content) == (201, first.content)
    assert second["Location"] == first["Location"]
    assert second["Content-Type"] == first["Content-Type"]
    assert audit_trail() == [("environment.defined", "ada")]


def test_without_a_key_it_happens_again(client):
    client.post(PATH, {}, format="json")
    assert client.post(PATH, {}, format="json").json() == {"changed": False}


@pytest.mark.parametrize("other", [{"kind": "production"}, {"path": "/api/v1/test/define/qb"}])
def test_a_key_belongs_to_one_request(client, other):
    post(client)
    answer = post(client, **other)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")


def test_a_key_belongs_to_one_principal(client, api, omar):
    post(client)
    assert post(api(omar)).json()["code"] == "forbidden"


def test_a_failed_request_may_be_tried_again_with_its_key(client):
    assert post(client, kind="wrong").status_code == 400
    assert not IdempotencyKey.objects.exists()
    assert post(client).status_code == 201


def test_a_refusal_survives_although_the_key_is_given_back(client, ada, audit_trail):
    answer = post(client, path="/api/v1/people/ada/roles", role="approver")
    assert (answer.status_code, answer.json()["code"]) == (403, "own_rights")
    assert audit_trail() == [("attempt.refused", "ada")]


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a\tb\x00"])
def test_a_strange_key_is_refused(client, key):
    assert post(client, key=key).json()["code"] == "bad_idempotency_key"


def test_an_answer_with_a_secret_is_not_kept(client):
    answer = post(client, path="/api/v1/tokens", name="x")
    assert answer.json()["code"] == "idempotency_key_not_taken"
    assert not IdempotencyKey.objects.exists()


def test_nobody_leaves_no_key(api):
    assert post(api()).status_code == 401
    assert not IdempotencyKey.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_are_one(bearer, ada):
    secret, answers = bearer(ada), []

    def send():
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        try:
            answers.append(post(client))
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (201, {"changed": True})
    ] * 8
    assert Environment.objects.count() == 1
    assert Entry.objects.filter(action="environment.defined").count() == 1


@pytest.mark.django_db(transaction=True)
def test_what_the_commit_refuses_is_not_kept(client):
    answer = post(client, path="/api/v1/test/dangling")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert not IdempotencyKey.objects.exists()


def test_a_key_is_forgotten_after_a_day(client):
    post(client)
    with transaction.atomic():
        IdempotencyKey.objects.update(created_at="2020-01-01T00:00:00Z")
    assert post(client).json() == {"changed": False}
