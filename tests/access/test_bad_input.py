"""What callers send that they should not: told so, changes nothing, and is never a 500."""

import gzip
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from governance.audit.models import Entry
from governance.models import AccessLog
from governance.services import bindings, people, tokens
from governance.services.environments import define_environment

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
LISTS = (
    "audit/checkpoints",
    "audit/entries",
    "findings",
    "incidents",
    "models",
    "people",
    "policies",
    "promotions",
    "webhooks",
)
ODD = (
    "ordering=password",
    "ordering=-token__sha256",
    "username__regex=(a%2B)%2B%24",
    "limit=1000000000",
    "limit=-1",
    "limit=1e3",
    "offset=-1",
    "cursor=a",
    "cursor=%00",
    "environment=%ED%A0%80",
    "limit=1&limit=2",
)


@pytest.fixture
def bram(make_person):
    return make_person("bram", "approver", password=PASSWORD)


def enter(password, *, username="bram", **extra):
    return Client().post("/sign-in/", {"username": username, "password": password}, **extra)


def test_guessing_is_slowed_and_nobody_is_locked_out(bram):
    for _ in range(10):
        assert enter("wrong").status_code == 401
    answer = enter(PASSWORD)

    assert (answer.status_code, answer["Retry-After"]) == (429, "300")
    assert enter(PASSWORD, REMOTE_ADDR="192.0.2.7").status_code == 302
    AccessLog.objects.update(at=timezone.now() - timedelta(minutes=6))
    assert enter(PASSWORD).status_code == 302


def test_failed_attempts_are_recorded_with_their_address(bram):
    enter("wrong", REMOTE_ADDR="192.0.2.7")
    enter("wrong", username="nobody", REMOTE_ADDR="192.0.2.8")

    rows = AccessLog.objects.order_by("pk").values_list("kind", "principal", "address")
    assert list(rows) == [
        ("sign_in.failed", "bram", "192.0.2.7"),
        ("sign_in.failed", "nobody", "192.0.2.8"),
    ]


def test_a_made_up_address_is_not_believed(bram):
    for number in range(10):
        enter("wrong", HTTP_X_FORWARDED_FOR=f"198.51.100.{number}")

    assert enter(PASSWORD, HTTP_X_FORWARDED_FOR="198.51.100.99").status_code == 429
    assert set(AccessLog.objects.values_list("address", flat=True)) == {"127.0.0.1"}


@pytest.mark.parametrize("path", ["/sign-in/", "/", "/admin/login/", "/api/v1/me", "/nowhere"])
def test_no_page_stands_in_anothers_frame(db, client, path):
    answer = client.get(path)

    assert answer["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]


def test_a_method_is_what_the_request_line_says(ada, api):
    binding = bindings.grant_role(
        to=people.add_person(username="eva", person="eva", actor=ada), role="viewer", actor=ada
    )
    client = api(ada)
    before = Entry.objects.count()
    path = f"/api/v1/roles/{binding.pk}"
    for method in ("DELETE", "PUT"):
        answer = client.post(path, {}, format="json", HTTP_X_HTTP_METHOD_OVERRIDE=method)
        assert answer.status_code == 405
    assert client.post(path, {"_method": "DELETE"}, format="json").status_code == 405
    assert Entry.objects.count() == before


@pytest.mark.parametrize("name", ["token", "access_token", "authorization", "Authorization"])
def test_a_token_in_the_address_opens_nothing(bram, bearer, client, name):
    answer = client.get("/api/v1/me", {name: f"Bearer {bearer(bram.actor)}"})

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        (
            "post",
            "promotions",
            {"model": "m", "version": 1, "environment": "qa", "to": "dark", "reason": "x"},
        ),
        ("put", "people/eva", {}),
        ("post", "tokens", {"name": "mine"}),
        ("post", "people/ada/roles", {"role": "viewer"}),
    ],
)
@pytest.mark.parametrize(
    "field",
    ["state", "approved_by", "generation", "created_at", "id", "is_superuser", "sha256", "user"],
)
def test_fields_nobody_may_send_are_refused_by_name(ada, api, method, path, body, field):
    before = Entry.objects.count()
    answer = getattr(api(ada), method)(f"/api/v1/{path}", {**body, field: "x"}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert field in answer.json()["problems"]
    assert Entry.objects.exclude(action="token.issued").count() == before


@pytest.mark.parametrize("path", LISTS)
def test_odd_filters_are_refused_or_change_nothing(ada, api, path):
    client = api(ada)
    plain = client.get(f"/api/v1/{path}").json()
    for query in ODD:
        answer = client.get(f"/api/v1/{path}?{query}")
        assert answer.status_code == 400 or (answer.status_code, answer.json()) == (200, plain), (
            query
        )


def test_a_body_that_would_unfold_is_not_unfolded(ada, api):
    bomb = gzip.compress(b'{"name": "' + b"a" * 10_000_000 + b'"}')
    answer = api(ada).generic(
        "POST", "/api/v1/tokens", bomb, "application/json", HTTP_CONTENT_ENCODING="gzip"
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")


class TestWhatIsTakenAway:
    """Counts at the very next request, by whichever way somebody comes in."""

    def seen(self, secret):
        return Client().get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"}).status_code

    @pytest.mark.parametrize("scope", ["personal", "ci", "agent"])
    def test_a_revoked_token(self, bram, set_up, scope):
        owner = None if scope == "agent" else bram
        issued = tokens.issue(name="t", scope=scope, owner=owner, actor=set_up)
        assert self.seen(issued.secret) == 200
        tokens.revoke(token_id=issued.token.pk, actor=set_up)

        assert self.seen(issued.secret) == 401

    @pytest.mark.parametrize("scope", ["personal", "ci"])
    def test_the_tokens_of_a_disabled_account(self, bram, set_up, scope):
        issued = tokens.issue(name="t", scope=scope, owner=bram, actor=set_up)
        assert self.seen(issued.secret) == 200
        people.disable_person(user_id=bram.pk, actor=set_up)

        assert self.seen(issued.secret) == 401

    def test_a_role_of_a_service(self, bram, set_up):
        place = define_environment(slug="qa", kind="qa", actor=set_up).environment
        issued = tokens.issue(name="t", scope="ci", owner=bram, actor=set_up)
        held = bindings.grant_role(to=issued.token, role="viewer", environment=place, actor=set_up)
        headers = {"Authorization": f"Bearer {issued.secret}"}
        assert Client().get("/api/v1/environments", headers=headers).status_code == 200
        bindings.revoke_role(binding_id=held.pk, actor=set_up)

        assert Client().get("/api/v1/environments", headers=headers).status_code == 403
