"""A token in the header, and nothing else, tells who calls."""

import pytest

from governance.models import User
from governance.services import people, tokens

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.governance.urls")]
WHOAMI = "/api/v1/test/whoami"


def with_secret(api, secret):
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def test_a_personal_token_is_its_person(api, asha):
    assert api(asha).get(WHOAMI).json() == {"kind": "user", "persons": ["asha"]}


def test_a_service_token_is_itself_with_its_owner_behind(api, asha):
    owner = User.objects.get(pk=asha.id)
    secret = tokens.issue(name="ci", scope="ci", owner=owner, actor=asha).secret
    assert with_secret(api, secret).get(WHOAMI).json() == {"kind": "service", "persons": ["asha"]}


def test_an_agents_token_opens_what_is_for_agents(api, asha, set_up):
    issued = tokens.issue(name="eu-1", scope="agent", actor=set_up)
    client = with_secret(api, issued.secret)

    assert client.get(WHOAMI).json() == {"kind": "agent", "persons": []}
    assert client.get("/api/v1/test/agents").json() == {"token": str(issued.token.pk)}
    assert api(asha).get("/api/v1/test/agents").json()["code"] == "not_an_agent"
    assert client.get("/api/v1/people").json()["code"] == "forbidden"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "unauthenticated"),
        ("Basic YTpi", "unauthenticated"),
        ("Bearer", "bad_token"),
        ("Bearer ", "bad_token"),
        ("Bearer lg_ci_" + "A" * 43, "bad_token"),
        ("Bearer " + "A" * 10_000, "bad_token"),
        ("Bearer \xff\xfe", "bad_token"),
        ("bearer eyJhbGciOiJub25lIn0.e30.", "bad_token"),
    ],
)
def test_anything_else_is_nobody(api, header, code):
    client = api()
    if header is not None:
        client.credentials(HTTP_AUTHORIZATION=header)
    answer = client.get(WHOAMI)
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_token_in_the_query_is_not_looked_at(api, asha, bearer):
    secret = bearer(asha)
    for name in ("token", "access_token", "authorization"):
        assert api().get(WHOAMI, {name: secret}).status_code == 401


def test_a_session_is_nobody_to_the_api(client, asha):
    client.force_login(User.objects.get(pk=asha.id))
    assert client.get(WHOAMI).status_code == 401


def test_a_disabled_account_and_a_revoked_token_are_refused_next_time(api, ada, asha, bram, bearer):
    client, other = api(asha), api(bram)
    assert client.get(WHOAMI).status_code == other.get(WHOAMI).status_code == 200
    people.disable_person(user_id=asha.id, actor=ada)
    assert client.get(WHOAMI).status_code == 401
    tokens.revoke(token_id=User.objects.get(pk=bram.id).tokens.get().pk, actor=bram)
    assert other.get(WHOAMI).status_code == 401
