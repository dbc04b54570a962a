"""Who could do what at a moment follows from the log, whatever tables say today."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from governance import access
from governance.access import Permission
from governance.models import Environment, RoleBinding
from governance.services import bindings, people, tokens
from governance.services.environments import define_environment
from promotion import rights
from promotion.rights import Change, replay
from promotion.selectors.rights import rights_at

AT = datetime(2026, 3, 1, tzinfo=UTC)


def change(seq, action, principal, *, subject="", environment="", **facts):
    name = subject or f"principal:{principal}"
    at = AT + timedelta(minutes=seq)
    return Change(seq, at, action, principal, name, environment, "ada", facts or None)


def account(seq, name, *, active=True, action="person.added", person=""):
    return change(seq, action, name, username=name, person=person or name, is_active=active)


def grant(seq, principal, role="approver", **place):
    facts = {"role": role, "group": "", "holder": principal}
    return change(seq, "role.granted", principal, subject=f"role:{seq}", **place, **facts)


def held(*changes, at=AT + timedelta(days=1)):
    return [(one.person, one.role, one.standing) for one in replay(changes).held(at)]


def test_a_role_counts_from_its_grant_to_its_revocation():
    given = [account(1, "bram"), grant(2, "bram")]
    taken = change(3, "role.revoked", "bram", subject="role:2", role="approver")
    assert held(*given) == [("bram", "approver", "counted")]
    assert held(*given, taken) == []


def test_it_does_not_count_while_its_account_is_disabled():
    given = [account(1, "bram"), grant(2, "bram")]
    ended = account(3, "bram", active=False, action="person.disabled")
    back = account(4, "bram", action="person.changed")
    assert held(*given, ended) == [("bram", "approver", "account disabled")]
    assert held(*given, ended, back) == [("bram", "approver", "counted")]


def test_a_token_counts_no_longer_than_itself_and_its_owner():
    end = (AT + timedelta(days=2)).isoformat()
    issued = change(
        2, "token.issued", "t", subject="token:t", name="ci", owner="asha", expires_at=end
    )
    given = [account(1, "asha"), issued, grant(3, "t", "submitter")]
    assert held(*given) == [("asha", "submitter", "counted")]
    assert held(*given, at=AT + timedelta(days=3))[0][2] == "token expired"
    revoked = change(4, "token.revoked", "t", subject="token:t", name="ci", owner="asha")
    assert held(*given, revoked)[0][2] == "token revoked"
    disabled = account(4, "asha", active=False, action="person.disabled")
    assert held(*given, disabled)[0][2] == "owner disabled"


def test_a_new_password_changes_nothing_of_it():
    given = [account(1, "bram"), grant(2, "bram")]
    assert held(*given, change(3, "person.changed", "bram", changed=["password"])) == held(*given)


def test_what_was_erased_is_unknown_and_not_left_out():
    erased = Change(2, AT, "role.granted", "bram", "role:2", "", "user 7", None)
    assert held(account(1, "bram"), erased) == [("bram", rights.UNKNOWN, "counted")]
    nameless = Change(1, AT, "person.added", "bram", "principal:bram", "", "user 7", None)
    assert held(nameless, grant(2, "bram")) == [(rights.UNKNOWN, "approver", "counted")]


@pytest.mark.django_db
class TestAgainstTheTables:
    @pytest.fixture
    def places(self, set_up):
        for slug in ("a", "b"):
            define_environment(slug=slug, kind="qa", position=0, actor=set_up)
        return list(Environment.objects.order_by("slug"))

    def test_now_is_what_access_answers_for_everybody(self, places, make_person, set_up):
        bram = make_person("bram", "approver", environment=places[0])
        make_person("cleo", "risk", "viewer")
        gone = make_person("gone", "operator")
        people.disable_person(user_id=gone.pk, actor=set_up)
        taken = bindings.grant_role(to=bram, role="operator", actor=set_up)
        bindings.revoke_role(binding_id=taken.pk, actor=set_up)
        asha = make_person("asha", "submitter")
        ci = tokens.issue(name="ci", scope="ci", owner=asha, actor=set_up).token
        bindings.grant_role(to=ci, role="submitter", actor=set_up, group="cards")
        found = rights_at(timezone.now())
        told = {(one.principal.name, one.role) for one in found.held if one.counted}

        live = RoleBinding.objects.filter(revoked_at=None).select_related("user", "token")
        allowed = {
            (row.user.username if row.user else row.token.name, row.role)
            for row in live
            if row.user is None or row.user.is_active
        }
        assert told == allowed
        assert access.allowed(bram.actor, Permission.APPROVE, environment=places[0])

    def test_it_is_as_it_was_before_a_role_was_taken(self, make_person, set_up):
        bram = make_person("bram", "approver")
        then = timezone.now()
        bindings.revoke_role(binding_id=bram.bindings.get().pk, actor=set_up)

        assert [one.role for one in rights_at(then).held] == ["approver"]
        assert rights_at(timezone.now()).held == ()

    def test_it_is_narrowed_by_person_place_and_permission(self, places, make_person, set_up):
        make_person("bram", "approver", environment=places[0])
        make_person("bram-two", "operator", person="bram", environment=places[1])
        make_person("cleo", "risk")
        now = timezone.now()

        def names(**asked):
            return [one.principal.name for one in rights_at(now, **asked).held]

        assert names(person="bram") == ["bram", "bram-two"]
        assert names(person="bram-two") == ["bram-two"]
        assert names(environment="b") == ["bram-two", "cleo"]
        assert names(permission="approve", environment="a") == ["bram", "cleo"]
        assert names(permission="waive") == ["cleo"]
        assert names(person="nobody") == []

    def test_the_call_is_for_auditors_and_refuses_what_is_no_question(self, api, ada, bram):
        client = api(ada)
        answer = client.get("/api/v1/audit/rights?permission=approve")
        assert [row["person"] for row in answer.json()["items"]] == ["bram"]
        assert api(bram).get("/api/v1/audit/rights").status_code == 403
        for query in (
            "at=tomorrow",
            "permission=fly",
            "person=%E2%80%AE",
            "who=x",
            "at=9999-12-31",
        ):
            refused = client.get(f"/api/v1/audit/rights?{query}")
            assert (refused.status_code, refused.json()["code"]) == (400, "invalid_query"), query

    def test_it_is_a_file_too(self, api, ada):
        """Also to whoever says that it accepts nothing else."""
        answer = api(ada).get("/api/v1/audit/rights?as=csv", HTTP_ACCEPT="text/csv")
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.content.decode().splitlines()[0].startswith("person,kind,name,role")
