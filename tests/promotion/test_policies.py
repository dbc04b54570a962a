"""Policies: per environment and risk tier, never changed, tried before they are in force."""

import json
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from governance import access
from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound
from promotion import policies as documents
from promotion import policy_reading, policy_text
from promotion.models import Approval, Policy, Request
from promotion.policies import Approvals
from promotion.policies import Policy as Rules
from promotion.selectors import policies as selectors
from promotion.services import environments, policies, publishing, requests
from tests.promotion.conftest import PROD, SET_UP, publish

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "policy.schema.json"


def apply(**changes):
    return environments.apply(slug="prod-eu", document={**PROD, **changes}, actor=SET_UP).changes


class TestDocuments:
    def test_the_published_schema_is_the_models(self):
        assert json.loads(SCHEMA.read_text()) == documents.schema()

    def test_every_field_of_the_schema_says_what_it_means(self):
        assert all("description" in field for field in documents.schema()["properties"].values())

    @pytest.mark.parametrize(
        "document",
        [
            {"approvals": 6},
            {"approvals": True},
            {"approvals": "1"},
            {"approvals": {"count": 1, "with_risk_of": 2}},
            {"approvals": {"count": 1, "roles": []}},
            {"approvals": {"count": 1, "roles": ["approver"], "with_risk_of": 1}},
            {"approvals": {"count": 1, "roles": ["admin"]}},
            {"expiry_hours": 0},
            {"unknown": 1},
            {"through": ["Not A Slug"]},
        ],
    )
    def test_what_is_no_policy_is_refused_by_field(self, document):
        with pytest.raises(Invalid) as refusal:
            policies.read(document)
        assert refusal.value.context["problems"]

    def test_a_field_is_named_as_it_was_written(self):
        for document in (
            {"approvals": 9},
            {"approvals": {"count": 9}},
            {"stages": [{"weight": 2}]},
        ):
            with pytest.raises(Invalid) as refusal:
                policies.read(document)
            for name in refusal.value.context["problems"]:
                assert name.split(".")[0] in document
                assert "constrained" not in name
                assert "[" not in name

    @pytest.mark.parametrize(
        "text",
        [
            "bake_seconds: .inf",
            "minimum_pairs: 9007199254740993",
            'through: ["a\\0b"]',
            'through: ["a\\ud800b"]',
            "",
            "[]",
            "approvals: 1\napprovals: 2",
            "a: &x [1]\nb: *x",
            "? [1]\n: 2",
            "approvals: !!python/object:os.system 1",
            "x: " + "[" * 3_000,
            "y" * 70_000,
            "a: \x00",
        ],
    )
    def test_text_that_is_no_plain_mapping_is_refused(self, text):
        with pytest.raises(Invalid):
            policy_text.parse(text)

    def test_times_in_yaml_stay_text(self):
        assert policy_text.parse("from: 2026-12-20T00:00:00Z") == {"from": "2026-12-20T00:00:00Z"}

    def test_json_is_yaml_too(self):
        assert policies.read(policy_text.parse('{"approvals": 2}')) == Rules(approvals=2)

    def test_only_what_differs_is_a_change(self):
        before, after = Rules(), Rules(approvals=Approvals(count=2, with_risk_of=1), through=["qa"])
        found = {c.name: (c.before, c.after) for c in policy_reading.changes(before, after)}

        assert found == {
            "approvals": ("1", ""),
            "approvals.count": ("", "2"),
            "approvals.roles": ("", "approver; risk"),
            "approvals.with_risk_of": ("", "1"),
            "through": ("none", "qa"),
        }
        assert policy_reading.changes(after, after) == []


@pytest.mark.usefixtures("world")
class TestInForce:
    def test_applying_the_same_again_publishes_nothing(self):
        assert apply() == []
        assert Policy.objects.filter(environment__slug="prod-eu").count() == 1

    def test_a_document_from_before_a_field_existed_is_no_other_policy(self, world):
        old = Policy.objects.get(environment__slug="qa")
        kept = {key: old.document[key] for key in ("approvals", "bake_seconds")}

        assert policies.read(kept) == policies.read(old.document)

    def test_a_tier_follows_its_own_document_and_the_rest_the_environments(self):
        apply(policies={"high": {"approvals": 2}})
        place = Policy.objects.first().environment

        assert publishing.rules_of(place.pk, "high")[1].approvals == 2
        assert publishing.rules_of(place.pk, "low")[1].approvals == 1
        assert publishing.rules_of(place.pk)[1].approvals == 1

    def test_a_tier_no_longer_named_follows_the_environment_again(self):
        apply(policies={"high": {"approvals": 2}})
        changes = apply()
        place = Policy.objects.first().environment

        assert changes == ["policy 3 of prod-eu, risk tier high"]
        assert publishing.rules_of(place.pk, "high")[1].approvals == 1
        assert apply() == []

    def test_a_document_is_never_changed(self):
        with pytest.raises(IntegrityError), transaction.atomic():
            Policy.objects.update(number=9)

    def test_publishing_is_recorded_with_the_whole_document(self):
        publish(environment="qa", tier="low", document={"approvals": 3}, actor=SET_UP)
        entry = Entry.objects.get(action="policy.published", seq=Entry.objects.latest("seq").seq)
        body = json.loads(entry.payload.body)

        assert (body["number"], body["tier"], body["document"]["approvals"]) == (2, "low", 3)

    def test_only_who_administers_publishes(self, asha):
        with pytest.raises(Forbidden):
            publish(environment="qa", tier="", document={}, actor=asha)

    @pytest.mark.parametrize(
        ("document", "problems"),
        [
            ({"through": ["qq"]}, {"through": "names what is no environment: qq"}),
            (
                {"through": ["qa", "prod-eu"]},
                {"through": "names prod-eu itself: nothing could ever be promoted there"},
            ),
            (
                {"gates": {"live_hours": {"qq": 2}}},
                {"gates.live_hours": "names what is no environment: qq"},
            ),
        ],
    )
    def test_one_that_nothing_could_ever_meet_is_refused(self, document, problems):
        with pytest.raises(Invalid) as refusal:
            publish(environment="prod-eu", tier="", document=document, actor=SET_UP)
        assert refusal.value.context["problems"] == problems
        publish(environment="prod-eu", tier="", document={"through": ["qa"]}, actor=SET_UP)

    def test_as_code_an_environment_may_be_named_before_it_is_there_but_not_by_itself(self):
        assert apply(policy={"through": ["staging"]}) == ["policy 2 of prod-eu"]
        with pytest.raises(Invalid):
            apply(policy={"through": ["prod-eu"]})

    def test_an_unknown_tier_or_place_is_refused(self):
        with pytest.raises(Invalid):
            publish(environment="qa", tier="critical", document={}, actor=SET_UP)
        with pytest.raises(NotFound):
            publish(environment="nowhere", tier="", document={}, actor=SET_UP)


class TestQuorum:
    @pytest.fixture
    def live(self, world):
        return world.agent("eu-1")

    def test_so_many_must_sign_as_risk_officers(
        self, live, world, ask, sign, rules, asha, bram, make_person
    ):
        rules(approvals={"count": 1, "with_risk_of": 1})
        request = ask(world.version(), by=asha)
        signed = sign(request, bram)
        assert signed.state == Request.State.OPEN

        risk = make_person("rita", "risk").actor
        assert sign(request, risk).state == Request.State.EXECUTING
        assert set(Approval.objects.values_list("role", flat=True)) == {"approver", "risk"}

    def test_a_role_the_policy_does_not_name_does_not_sign(
        self, live, world, ask, sign, rules, asha, bram
    ):
        rules(approvals={"count": 1, "roles": ["risk"], "with_risk_of": 1})
        request = ask(world.version(), by=asha)
        with pytest.raises(Forbidden):
            sign(request, bram)

    def test_a_tiers_next_document_voids_what_was_asked_under_the_old(
        self, live, world, ask, sign, asha, bram
    ):
        request = ask(world.version(), by=asha)
        publish(environment="prod-eu", tier="medium", document={"approvals": 1}, actor=SET_UP)
        assert sign(request, bram).state == Request.State.VOIDED

    def test_another_tiers_document_leaves_it_alone(self, live, world, ask, sign, asha, bram):
        request = ask(world.version(), by=asha)
        publish(environment="prod-eu", tier="high", document={"approvals": 1}, actor=SET_UP)
        assert sign(request, bram).state == Request.State.EXECUTING


class TestTrial:
    @pytest.fixture
    def past(self, world, ask, sign, asha, bram):
        world.agent("eu-1")
        for _ in range(2):
            sign(ask(world.version(), by=asha), bram)
            world.settle()
        return Request.objects.first().environment

    def test_the_same_rules_change_nothing(self, past):
        rules = publishing.rules_of(past.pk)[1]
        tried = selectors.try_on_past(rules, past, tier="", last=50, seen=access.reach(SET_UP))

        assert [one.otherwise for one in tried] == [False, False]

    def test_stricter_rules_name_what_would_have_failed(self, past):
        rules = Rules(approvals=2, dark_first=True)
        tried = selectors.try_on_past(rules, past, tier="", last=50, seen=access.reach(SET_UP))

        assert all(one.otherwise and one.needed == 2 for one in tried)
        assert {gate.gate for one in tried for gate in one.failing} == {"dark_first"}

    def test_only_requests_that_follow_the_tier_are_judged(self, past):
        assert (
            selectors.try_on_past(Rules(), past, tier="high", last=50, seen=access.reach(SET_UP))
            == []
        )
        publish(environment="prod-eu", tier="medium", document={"approvals": 1}, actor=SET_UP)
        assert (
            selectors.try_on_past(Rules(), past, tier="", last=50, seen=access.reach(SET_UP)) == []
        )

    def test_a_request_without_stored_facts_is_not_judged(self, past):
        request = Request.objects.first()
        request.facts = {}
        [tried] = [selectors._tried(request, Rules(approvals=5), [])]
        assert not tried.judged
        assert not tried.otherwise

    def test_a_request_not_made_is_judged_and_nothing_is_kept(self, past, world, asha):
        version, before = world.version(), Entry.objects.count()
        outcome = requests.try_request(
            model="credit-default",
            version=version.number,
            environment="prod-eu",
            to="production",
            proposed=Rules(dark_first=True, approvals=4),
            actor=asha,
        )
        assert outcome.approvals_needed == 4
        assert [g.gate for g in outcome.gates if not g.passes()] == ["dark_first"]
        assert (Entry.objects.count(), Request.objects.count()) == (before, 2)

    def test_what_could_not_be_asked_for_cannot_be_tried(self, past, world, asha):
        with pytest.raises(Conflict):
            requests.try_request(
                model="credit-default",
                version=2,
                environment="prod-eu",
                to="production",
                proposed=Rules(),
                actor=asha,
            )


@pytest.mark.usefixtures("world")
class TestApi:
    def test_the_schema_the_list_and_one_document(self, api, asha):
        client = api(asha)
        assert client.get("/api/v1/policies/schema").json()["title"] == "Policy"
        items = client.get("/api/v1/policies").json()["items"]
        assert [item["environment"] for item in items] == ["qa", "prod-eu"]
        found = client.get("/api/v1/policies/prod-eu/1").json()
        assert (found["in_force"], found["follows"]) == (True, None)
        assert client.get("/api/v1/policies/prod-eu/9").json()["code"] == "unknown_policy"
        assert client.get("/api/v1/policies/nowhere/1").status_code == 404

    def test_publishing_over_the_api(self, api, ada, asha):
        body = {"document": {"approvals": 2}}
        assert api(asha).post("/api/v1/policies/qa", body, format="json").status_code == 403
        made = api(ada).post("/api/v1/policies/qa", body, format="json")
        assert (made.status_code, made.json()["policy"]["number"]) == (201, 2)
        again = api(ada).post("/api/v1/policies/qa", body, format="json")
        assert (again.status_code, again.json()) == (200, {"changed": False})
        found = api(ada).get("/api/v1/policies/qa/2").json()
        assert {"name": "approvals", "before": "0", "after": "2"} in found["changes"]

    def test_a_trial_over_the_api(self, api, asha, world):
        world.version()
        body = {
            "document": {"through": ["qa"]},
            "request": {"model": "credit-default", "version": 1, "to": "production"},
        }
        answer = api(asha).post("/api/v1/policies/prod-eu/trial", body, format="json").json()
        assert (answer["tried"], answer["otherwise"]) == (0, 0)
        assert answer["request"]["would_pass"] is False

    @pytest.mark.parametrize(
        "body", [{}, {"document": []}, {"document": {"x": 1}}, {"risk_tier": "a"}]
    )
    def test_what_is_no_policy_is_a_422(self, api, ada, body):
        answer = api(ada).post("/api/v1/policies/qa/trial", body, format="json")
        assert answer.status_code in {400, 422}
        assert answer["Content-Type"] == "application/problem+json"
