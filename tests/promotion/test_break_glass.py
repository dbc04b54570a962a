"""One person promotes alone: what is skipped, what never is, and what is owed afterwards."""

from datetime import timedelta

import pytest
from django.utils import timezone

from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from governance.models import User
from promotion.models import Deployment, Request, Review
from promotion.services import requests, rollbacks
from registry.models import Inspection
from tests.promotion.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def person(actor):
    user = User.objects.get(pk=actor.id)
    user.set_password(PASSWORD)
    return user


def smash(actor, **changes):
    arguments = {
        "model": "credit-default",
        "version": 2,
        "environment": "prod-eu",
        "reason": "card fraud wave",
        "ticket": "INC-7",
        "password": PASSWORD,
        **changes,
    }
    return requests.break_glass(user=person(actor), actor=actor, **arguments)


def judge(request, actor, **changes):
    arguments = {"verdict": "justified", "comment": "read INC-7", "password": PASSWORD, **changes}
    return requests.review(request_id=request.pk, user=person(actor), actor=actor, **arguments)


@pytest.fixture
def live(world, ask, sign, asha, bram, rules):
    """Version 1 answers; 2 would need two approvals and a comparison that it has not."""
    world.agent("eu-1")
    world.agent("eu-2")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    world.version()
    rules(
        approvals=2,
        dark_first=True,
        minimum_pairs=1_000,
        break_glass_roles=["operator"],
        break_glass_review_hours=2.0,
    )
    return world


def test_it_is_promoted_past_approvals_and_gates(live, omar, replayed):
    request = smash(omar)
    assert (request.kind, request.state, request.approvals_needed) == (
        "break_glass",
        "executing",
        0,
    )
    assert request.replaces.number == 1
    live.settle()
    request.refresh_from_db()
    assert request.state == "done"
    assert Deployment.objects.get(role="champion").version.number == 2
    replayed()


def test_what_was_skipped_is_kept_and_told(live, omar):
    request = smash(omar)
    outcomes = {gate["gate"]: gate["outcome"] for gate in request.evidence["gates"]}
    assert outcomes["inspected"] == "passed"
    assert outcomes["dark_first"] == "failed"
    entry = Entry.objects.select_related("payload").get(request=request.pk, action="request.opened")
    for said in ("INC-7", "card fraud wave", "dark_first", "break_glass"):
        assert said in entry.payload.body


def test_inspection_is_never_skipped(live, omar):
    Inspection.objects.filter(version__number=2).update(status="rejected", reasons=["bad"])
    with pytest.raises(Refused) as refusal:
        smash(omar)
    assert refusal.value.code == "gates_not_passed"
    assert [gate["gate"] for gate in refusal.value.context["gates"]] == ["inspected"]
    assert not Request.objects.filter(kind="break_glass").exists()


def test_golden_transactions_are_never_skipped(live, omar, replayed):
    digest = live.version().digest
    live.rigs[0].broken[digest] = "GOLDEN_MISMATCH"
    request = smash(omar, version=3)
    live.settle()
    request.refresh_from_db()
    assert (request.state, "GOLDEN_MISMATCH" in request.detail) == ("failed", True)
    assert Deployment.objects.get(role="champion").version.number == 1
    replayed()


def test_an_open_request_for_the_same_falls_with_it(live, rules, ask, sign, asha, bram, omar):
    rules(approvals=1, break_glass_roles=["operator"])
    waiting = ask(Deployment.objects.first().model.versions.get(number=2), by=asha)
    smash(omar)
    live.settle()
    with pytest.raises(Conflict):
        raise_or_return(sign(waiting, bram))
    assert Deployment.objects.get(role="champion").version.number == 2


def raise_or_return(request):
    """A signature under what another champion has made void changes nothing."""
    request.refresh_from_db()
    if request.state == "voided":
        message = "void"
        raise Conflict(message)
    return request


def test_a_rollback_takes_over_from_it(live, omar, replayed):
    request = smash(omar)
    live.rigs[0].obey()
    live.rigs[1].obey()
    rollbacks.rollback(environment="prod-eu", model="credit-default", reason="worse", actor=omar)
    request.refresh_from_db()
    assert request.state in {"superseded", "done"}
    live.settle()
    assert Deployment.objects.get(role="champion").version.number == 1
    replayed()


class TestWho:
    def test_by_default_nobody(self, live, rules, omar, bram, cleo, asha):
        rules(approvals=1)
        for somebody in (omar, bram, cleo, asha):
            with pytest.raises(Forbidden) as forbidden:
                smash(somebody)
            assert forbidden.value.code == "break_glass_not_allowed"

    def test_only_a_role_that_the_policy_names(self, live, bram, cleo, asha, vera):
        for somebody in (bram, cleo, asha, vera):
            with pytest.raises(Forbidden) as forbidden:
                smash(somebody)
            assert forbidden.value.code == "break_glass_not_allowed"

    def test_only_with_their_own_password(self, live, omar, bram):
        with pytest.raises(Forbidden) as forbidden:
            smash(omar, password="guess")
        assert forbidden.value.code == "wrong_password"
        with pytest.raises(Forbidden):
            requests.break_glass(
                model="credit-default",
                version=2,
                environment="prod-eu",
                reason="x",
                ticket="y",
                user=person(bram),
                password=PASSWORD,
                actor=omar,
            )

    @pytest.mark.parametrize("name", ["reason", "ticket"])
    def test_reason_and_ticket_are_required(self, live, omar, name):
        with pytest.raises(Invalid) as invalid:
            smash(omar, **{name: " "})
        assert name in invalid.value.context

    def test_only_what_may_be_promoted(self, live, omar):
        with pytest.raises(Conflict) as conflict:
            smash(omar, version=1)
        assert conflict.value.code == "illegal_transition"
        with pytest.raises(NotFound):
            smash(omar, version=9)


class TestReview:
    def test_a_second_person_says_whether_it_was_right(self, live, omar, bram, replayed):
        request = smash(omar)
        assert request.review_due_at - request.created_at == timedelta(hours=2)
        live.settle()
        made = judge(request, bram)
        assert (made.verdict, made.role, made.name) == ("justified", "approver", "bram")
        entry = Entry.objects.get(action="request.reviewed")
        assert (entry.request, entry.actor_id) == (request.pk, bram.id)
        with pytest.raises(Conflict) as conflict:
            judge(request, bram)
        assert conflict.value.code == "reviewed"

    def test_not_who_broke_it_nor_an_author_nor_somebody_without_a_role(
        self, live, rules, make_person, omar, vera
    ):
        both = make_person("rosa", "risk", "operator").actor
        request = smash(both)
        with pytest.raises(Refused) as refused:
            judge(request, both)
        assert refused.value.code == "four_eyes"
        author = make_person("author", "approver", person="asha").actor
        with pytest.raises(Refused):
            judge(request, author)
        for somebody in (omar, vera):
            with pytest.raises(Forbidden):
                judge(request, somebody)
        assert not Review.objects.exists()

    def test_it_says_something(self, live, omar, bram):
        request = smash(omar)
        for changes in ({"comment": " "}, {"verdict": "fine"}):
            with pytest.raises(Invalid):
                judge(request, bram, **changes)
        with pytest.raises(Forbidden):
            judge(request, bram, password="guess")

    def test_nothing_else_is_reviewed(self, live, bram):
        with pytest.raises(Conflict) as conflict:
            judge(Request.objects.get(kind="promote"), bram)
        assert conflict.value.code == "nothing_to_review"

    def test_it_is_in_the_report(self, live, omar, bram, ada):
        from promotion.services import lineage

        request = smash(omar)
        live.settle()

        def told():
            report = lineage.report(model="credit-default", version=2, actor=ada)
            (found,) = report["body"]["lifecycle"]["requests"]
            return found, lineage.as_html(report)

        found, html = told()
        assert found["segregation"]["holds"] is False
        assert "dark_first" in found["break_glass"]["skipped"]
        assert found["break_glass"]["review"] == []
        assert "REVIEW OWED" in html
        judge(request, bram)
        found, html = told()
        assert found["break_glass"]["review"][0]["verdict"] == "justified"
        assert "REVIEW OWED" not in html


def test_over_the_api(live, api, omar, bram):
    from governance.services import people

    for actor in (omar, bram):
        people.set_password(
            user_id=User.objects.get(pk=actor.id).pk, password=PASSWORD, actor=actor
        )
    path = "/api/v1/environments/prod-eu/models/credit-default/break-glass"
    body = {"version": 2, "reason": "fraud", "ticket": "INC-7", "password": PASSWORD}
    assert api(omar).post(path, {**body, "ticket": ""}, format="json").status_code == 400
    assert api(bram).post(path, body, format="json").status_code == 403
    made = api(omar).post(path, body, format="json")
    assert made.status_code == 201, made.content
    assert made.json()["review"]["verdict"] is None
    review = {"verdict": "unjustified", "comment": "no fraud", "password": PASSWORD}
    path = f"/api/v1/promotions/{made.json()['id']}/review"
    assert api(omar).post(path, review, format="json").status_code == 403
    said = api(bram).post(path, review, format="json")
    assert (said.status_code, said.json()["review"]["verdict"]) == (201, "unjustified")
    assert timezone.now() < Request.objects.get(kind="break_glass").review_due_at


@pytest.mark.django_db(transaction=True)
def test_the_database_asks_for_its_audit_entries_and_keeps_reviews(
    world, rules, ask, sign, asha, bram, omar
):
    world.agent("eu-1")
    world.version()
    rules(break_glass_roles=["operator"])
    request = smash(omar, version=1)
    world.settle()
    made = judge(request, bram)
    from django.db import DatabaseError, transaction

    with pytest.raises(DatabaseError), transaction.atomic():
        Review.objects.filter(pk=made.pk).update(verdict="unjustified")
