"""Who had several duties in one change is found in the log, whoever tries to hide it."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.models import User
from governance.periods import Period
from governance.services import bindings, people, tokens
from promotion.models import Request
from promotion.selectors.owed import due
from promotion.selectors.segregation import segregation
from promotion.services import requests, rollbacks
from promotion.services.waivers import waive
from tests.promotion.conftest import PASSWORD, SET_UP

pytestmark = pytest.mark.django_db


def found(**asked):
    now = timezone.now()
    return segregation(Period(now - timedelta(days=1), now + timedelta(days=1)), **asked)


@pytest.fixture
def promoted(world, ask, sign, asha, bram):
    world.agent("eu-1")
    request = sign(ask(world.version(authors=("mia",)), by=asha), bram)
    world.settle()
    return request


def register(version, *authors):
    """Say in the log who made a version, as its registration does."""
    with transaction.atomic():
        audit.record(
            Action.VERSION_REGISTERED,
            actor=SET_UP,
            object=f"model:{version.model.name}",
            subject=f"version:{version.pk}",
            model=version.model.name,
            version=version.number,
            details={"authors": list(authors)},
        )


def forge(request, action, actor, **details):
    """Write what the rules would have refused."""
    with transaction.atomic():
        audit.record(
            action,
            actor=actor,
            object=request.chain,
            subject=f"approval:{request.pk}",
            model=request.model.name,
            version=request.deployment.version.number,
            environment=request.environment.slug,
            request=request.pk,
            details=details,
        )


def test_duties_that_were_kept_apart_are_no_breach(promoted):
    [change] = found().changes
    assert change.people("requester") == ["asha"]
    assert change.people("approver") == ["bram"]
    assert change.overlaps == ()
    assert found().people["asha"]["requester"] == 1


def test_a_signature_under_ones_own_request_is_a_breach(promoted, asha):
    forge(promoted, Action.REQUEST_APPROVED, asha, person="asha", role="approver")
    [(change, one)] = found().breaches
    assert (one.person, one.duties) == ("asha", ("requester", "approver"))
    assert change.request == str(promoted.pk)


def test_an_author_who_signs_is_a_breach(promoted):
    register(promoted.deployment.version, "bram", "ines")
    [(_, one)] = found().breaches
    assert (one.person, one.breaches) == ("bram", (("author", "approver"),))


def test_one_person_with_two_accounts_is_one_person(promoted, make_person):
    second = make_person("asha-2", "approver", person="asha").actor
    forge(promoted, Action.REQUEST_APPROVED, second, person="asha", role="approver")
    result = found()

    assert [one.person for _, one in result.breaches] == ["asha"]
    [(_, person, names)] = result.doubled
    assert (person, names) == ("asha", ("account asha", "account asha-2"))
    assert result.several == {"asha": ("asha", "asha-2")}


def test_a_disabled_second_account_is_no_longer_told(promoted, make_person):
    second = make_person("asha-2", person="asha")
    people.disable_person(user_id=second.pk, actor=SET_UP)
    assert found().several == {}


def test_the_owner_of_a_token_that_asked_counts_as_having_asked(world, ask, make_person):
    owner = make_person("olga", "approver")
    token = tokens.issue(name="ci", scope="ci", owner=owner, actor=SET_UP).token
    bindings.grant_role(to=token, role="submitter", actor=SET_UP)
    world.agent("eu-1")
    service = Actor.from_service(token.pk, name="ci", owner="olga")
    request = ask(world.version(), by=service)
    forge(request, Action.REQUEST_APPROVED, owner.actor, person="olga", role="approver")
    result = found()

    assert [one.person for _, one in result.breaches] == ["olga"]
    assert [(t.name, t.owner, t.requests, t.owner_signed) for t in result.tokens] == [
        ("ci", "olga", 1, 1)
    ]


def test_a_rollback_is_carried_out_by_one_person_alone(
    world, promoted, ask, sign, asha, bram, omar
):
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    rollbacks.rollback(environment="prod-eu", model="credit-default", reason="worse", actor=omar)
    [alone] = found().alone

    assert (alone.kind, alone.people("executor")) == ("rollback", ["omar"])
    assert not found().breaches


def test_who_waived_is_found_and_a_waiver_of_ones_own_version_is_a_breach(world, rules, ask, cleo):
    world.agent("eu-1")
    rules(dark_first=True, waivers={"gates": ["dark_first"], "hours": 48})
    version = world.version()
    register(version, "cleo")
    waive(
        model=version.model.name,
        version=version.number,
        environment="prod-eu",
        gate="dark_first",
        reason="why",
        hours=2,
        user=User.objects.get(pk=cleo.id),
        actor=cleo,
    )
    ask(version, by=SET_UP)
    [(change, one)] = found().breaches

    assert change.people("waiver") == ["cleo"]
    assert one.duties == ("author", "waiver")


def test_whoever_asks_for_a_policy_and_signs_it_is_found(world, make_person):
    olga = make_person("olga", "operator", "approver").actor

    def say(action, subject, **details):
        with transaction.atomic():
            audit.record(
                action,
                actor=olga,
                object="environment:prod-eu",
                subject=subject,
                environment="prod-eu",
                details={"content_hash": "a" * 64, **details},
            )

    pk = "11111111-1111-4111-8111-111111111111"
    say(Action.POLICY_REQUESTED, f"policy_request:{pk}", reason="why")
    [change] = found().changes
    assert (change.kind, change.request, change.breaches) == ("policy", pk, ())
    assert change.url == f"/policies/requests/{pk}/"
    say(Action.POLICY_APPROVED, "policy_approval:1", person="olga", role="approver")
    [(_, one)] = found().breaches
    assert (one.person, one.duties) == ("olga", ("requester", "approver"))


def test_only_changes_somebody_had_a_part_in_are_told_of_them(promoted, world, ask, bram):
    ask(world.version("other"), by=SET_UP)
    assert len(found().changes) == 2
    assert [change.request for change in found(person="bram").changes] == [str(promoted.pk)]
    assert found(person="nobody").changes == ()


class TestOwed:
    @pytest.fixture
    def broken(self, world, ask, sign, rules, asha, bram, omar):
        world.agent("eu-1")
        sign(ask(world.version(), by=asha), bram)
        world.settle()
        world.version()
        rules(approvals=2, break_glass_roles=["operator"], break_glass_review_hours=2.0)
        user = User.objects.get(pk=omar.id)
        user.set_password(PASSWORD)
        return requests.break_glass(
            model="credit-default",
            version=2,
            environment="prod-eu",
            reason="card fraud wave",
            ticket="INC-7",
            user=user,
            password=PASSWORD,
            actor=omar,
        )

    def test_a_review_is_due_then_overdue_then_gone(self, broken, bram):
        now = timezone.now()
        [soon] = due(now=now).reviews
        [late] = due(now=now + timedelta(hours=3)).reviews
        assert (soon.standing, late.standing) == ("due", "overdue")
        assert due(now=now + timedelta(hours=3)).overdue == 1
        user = User.objects.get(pk=bram.id)
        user.set_password(PASSWORD)
        requests.review(
            request_id=broken.pk,
            user=user,
            password=PASSWORD,
            verdict="justified",
            comment="read INC-7",
            actor=bram,
        )
        assert due(now=now + timedelta(hours=3)).reviews == ()

    def test_whoever_broke_the_glass_is_told_as_alone(self, broken):
        [alone] = found().alone
        assert (alone.kind, alone.people("executor")) == ("break_glass", ["omar"])

    def test_a_waiver_is_told_before_and_after_its_end(self, world, rules, cleo):
        rules(dark_first=True, waivers={"gates": ["dark_first"], "hours": 2_000})
        version = world.version()
        waive(
            model=version.model.name,
            version=version.number,
            environment="prod-eu",
            gate="dark_first",
            reason="=cmd",
            hours=24 * 20,
            user=User.objects.get(pk=cleo.id),
            actor=cleo,
        )
        now, day = timezone.now(), timedelta(days=1)
        assert due(now=now).waivers == ()
        assert [one.standing for one in due(now=now + 14 * day).waivers] == ["expires soon"]
        assert [one.standing for one in due(now=now + 21 * day).waivers] == ["expired"]
        assert due(now=now + 60 * day).waivers == ()

    def test_the_calls_tell_the_same(self, broken, api, ada):
        [row] = api(ada).get("/api/v1/audit/owed").json()["items"]
        assert (row["what"], row["request"]) == ("review", str(broken.pk))
        answer = api(ada).get("/api/v1/audit/duties").json()
        assert [row["alone"] for row in answer["items"]] == [True, False]
        assert Request.objects.count() == 2
