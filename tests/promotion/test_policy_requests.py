"""The next policy is asked for and signed by others, where the one in force says so."""

import json
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from governance.models import User
from governance.services import people
from promotion.models import Policy, PolicyApproval, PolicyRequest, Request
from promotion.services import environments, policy_requests, publishing, sweeping
from tests.promotion.conftest import PASSWORD, PROD, SET_UP, publish

STRICT = {"approvals": 1, "bake_seconds": 0.0, "policy_approvals": 1}


@pytest.fixture
def strict(world):
    """``prod-eu`` under a policy whose successor one person must approve."""
    assert isinstance(
        publish(environment="prod-eu", tier="", document=STRICT, actor=SET_UP), Policy
    )


@pytest.fixture
def waiting(strict, ada):
    """Ada, who administers, asks for a laxer policy."""
    return publish(environment="prod-eu", tier="", document={**STRICT, "approvals": 0}, actor=ada)


def signed(request, actor, *, act=policy_requests.approve, **changes):
    user = User.objects.get(pk=actor.id)
    user.set_password(PASSWORD)
    arguments = {
        "password": PASSWORD,
        "comment": "",
        "content_hash": request.content_hash,
        **changes,
    }
    return act(request_id=request.pk, user=user, actor=actor, **arguments)


def in_force():
    return publishing.rules_of(
        Policy.objects.get(environment__slug="prod-eu", number=1).environment_id
    )


def test_what_waits_is_not_in_force(waiting):
    assert isinstance(waiting, PolicyRequest)
    assert in_force()[1].approvals == 1


def test_the_last_approval_puts_it_in_force_and_records_both(waiting, bram, audit_trail):
    found = signed(waiting, bram)

    assert found.state == PolicyRequest.State.PUBLISHED
    assert in_force()[1].approvals == 0
    actions = list(Entry.objects.order_by("-seq").values_list("action", flat=True)[:3])
    assert actions == ["policy.published", "policy.request_settled", "policy.approved"]


def test_who_asked_cannot_approve(world, strict, make_person):
    both = make_person("zoe", "admin", "approver").actor
    request = publish(environment="prod-eu", tier="", document={}, actor=both)
    with pytest.raises(Refused) as refusal:
        signed(request, both)
    assert refusal.value.context["rule"] == "four_eyes"


def test_one_person_counts_once(world, ada, bram):
    publish(
        environment="prod-eu", tier="", document={**STRICT, "policy_approvals": 2}, actor=SET_UP
    )
    request = publish(environment="prod-eu", tier="", document=STRICT, actor=ada)
    assert signed(request, bram).state == PolicyRequest.State.OPEN
    with pytest.raises(Refused) as refusal:
        signed(request, bram)
    assert refusal.value.context["rule"] == "one_vote"


def test_an_approver_who_is_disabled_since_does_not_count(world, ada, bram, cleo):
    publish(
        environment="prod-eu", tier="", document={**STRICT, "policy_approvals": 2}, actor=SET_UP
    )
    request = publish(environment="prod-eu", tier="", document=STRICT, actor=ada)
    signed(request, bram)
    people.disable_person(user_id=UUID(bram.id), actor=SET_UP)

    assert signed(request, cleo).state == PolicyRequest.State.OPEN


def test_a_role_for_some_models_only_does_not_sign(world, waiting, make_person):
    some = make_person("sam", "approver", group="retail").actor
    with pytest.raises(Forbidden):
        signed(waiting, some)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"password": "guess"}, Forbidden),
        ({"content_hash": "0" * 64}, Conflict),
        ({"comment": "a\x00b"}, Invalid),
    ],
)
def test_a_signature_that_does_not_fit_changes_nothing(waiting, bram, changes, error):
    with pytest.raises(error):
        signed(waiting, bram, **changes)
    assert not PolicyApproval.objects.exists()


def test_a_rejection_needs_a_comment_and_ends_it(waiting, bram):
    with pytest.raises(Invalid):
        signed(waiting, bram, act=policy_requests.reject)
    found = signed(waiting, bram, act=policy_requests.reject, comment="too lax")

    assert (found.state, found.detail) == ("rejected", "too lax")
    with pytest.raises(Conflict):
        signed(waiting, bram)
    assert in_force()[1].approvals == 1


def test_only_who_asked_withdraws(waiting, ada, bram):
    with pytest.raises(Refused):
        policy_requests.withdraw(request_id=waiting.pk, reason="no", actor=bram)
    found = policy_requests.withdraw(request_id=waiting.pk, reason="a mistake", actor=ada)
    assert found.state == PolicyRequest.State.WITHDRAWN


def test_the_sweep_lets_it_expire(waiting):
    with transaction.atomic():
        late = timezone.now() - timedelta(seconds=1)
        PolicyRequest.objects.filter(pk=waiting.pk).update(expires_at=late)
    sweeping.sweep()
    assert PolicyRequest.objects.get(pk=waiting.pk).state == PolicyRequest.State.EXPIRED


def test_asking_for_the_same_again_is_the_same_request(waiting, ada):
    again = publish(environment="prod-eu", tier="", document={**STRICT, "approvals": 0}, actor=ada)
    assert again == waiting
    with pytest.raises(Conflict) as conflict:
        publish(environment="prod-eu", tier="", document={**STRICT, "approvals": 3}, actor=ada)
    assert conflict.value.code == "policy_request_open"


def test_a_tier_cannot_be_opened_around_the_environments_rules(strict, ada):
    made = publish(environment="prod-eu", tier="high", document={"approvals": 0}, actor=ada)

    assert isinstance(made, PolicyRequest)


def test_a_tiers_policy_does_not_pass_by_fewer_approvals_than_are_asked_by_now(
    strict, ada, bram, cleo
):
    def asked(document, tier):
        return publish(environment="prod-eu", tier=tier, document=document, actor=ada)

    signed(asked(STRICT, "high"), bram)
    laxer = asked({**STRICT, "approvals": 0}, "high")
    signed(asked({**STRICT, "policy_approvals": 2}, ""), bram)
    found = signed(laxer, cleo)

    assert found.state == PolicyRequest.State.VOIDED
    assert found.detail.startswith("The environment's policy asks for more approvals")
    assert Policy.objects.filter(tier="high").count() == 1


def test_applying_as_code_asks_too(strict):
    document = {**PROD, "policy": {**STRICT, "approvals": 0}}
    changes = environments.apply(slug="prod-eu", document=document, actor=SET_UP).changes
    request = PolicyRequest.objects.get()

    assert changes == [f"policy of prod-eu waits for approval: request {request.pk}"]
    assert in_force()[1].approvals == 1


def test_what_was_asked_under_the_old_policy_is_voided(world, waiting, ask, sign, asha, bram, cleo):
    world.agent("eu-1")
    request = ask(world.version(), by=asha)
    signed(waiting, cleo)
    assert sign(request, bram).state == Request.State.VOIDED


@pytest.mark.django_db(transaction=True)
def test_without_an_entry_there_is_no_policy_request(waiting):
    with pytest.raises(DatabaseError), transaction.atomic():
        PolicyRequest.objects.filter(pk=waiting.pk).update(state="published")


class TestApi:
    def test_asking_signing_and_looking(self, api, strict, ada, bram):
        asked = api(ada).post("/api/v1/policies/prod-eu", {"document": {}}, format="json")
        assert asked.status_code == 202
        found = asked.json()["request"]
        path = f"/api/v1/policies/requests/{found['id']}"
        body = {"decision": "approve", "content_hash": found["content_hash"], "password": "guess"}

        assert api(bram).get(path).json()["follows"] == 2
        wrong = api(bram).post(f"{path}/approvals", body, format="json")
        assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
        taken = api(ada).post(f"{path}/withdraw", {"reason": "a test"}, format="json")
        assert taken.json()["state"] == "withdrawn"

    def test_of_none_there_is_none(self, api, ada):
        path = f"/api/v1/policies/requests/{uuid4()}"
        assert api(ada).get(path).json()["code"] == "unknown_policy_request"
        with pytest.raises(NotFound):
            policy_requests.withdraw(request_id=uuid4(), reason="none", actor=ada)


def test_the_entry_holds_the_whole_document(waiting):
    entry = Entry.objects.get(action="policy.requested")
    assert json.loads(entry.payload.body)["document"]["approvals"] == 0
