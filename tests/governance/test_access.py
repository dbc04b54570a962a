"""Who may do what, where: denied by default, by bindings alone, at once."""

import pytest

from governance.access import Permission, allowed, environments, groups, require, roles_of
from governance.actors import Actor
from governance.errors import Conflict, Forbidden, Invalid, Refused
from governance.models import RoleBinding, User
from governance.services import bindings, people, tokens
from governance.services.environments import define_environment

pytestmark = pytest.mark.django_db


@pytest.fixture
def prod(set_up):
    return define_environment(slug="prod-eu", kind="production", actor=set_up).environment


@pytest.fixture
def qa(set_up):
    return define_environment(slug="qa", kind="qa", actor=set_up).environment


@pytest.fixture
def service(asha, set_up):
    owner = User.objects.get(pk=asha.id)
    return tokens.issue(name="ci", scope="ci", owner=owner, actor=set_up).token


MATRIX = {
    "viewer": {"view"},
    "submitter": {"view", "comment", "submit"},
    "approver": {"view", "comment", "approve", "record findings"},
    "risk": {"view", "comment", "approve", "waive", "record findings", "handle incidents"},
    "operator": {"view", "comment", "operate", "handle incidents"},
    "auditor": {"view", "comment", "audit", "see people", "erase"},
    "admin": {"view", "comment", "see people", "erase", "administer"},
}


@pytest.mark.parametrize("role", RoleBinding.Role.values)
def test_a_role_carries_its_permissions_and_no_other(make_person, prod, role):
    actor = make_person("eva", role).actor
    held = {p.value for p in Permission if allowed(actor, p, environment=prod)}
    assert held == MATRIX[role]


def test_nobody_may_anything_by_default(make_person, prod):
    actor = make_person("eva").actor
    assert not any(allowed(actor, permission) for permission in Permission)
    with pytest.raises(Forbidden) as error:
        require(actor, Permission.APPROVE, environment=prod)
    assert error.value.context["roles"] == ["approver", "risk"]


def test_a_superuser_bypasses_nothing(set_up):
    root = people.add_person(
        username="root", person="root", is_superuser=True, is_staff=True, actor=set_up
    )
    assert not any(allowed(root.actor, permission) for permission in Permission)


def test_an_agent_and_an_unknown_actor_may_nothing(prod):
    for actor in (
        Actor.from_agent(prod.pk, name="x"),
        Actor.from_service(prod.pk, name="x", owner="asha"),
        Actor("user", str(prod.pk), "x", "x"),
    ):
        assert not allowed(actor, Permission.VIEW)


def test_a_role_holds_where_it_was_given(make_person, prod, qa):
    actor = make_person("eva", "operator", environment=qa).actor

    assert allowed(actor, Permission.OPERATE, environment=qa)
    assert not allowed(actor, Permission.OPERATE, environment=prod)
    assert not allowed(actor, Permission.VIEW, environment=prod)
    assert allowed(actor, Permission.VIEW), "to view, a role anywhere is enough"
    assert not allowed(actor, Permission.OPERATE), "to operate in general, it is not"
    assert list(environments(actor)) == [qa]
    assert list(environments(actor, Permission.AUDIT)) == []
    assert roles_of(actor, environment=qa) == {"operator"}
    assert roles_of(actor, environment=prod) == roles_of(actor) == frozenset()


def test_a_role_for_a_group_is_for_no_other_model(make_person, prod):
    actor = make_person("eva", "submitter", group="fraud").actor

    assert allowed(actor, Permission.SUBMIT, environment=prod, group="fraud")
    assert not allowed(actor, Permission.SUBMIT, environment=prod, group="ads")
    assert not allowed(actor, Permission.SUBMIT, environment=prod, group="")
    assert not allowed(actor, Permission.SUBMIT, group="")
    assert allowed(actor, Permission.SUBMIT)
    assert list(environments(actor)) == [prod]


def test_the_groups_somebody_sees(make_person, set_up):
    assert groups(make_person("eva", "viewer", group="fraud").actor) == {"fraud"}
    assert groups(make_person("finn", "viewer").actor) is None
    assert groups(make_person("gil").actor) == frozenset()
    assert groups(set_up) is None


def test_one_question_is_one_query(asha, prod, django_assert_num_queries):
    with django_assert_num_queries(1):
        allowed(asha, Permission.SUBMIT, environment=prod, group="x")
    with django_assert_num_queries(1):
        roles_of(asha, environment=prod)


def test_what_is_taken_away_no_longer_counts(asha, ada, service, set_up):
    actor = Actor.from_service(service.pk, name="ci", owner="asha")
    bindings.grant_role(to=service, role="submitter", actor=ada)
    assert allowed(actor, Permission.SUBMIT)
    assert allowed(asha, Permission.SUBMIT)

    of_asha = RoleBinding.objects.get(user=asha.id)
    bindings.revoke_role(binding_id=of_asha.pk, actor=ada)
    assert not allowed(asha, Permission.SUBMIT)
    assert allowed(actor, Permission.SUBMIT), "a service has roles of its own"

    people.disable_person(user_id=asha.id, actor=set_up)
    assert not allowed(actor, Permission.SUBMIT), "but not without its owner"


def test_a_revoked_token_has_no_roles(service, asha, set_up):
    actor = Actor.from_service(service.pk, name="ci", owner="asha")
    bindings.grant_role(to=service, role="submitter", actor=set_up)
    tokens.revoke(token_id=service.pk, actor=asha)
    assert not allowed(actor, Permission.SUBMIT)


def test_granting_twice_is_granting_once(asha, ada, prod, audit_trail):
    user = User.objects.get(pk=asha.id)
    first = bindings.grant_role(to=user, role="viewer", environment=prod, actor=ada)
    assert bindings.grant_role(to=user, role="viewer", environment=prod, actor=ada) == first
    bindings.revoke_role(binding_id=first.pk, actor=ada)
    with pytest.raises(Conflict):
        bindings.revoke_role(binding_id=first.pk, actor=ada)
    assert bindings.grant_role(to=user, role="viewer", environment=prod, actor=ada) != first
    assert audit_trail() == [
        ("role.granted", "ada"),
        ("role.revoked", "ada"),
        ("role.granted", "ada"),
    ]


def test_nobody_gives_themselves_a_role_by_any_account_or_token(ada, make_person, set_up):
    second = make_person("ada-2", person="ada")
    token = tokens.issue(name="ci", scope="ci", owner=second, actor=set_up).token
    for holder in (User.objects.get(pk=ada.id), second, token):
        with pytest.raises(Refused) as refusal:
            bindings.grant_role(to=holder, role="viewer", actor=ada)
        assert refusal.value.rule == "own_rights"


def test_an_administrator_of_one_environment_gives_roles_there(make_person, qa, prod, asha):
    admin = make_person("eva", "admin", environment=qa).actor
    user = User.objects.get(pk=asha.id)

    bindings.grant_role(to=user, role="viewer", environment=qa, actor=admin)
    for elsewhere in (prod, None):
        with pytest.raises(Forbidden):
            bindings.grant_role(to=user, role="viewer", environment=elsewhere, actor=admin)
    with pytest.raises(Forbidden):
        people.add_person(username="x", person="x", actor=admin)


@pytest.mark.parametrize("role", ["approver", "risk", "root"])
def test_no_token_approves(service, ada, role):
    with pytest.raises(Invalid):
        bindings.grant_role(to=service, role=role, actor=ada)


def test_personal_and_agents_tokens_have_no_roles_of_their_own(asha, ada, set_up):
    owner = User.objects.get(pk=asha.id)
    for token in (
        tokens.issue(name="me", scope="personal", owner=owner, actor=asha).token,
        tokens.issue(name="eu-1", scope="agent", actor=set_up).token,
    ):
        with pytest.raises(Invalid):
            bindings.grant_role(to=token, role="viewer", actor=ada)


def test_defining_an_environment_again_changes_nothing(ada, audit_trail):
    fields = {"slug": "qa", "kind": "qa", "position": 2}
    assert define_environment(**fields, actor=ada).changed
    assert not define_environment(**fields, actor=ada).changed
    assert define_environment(**{**fields, "position": 3}, actor=ada).changed
    assert audit_trail() == [("environment.defined", "ada")] * 2


@pytest.mark.parametrize(
    "wrong",
    [{"slug": "QA"}, {"slug": ""}, {"slug": "a/b"}, {"kind": "prod"}, {"position": -1}],
)
def test_a_wrong_environment_is_refused(ada, wrong):
    with pytest.raises(Invalid) as error:
        define_environment(**{"slug": "qa", "kind": "qa", "position": 0, **wrong}, actor=ada)
    assert list(error.value.context) == list(wrong)


def test_only_administrators_define_environments(omar):
    with pytest.raises(Forbidden):
        define_environment(slug="qa", kind="qa", actor=omar)
