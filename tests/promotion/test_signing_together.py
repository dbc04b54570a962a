"""Several requests of one kind in one signing: each for its own content, all of them or none."""

import json
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from governance.audit import services as audit
from governance.audit.actions import Action
from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from governance.models import User
from promotion.models import Approval, Deployment, Request, Rollout
from promotion.services import requests
from promotion.services.requests import Signature
from tests.promotion.conftest import PASSWORD, SET_UP

PATH = "/api/v1/promotions/approvals"


@pytest.fixture
def nightly(world, rules, ask, asha):
    """Three nightly versions that wait to go dark, each for one approval."""
    rules(approvals_for_dark=1)
    world.agent("eu-dark", tier="dark")
    return [ask(world.version(), to="dark", by=asha) for _ in range(3)]


def shown(*asked):
    return [Signature(one.pk, one.content_hash) for one in asked]


def signed(signatures, actor, **changes):
    user = User.objects.get(pk=actor.id)
    user.set_password(PASSWORD)
    arguments = {
        "password": PASSWORD,
        "meaning": "approval",
        "comment": "The nightly run, as agreed.",
        **changes,
    }
    return requests.approve_together(signatures=signatures, user=user, actor=actor, **arguments)


def nothing_was_signed():
    return not Approval.objects.exists() and not Rollout.objects.exists()


def test_each_has_its_own_signature_and_entry(nightly, bram, audit_trail, world, replayed):
    audit_trail.clear()
    found = signed(shown(*nightly), bram)

    assert [one.pk for one in found] == [one.pk for one in nightly]
    assert {one.state for one in Request.objects.all()} == {"executing"}
    for one in nightly:
        approval = Approval.objects.get(request=one)
        assert (approval.content_hash, approval.person) == (one.content_hash, "bram")
        entry = Entry.objects.get(request=one.pk, subject=f"approval:{approval.pk}")
        assert json.loads(entry.payload.body)["together"] == 3
    approved = [action for action, _ in audit_trail() if action == "request.approved"]
    assert len(approved) == 3
    world.settle()
    assert Deployment.objects.filter(state="dark").count() == 3
    replayed()


def test_what_needs_more_signatures_goes_on_waiting(nightly, rules, ask, world, asha, bram):
    rules(approvals_for_dark=2)
    more = [ask(world.version(), to="dark", by=asha) for _ in range(2)]
    found = signed(shown(*more), bram)
    assert [one.state for one in found] == ["open", "open"]
    assert Approval.objects.count() == 2


def test_promotions_of_different_models_too(world, ask, asha, bram, replayed):
    world.agent("eu-1")
    asked = [ask(world.version(name), by=asha) for name in ("fraud", "churn")]
    assert {one.state for one in signed(shown(*asked), bram)} == {"executing"}
    world.settle()
    assert Deployment.objects.filter(role="champion").count() == 2
    replayed()


class TestAllOrNothing:
    def test_one_that_changed_is_named_and_nothing_is_signed(self, nightly, bram, audit_trail):
        signatures = shown(*nightly)
        signatures[1] = Signature(nightly[1].pk, "0" * 64)
        audit_trail.clear()
        with pytest.raises(Conflict) as conflict:
            signed(signatures, bram)

        assert conflict.value.code == "content_changed"
        assert conflict.value.context["changed"] == [
            {
                "request": str(nightly[1].pk),
                "why": "content_changed",
                "state": "open",
                "content_hash": nightly[1].content_hash,
            }
        ]
        assert nothing_was_signed()
        assert audit_trail() == []

    def test_all_that_cannot_be_signed_are_named_at_once(self, nightly, asha, bram):
        requests.withdraw(request_id=nightly[0].pk, reason="a mistake", actor=asha)
        with transaction.atomic():
            late = timezone.now() - timedelta(seconds=1)
            Request.objects.filter(pk=nightly[2].pk).update(expires_at=late)
            audit.record(
                Action.REQUEST_EXPIRED, actor=SET_UP, object="system", subject=nightly[2].subject
            )
        with pytest.raises(Conflict) as conflict:
            signed(shown(*nightly), bram)

        changed = conflict.value.context["changed"]
        assert [(one["request"], one["why"]) for one in changed] == [
            (str(nightly[0].pk), "not_open"),
            (str(nightly[2].pk), "expired"),
        ]
        assert nothing_was_signed()

    def test_one_whose_model_is_being_rolled_out_stops_all(self, world, ask, sign, asha, bram):
        world.agent("eu-1")
        asked = [ask(world.version(name), by=asha) for name in ("fraud", "churn")]
        sign(ask(world.version("churn"), by=asha), bram)
        with pytest.raises(Conflict) as conflict:
            signed(shown(*asked), bram)
        assert [one["why"] for one in conflict.value.context["changed"]] == ["rollout_in_progress"]
        assert Approval.objects.count() == 1

    def test_one_made_by_the_signer_stops_all_and_is_recorded(
        self, nightly, world, ask, asha, bram, audit_trail
    ):
        own = ask(world.version(authors=("bram",)), to="dark", by=asha)
        audit_trail.clear()
        with pytest.raises(Refused) as refusal:
            signed(shown(*nightly, own), bram)

        assert refusal.value.rule == "four_eyes"
        assert nothing_was_signed()
        assert audit_trail() == [("attempt.refused", "bram")]
        assert Entry.objects.latest("seq").subject == own.subject

    def test_one_signed_before_stops_all(self, nightly, rules, ask, world, sign, asha, bram):
        rules(approvals_for_dark=2)
        asked = [ask(world.version(), to="dark", by=asha) for _ in range(2)]
        sign(asked[0], bram)
        with pytest.raises(Refused) as refusal:
            signed(shown(*asked), bram)
        assert refusal.value.rule == "one_vote"
        assert Approval.objects.count() == 1

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"password": "guess"}, Forbidden),
            ({"meaning": "sudo"}, Invalid),
            ({"comment": "a\x00b"}, Invalid),
            ({"comment": "x" * 100_000}, Invalid),
        ],
    )
    def test_a_signature_that_does_not_fit_signs_nothing(self, nightly, bram, changes, error):
        with pytest.raises(error):
            signed(shown(*nightly), bram, **changes)
        assert nothing_was_signed()

    def test_no_role_to_sign_them_stops_all(self, nightly, vera):
        with pytest.raises(Forbidden):
            signed(shown(*nightly), vera)
        assert nothing_was_signed()

    def test_what_one_does_not_see_does_not_exist(self, nightly, make_person):
        some = make_person("sam", "approver", group="retail").actor
        with pytest.raises(NotFound):
            signed(shown(*nightly), some)
        assert nothing_was_signed()


class TestWhatCannotStandTogether:
    def test_none_too_many_and_one_twice(self, nightly, bram):
        many = [Signature(uuid4(), "0" * 64) for _ in range(51)]
        for signatures in ([], many, shown(nightly[0], nightly[0])):
            with pytest.raises(Invalid) as refusal:
                signed(signatures, bram)
            assert refusal.value.context["signatures"]
        assert nothing_was_signed()

    def test_all_that_do_not_exist_are_named(self, nightly, bram):
        unknown = [Signature(UUID(int=number), "0" * 64) for number in (1, 2)]
        with pytest.raises(NotFound) as missing:
            signed([*shown(*nightly), *unknown], bram)
        assert missing.value.code == "unknown_request"
        assert missing.value.context["unknown"] == [str(one.request_id) for one in unknown]
        assert nothing_was_signed()

    def test_other_kinds_and_other_places(self, nightly, world, rules, ask, asha, bram):
        rules("qa", approvals=1, approvals_for_dark=1)
        kind = ask(world.version(), by=asha)
        place = ask(world.version(), to="dark", environment="qa", by=asha)
        for other in (kind, place):
            with pytest.raises(Invalid) as refusal:
                signed(shown(nightly[0], other), bram)
            assert "one kind" in refusal.value.context["signatures"]
        assert nothing_was_signed()

    def test_two_versions_of_a_model_cannot_both_come_to_answer(self, world, ask, asha, bram):
        asked = [ask(world.version(), by=asha) for _ in range(2)]
        with pytest.raises(Invalid) as refusal:
            signed(shown(*asked), bram)
        assert "two versions of one model" in refusal.value.context["signatures"]


class TestApi:
    @pytest.fixture
    def client(self, api, make_person):
        return api(make_person("bert", "approver", password=PASSWORD).actor)

    def body(self, asked, **changes):
        listed = [{"id": str(one.pk), "content_hash": one.content_hash} for one in asked]
        return {"signatures": listed, "meaning": "approval", "password": PASSWORD, **changes}

    def test_signing(self, client, nightly):
        answer = client.post(PATH, self.body(nightly), format="json")

        assert answer.status_code == 201, answer.content
        assert [one["id"] for one in answer.json()["items"]] == [str(r.pk) for r in nightly]
        assert {one["state"] for one in answer.json()["items"]} == {"executing"}

    def test_a_retry_with_its_key_signs_once(self, client, nightly):
        key = {"HTTP_IDEMPOTENCY_KEY": "night-311"}
        answers = [client.post(PATH, self.body(nightly), format="json", **key) for _ in "12"]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].content == answers[1].content
        assert Approval.objects.count() == 3

    def test_the_answer_names_what_changed(self, client, nightly):
        body = self.body(nightly)
        body["signatures"][0]["content_hash"] = "0" * 64
        answer = client.post(PATH, body, format="json")

        assert (answer.status_code, answer.json()["code"]) == (409, "content_changed")
        assert [one["request"] for one in answer.json()["changed"]] == [str(nightly[0].pk)]
        assert nothing_was_signed()

    @pytest.mark.parametrize(
        "listed",
        [
            [],
            None,
            {},
            "all",
            [None],
            ["00000000-0000-0000-0000-000000000001"],
            [{"id": "x", "content_hash": "0" * 64}],
            [{"id": str(UUID(int=1)), "content_hash": "0" * 63}],
            [{"id": str(UUID(int=1)), "content_hash": "0" * 64, "decision": "approve"}],
            [{"id": str(UUID(int=1)), "content_hash": "0" * 64}] * 51,
            [{"id": str(UUID(int=1)), "content_hash": "0" * 64}] * 10_000,
        ],
    )
    def test_a_list_that_is_none_is_refused(self, client, nightly, listed):
        answer = client.post(PATH, self.body([], signatures=listed), format="json")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        assert len(answer.content) < 10_000
        assert nothing_was_signed()

    def test_one_bad_item_among_good_ones_signs_nothing(self, client, nightly):
        body = self.body(nightly)
        body["signatures"][2] = {"id": body["signatures"][2]["id"]}
        answer = client.post(PATH, body, format="json")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        assert nothing_was_signed()

    def test_one_twice_is_refused(self, client, nightly):
        answer = client.post(PATH, self.body([*nightly, nightly[0]]), format="json")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        assert nothing_was_signed()

    def test_only_a_person_with_their_password_signs(self, client, api, nightly, vera):
        wrong = client.post(PATH, self.body(nightly, password="guess"), format="json")
        looks = api(vera).post(PATH, self.body(nightly), format="json")

        assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
        assert looks.status_code == 403
        assert nothing_was_signed()
