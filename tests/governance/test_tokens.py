"""A token's secret is shown once, known again by its hash, and ends at once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from governance.actors import Actor
from governance.errors import Conflict, Forbidden, Invalid, Unauthenticated
from governance.models import ServiceToken, User
from governance.services import people, tokens

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(asha):
    return User.objects.get(pk=asha.id)


@pytest.fixture
def issued(owner, asha):
    return tokens.issue(name="ci", scope="ci", owner=owner, actor=asha)


@pytest.fixture
def agents(set_up):
    return tokens.issue(name="eu-1", scope="agent", actor=set_up)


def test_only_the_hash_is_kept(issued, asha, audit_trail):
    assert tokens.SECRET.match(issued.secret)
    stored = " ".join(map(str, ServiceToken.objects.values_list().get()))
    assert issued.secret not in stored
    assert issued.secret.split("_", 2)[2] not in stored
    assert tokens.authenticate(issued.secret) == issued.token
    assert audit_trail() == [("token.issued", "asha")]


@pytest.mark.parametrize("secret", ["", "x", "lg_ci_" + "A" * 43, "lg_ci_\0", "lg_ci_\ud800"])
def test_another_secret_is_nobodys_at_the_cost_of_one_query(
    issued, secret, django_assert_num_queries
):
    with django_assert_num_queries(1), pytest.raises(Unauthenticated) as error:
        tokens.authenticate(secret)
    assert error.value.code == "bad_token"
    with django_assert_num_queries(1):
        tokens.authenticate(issued.secret)


def test_a_revoked_token_is_nobodys(issued, asha, audit_trail):
    tokens.revoke(token_id=issued.token.pk, actor=asha)
    with pytest.raises(Unauthenticated):
        tokens.authenticate(issued.secret)
    with pytest.raises(Conflict):
        tokens.revoke(token_id=issued.token.pk, actor=asha)
    assert audit_trail() == [("token.issued", "asha"), ("token.revoked", "asha")]


def test_a_token_ends_with_its_time_and_with_its_owner(issued, owner, asha, ada):
    people.disable_person(user_id=owner.pk, actor=ada)
    with pytest.raises(Unauthenticated):
        tokens.authenticate(issued.secret)
    people.change_person(user_id=owner.pk, actor=ada, changes={"is_active": True})
    tokens.authenticate(issued.secret)
    ServiceToken.objects.update(expires_at=timezone.now())
    with pytest.raises(Unauthenticated):
        tokens.authenticate(issued.secret)


def test_only_administrators_handle_other_peoples_tokens(issued, owner, bram, ada):
    with pytest.raises(Forbidden):
        tokens.issue(name="x", scope="personal", owner=owner, actor=bram)
    with pytest.raises(Forbidden):
        tokens.revoke(token_id=issued.token.pk, actor=bram)
    tokens.revoke(token_id=issued.token.pk, actor=ada)


def test_a_service_does_not_make_tokens_for_its_owner(issued, owner):
    service = Actor.from_service(issued.token.pk, name="ci", owner="asha")
    with pytest.raises(Forbidden):
        tokens.issue(name="x", scope="personal", owner=owner, actor=service)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a\0"},
        {"scope": "root"},
        {"owner": None},
        {"lifetime": timedelta(0)},
        {"lifetime": timedelta(days=400)},
    ],
)
def test_a_wrong_field_is_named(owner, asha, wrong):
    fields = {"name": "ci", "scope": "ci", "owner": owner, **wrong}
    with pytest.raises(Invalid) as error:
        tokens.issue(**fields, actor=asha)
    assert list(error.value.context) == list(wrong)


def test_the_old_secret_outlives_a_rotation_by_five_minutes(agents, set_up, audit_trail):
    first = agents.secret
    second = tokens.rotate(secret=first, lifetime=timedelta(days=1), actor=set_up).secret
    third = tokens.rotate(secret=first, lifetime=timedelta(days=1), actor=set_up).secret

    assert tokens.authenticate(first) == tokens.authenticate(third) == agents.token
    with pytest.raises(Unauthenticated):
        tokens.authenticate(second)
    ServiceToken.objects.update(previous_until=timezone.now())
    with pytest.raises(Unauthenticated):
        tokens.authenticate(first)


def test_only_agents_tokens_rotate(issued, asha):
    with pytest.raises(Invalid):
        tokens.rotate(secret=issued.secret, lifetime=timedelta(days=1), actor=asha)


def test_operators_end_agents_tokens_and_agents_their_own(agents, set_up, asha, omar):
    with pytest.raises(Forbidden):
        tokens.revoke(token_id=agents.token.pk, actor=asha)
    tokens.revoke(token_id=agents.token.pk, actor=omar)
    other = tokens.issue(name="eu-2", scope="agent", actor=set_up)
    agent = Actor.from_agent(other.token.pk, name="eu-2")
    third = tokens.issue(name="eu-3", scope="agent", actor=set_up)
    with pytest.raises(Forbidden):
        tokens.revoke(token_id=third.token.pk, actor=agent)
    tokens.revoke(token_id=other.token.pk, actor=agent)
