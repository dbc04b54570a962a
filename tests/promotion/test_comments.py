"""What is said about a request: by whom, kept for good, recorded, and no part of the decision."""

import json
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from governance.actors import Actor
from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound
from governance.models import User
from governance.services import bindings, tokens
from promotion.models import Approval, Comment, PolicyApproval, PolicyRequest, Request
from promotion.services import comments
from promotion.services.comments import comment, comment_on_policy
from tests.promotion.conftest import SET_UP, publish

TEXT = "The flips of March are explained in RISK-311."
NONE = UUID(int=0)


@pytest.fixture
def waiting(world, ask, asha):
    return ask(world.version(), by=asha)


@pytest.fixture
def policy(world, ada):
    """A policy that waits for one approval."""
    publish(environment="prod-eu", tier="", document={"policy_approvals": 1}, actor=SET_UP)
    made = publish(environment="prod-eu", tier="", document={"approvals": 2}, actor=ada)
    assert isinstance(made, PolicyRequest)
    return made


class TestWho:
    @pytest.mark.parametrize("name", ["asha", "bram", "cleo", "omar", "ada"])
    def test_whoever_does_something_here_may_say_something(self, waiting, request, name):
        made = comment(request_id=waiting.pk, text=TEXT, actor=request.getfixturevalue(name))
        assert (made.name, made.person, made.text) == (name, name, TEXT)

    def test_who_only_looks_may_not(self, waiting, policy, vera):
        with pytest.raises(Forbidden):
            comment(request_id=waiting.pk, text=TEXT, actor=vera)
        with pytest.raises(Forbidden):
            comment_on_policy(request_id=policy.pk, text=TEXT, actor=vera)
        assert not Comment.objects.exists()

    def test_a_role_elsewhere_is_none_here(self, waiting, make_person):
        stranger = make_person("sam", "approver", group="retail").actor
        with pytest.raises(Forbidden):
            comment(request_id=waiting.pk, text=TEXT, actor=stranger)

    def test_a_role_for_some_models_may_comment_on_a_policy_for_all(self, policy, make_person):
        some = make_person("sam", "submitter", group="retail").actor
        assert comment_on_policy(request_id=policy.pk, text=TEXT, actor=some).name == "sam"

    def test_a_pipeline_is_named_by_its_token(self, waiting, asha, set_up):
        owner = User.objects.get(pk=asha.id)
        token = tokens.issue(name="ci-credit", scope="ci", owner=owner, actor=set_up).token
        bindings.grant_role(to=token, role="submitter", actor=set_up)
        service = Actor.from_service(token.pk, name="ci-credit", owner="asha")

        made = comment(request_id=waiting.pk, text="All 212 tests passed.", actor=service)
        assert (made.author_kind, made.name, made.person) == ("service", "ci-credit", "")


def test_it_is_recorded_and_decides_nothing(waiting, bram, audit_trail, replayed):
    audit_trail.clear()
    comment(request_id=waiting.pk, text=TEXT, actor=bram)
    entry = Entry.objects.latest("seq")

    assert audit_trail() == [("request.commented", "bram")]
    assert (entry.object, entry.request) == ("model:credit-default", waiting.pk)
    assert json.loads(entry.payload.body)["comment"] == TEXT
    assert Request.objects.get(pk=waiting.pk).state == "open"
    replayed()


def test_one_on_a_policy_is_recorded_in_its_environment(policy, bram):
    comment_on_policy(request_id=policy.pk, text=TEXT, actor=bram)
    entry = Entry.objects.latest("seq")

    assert (entry.action, entry.object) == ("policy.request_commented", "environment:prod-eu")
    assert json.loads(entry.payload.body)["policy_request"] == str(policy.pk)


def test_a_settled_request_may_still_be_spoken_of(waiting, ask, sign, world, asha, bram):
    world.agent("eu-1")
    sign(waiting, bram)
    world.settle()
    assert comment(request_id=waiting.pk, text="It went well.", actor=asha)


def test_there_are_only_so_many(waiting, bram, monkeypatch):
    monkeypatch.setattr(comments, "MOST", 2)
    for _ in range(2):
        comment(request_id=waiting.pk, text=TEXT, actor=bram)
    with pytest.raises(Conflict) as conflict:
        comment(request_id=waiting.pk, text=TEXT, actor=bram)
    assert conflict.value.code == "too_many_comments"


@pytest.mark.parametrize(
    "text",
    ["", " \n\t ", "x" * 2_001, "x" * 100_000, "a\x00b", "a\x1bb", "a\u202eb", "a\ud800b"],
)
def test_a_text_that_cannot_be_kept_is_refused(waiting, policy, bram, text):
    for service, asked in ((comment, waiting), (comment_on_policy, policy)):
        with pytest.raises(Invalid) as refusal:
            service(request_id=asked.pk, text=text, actor=bram)
        assert refusal.value.context["text"]
    assert not Comment.objects.exists()


class TestDatabase:
    def test_a_comment_is_never_changed_or_removed(self, waiting, bram):
        made = comment(request_id=waiting.pk, text=TEXT, actor=bram)
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            Comment.objects.update(text="something else")
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            made.delete()

    @pytest.mark.parametrize(
        ("changes", "constraint"),
        [
            ({"text": " \n"}, "a_comment_says_something"),
            ({"text": "x" * 2_001}, "a_comment_is_short"),
            ({"request": None}, "a_comment_is_on_one_request"),
            ({"policy_request": True}, "a_comment_is_on_one_request"),
        ],
    )
    def test_it_holds_what_the_service_holds(self, waiting, policy, changes, constraint):
        if changes.get("policy_request"):
            changes = {"policy_request": policy}
        row = {"request": waiting, "author_kind": "user", "author_id": "1", "name": "x"}
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            Comment.objects.create(**{**row, "text": TEXT, **changes})

    @pytest.mark.django_db(transaction=True)
    def test_there_is_none_without_an_entry(self, waiting):
        with pytest.raises(DatabaseError, match="no audit entry"):
            Comment.objects.create(
                request=waiting, author_kind="user", author_id="1", name="x", text=TEXT
            )

    @pytest.mark.parametrize("said", ["", " \n\t"])
    def test_a_rejection_says_why_there_too(self, waiting, policy, bram, said):
        user = User.objects.get(pk=bram.id)
        signed = {"user": user, "person": "bram", "name": "bram", "role": "approver"}
        row = {**signed, "decision": "reject", "comment": said, "content_hash": "0" * 64}
        with pytest.raises(IntegrityError, match="a_rejection_says_why"), transaction.atomic():
            Approval.objects.create(request=waiting, meaning="review", method="password", **row)
        with pytest.raises(IntegrityError, match="policy_says_why"), transaction.atomic():
            PolicyApproval.objects.create(request=policy, **row)


class TestApi:
    def test_saying_and_reading(self, api, waiting, bram, vera):
        path = f"/api/v1/promotions/{waiting.pk}/comments"
        made = api(bram).post(path, {"text": TEXT}, format="json")
        api(bram).post(path, {"text": "And so are those of April."}, format="json")
        found = api(vera).get(path, {"limit": 1}).json()

        assert made.status_code == 201
        assert made.json() == found["items"][0]
        assert (made.json()["text"], made.json()["by"]["name"]) == (TEXT, "bram")
        rest = api(vera).get(path, {"cursor": found["next"]}).json()
        assert [one["text"] for one in rest["items"]] == ["And so are those of April."]
        assert rest["next"] is None

    def test_the_same_for_policies(self, api, policy, ada):
        path = f"/api/v1/policies/requests/{policy.pk}/comments"
        assert api(ada).post(path, {"text": TEXT}, format="json").status_code == 201
        assert [one["text"] for one in api(ada).get(path).json()["items"]] == [TEXT]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"text": ""},
            {"text": "  \n"},
            {"text": "x" * 100_000},
            {"text": "a\x00b"},
            {"text": "a\x1b[31mb"},
            {"text": None},
            {"text": 1},
            {"text": ["a"]},
            {"text": TEXT, "name": "somebody else"},
            {"text": TEXT, "at": "2020-01-01T00:00:00Z"},
        ],
    )
    def test_what_cannot_be_kept_is_refused_with_a_code(self, api, waiting, bram, body):
        answer = api(bram).post(f"/api/v1/promotions/{waiting.pk}/comments", body, format="json")
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
        assert answer.json()["code"] in {"invalid", "invalid_json"}
        assert not Comment.objects.exists()

    def test_half_a_character_and_too_much_are_refused_too(self, api, waiting, bram):
        path = f"/api/v1/promotions/{waiting.pk}/comments"
        half = api(bram).post(path, b'{"text": "\\ud800"}', content_type="application/json")
        huge = json.dumps({"text": "x" * 5_000_000}).encode()
        large = api(bram).post(path, huge, content_type="application/json")

        assert (half.status_code, large.status_code) == (400, 413)

    def test_a_retry_with_its_key_says_it_once(self, api, waiting, bram):
        path, key = f"/api/v1/promotions/{waiting.pk}/comments", {"HTTP_IDEMPOTENCY_KEY": "one"}
        client = api(bram)
        answers = [client.post(path, {"text": TEXT}, format="json", **key) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert Comment.objects.count() == 1

    def test_who_may_not_and_what_is_not_there(self, api, waiting, vera):
        path = "/api/v1/promotions/00000000-0000-0000-0000-000000000000/comments"
        mine = f"/api/v1/promotions/{waiting.pk}/comments"
        assert api(vera).post(mine, {"text": TEXT}, format="json").status_code == 403
        assert api(vera).post(path, {"text": TEXT}, format="json").status_code == 404
        assert api(vera).get(path).status_code == 404

    def test_a_rejection_without_a_word_is_refused(self, api, waiting, sign, make_person):
        bram = make_person("bert", "approver", password="correct horse battery").actor
        body = {
            "decision": "reject",
            "meaning": "review",
            "content_hash": waiting.content_hash,
            "password": "correct horse battery",
        }
        for said in ({}, {"comment": ""}, {"comment": " \n"}):
            answer = api(bram).post(
                f"/api/v1/promotions/{waiting.pk}/approvals", {**body, **said}, format="json"
            )
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        assert not Approval.objects.exists()

    def test_a_rejection_of_a_policy_without_a_word_is_refused(self, api, policy, make_person):
        bram = make_person("bert", "approver", password="correct horse battery").actor
        body = {
            "decision": "reject",
            "content_hash": policy.content_hash,
            "password": "correct horse battery",
        }
        answer = api(bram).post(
            f"/api/v1/policies/requests/{policy.pk}/approvals", body, format="json"
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        assert not PolicyApproval.objects.exists()


def test_of_none_there_is_none(world, bram):
    with pytest.raises(NotFound):
        comment(request_id=NONE, text=TEXT, actor=bram)
    with pytest.raises(NotFound):
        comment_on_policy(request_id=NONE, text=TEXT, actor=bram)
