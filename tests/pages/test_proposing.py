"""Proposing the next policy: written, checked, and only then asked for; and taking it back."""

from collections.abc import Callable

import pytest
from django.test import Client

from governance.audit.models import Entry
from governance.models import User
from promotion.models import Policy, PolicyRequest, Request
from tests.pages.factory import World

PAGE = "/policies/prod-eu/propose/"
LAXER = "approvals: 0\npolicy_approvals: 1\n"


@pytest.fixture
def ada(waiting: Request, world: World) -> User:
    """Administers ``prod-eu``, where one person must approve the next policy."""
    world.environment("prod-eu", "production", approvals=1, policy_approvals=1)
    return world.person("ada", "admin", first_name="Ada", last_name="Berg")


@pytest.fixture
def page(ada: User, browser: Callable[..., Client]) -> Client:
    return browser(ada)


def newest() -> int:
    return Policy.objects.filter(environment__slug="prod-eu").first().number  # type: ignore[union-attr]


def checked(client: Client, document: str, **form: str) -> dict[str, str]:
    """Check a document, and return the form that asks for it."""
    answer = client.post(PAGE, {"document": document, **form})
    assert answer.status_code == 200, answer.content.decode()
    context = answer.context
    return {
        "document": document,
        "checked": context["checked"],
        "follows": str(context["draft"].number),
        "reason": "nights are quiet",
        "submit": "yes",
        **form,
    }


def body(client: Client, address: str) -> str:
    return str(client.get(address).content.decode())


def nothing_was_asked() -> bool:
    return not PolicyRequest.objects.exists()


def test_it_begins_with_what_is_in_force(page: Client) -> None:
    assert f'href="{PAGE}"' in body(page, "/policies/")
    assert f'href="{PAGE}"' in body(page, f"/policies/prod-eu/{newest()}/")
    text = body(page, PAGE)

    assert "The next policy of prod-eu needs 1 approval" in text
    assert "approvals_for_dark" not in text, "what is by default is left out"
    assert "policy_approvals: 1" in text
    assert 'name="submit"' not in text, "nothing is asked for that was not checked"


def test_checking_shows_what_changes_and_what_would_have_gone_otherwise(page: Client) -> None:
    answer = page.post(PAGE, {"document": LAXER})
    text = answer.content.decode()

    assert "requests would have gone otherwise" in text
    assert "0 approvals instead of 1." in text
    assert ">approvals<" in text
    assert "Ask for it" in text
    assert "The document you checked (sha256" in text
    assert nothing_was_asked()


def test_a_slip_of_the_pen_is_told_before_it_stops_every_promotion(page: Client) -> None:
    answer = page.post(PAGE, {"document": "through: [prod-eu]"})
    assert answer.status_code == 422
    assert "names prod-eu itself" in answer.content.decode()
    assert nothing_was_asked()


def test_asking_waits_for_others_and_keeps_the_reason(page: Client, ada: User) -> None:
    answer = page.post(PAGE, checked(page, LAXER))
    made = PolicyRequest.objects.get()

    assert answer["Location"] == f"/policies/requests/{made.pk}/"
    assert (made.reason, made.document["approvals"]) == ("nights are quiet", 0)
    assert made.requester_id == str(ada.pk)
    again = body(page, PAGE)
    assert "Another one waits for approval here" in again
    assert page.post(PAGE, checked(page, "approvals: 2\n")).status_code == 409


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "approvals: 9",
        "approvals: 1\napprovals: 2",
        "unknown: 1",
        "x: <script>alert(1)</script>",
        "bake_seconds: .nan",
        "bake_minimum_requests: " + "9" * 400,
        'gates: {metrics: {at_least: {"a\\0b": 1}}}',
        'gates: {attested: {kinds: ["a\\ud800"]}}',
        "a: \x00",
        "approvals: 1 # " + "x" * 100_000,
    ],
)
def test_what_is_no_policy_is_refused_by_field(page: Client, document: str) -> None:
    for form in ({}, {"submit": "yes", "checked": "0" * 64, "follows": "2", "reason": "x"}):
        answer = page.post(PAGE, {"document": document, **form})

        assert answer.status_code == 422, answer.content.decode()[-2000:]
        text = answer.content.decode()
        assert "Nothing was changed" in text
        assert "<script>alert" not in text
    assert nothing_was_asked()


def test_what_was_not_checked_is_not_asked_for(page: Client) -> None:
    form = checked(page, LAXER)
    answer = page.post(PAGE, {**form, "document": "approvals: 3\n"})

    assert answer.status_code == 409
    assert "another than the one that was checked" in answer.content.decode()
    assert page.post(PAGE, {**form, "checked": ""}).status_code == 409
    assert nothing_was_asked()


@pytest.mark.parametrize("follows", ["", "x", "0", "99999999999", "-1"])
def test_another_policy_since_the_check_is_told(page: Client, world: World, follows: str) -> None:
    assert page.post(PAGE, {**checked(page, LAXER), "follows": follows}).status_code == 409
    assert nothing_was_asked()


def test_a_policy_published_meanwhile_is_not_followed_unseen(page: Client, world: World) -> None:
    world.environment("qa", "qa")
    address = "/policies/qa/propose/"
    answer = page.post(address, {"document": "approvals: 2\n"})
    form = {"checked": answer.context["checked"], "follows": "1", "document": "approvals: 2\n"}
    world.environment("qa", "qa", approvals=1)

    late = page.post(address, {**form, "submit": "yes", "reason": "late"})
    assert late.status_code == 409
    assert "Another policy is in force by now" in late.content.decode()
    assert Policy.objects.filter(environment__slug="qa").count() == 2


def test_where_nobody_has_to_approve_it_is_in_force_at_once(page: Client, world: World) -> None:
    world.environment("qa", "qa")
    address = "/policies/qa/propose/"
    answer = page.post(address, {"document": "approvals: 2\n"})
    assert "needs nobody&#x27;s approval" in answer.content.decode() or (
        "needs nobody's approval" in answer.content.decode()
    )
    form = {"checked": answer.context["checked"], "follows": "1", "document": "approvals: 2\n"}
    made = page.post(address, {**form, "submit": "yes", "reason": "a first step"})

    assert made["Location"] == "/policies/qa/2/"
    entry = Entry.objects.filter(action="policy.published").latest("seq")
    assert '"reason":"a first step"' in entry.payload.body
    same = page.post(address, {**form, "follows": "2", "submit": "yes"})
    assert same["Location"] == "/policies/"
    assert Policy.objects.filter(environment__slug="qa").count() == 2


def test_a_tier_has_a_document_of_its_own(page: Client) -> None:
    assert "models of the risk tier high" in body(page, f"{PAGE}?tier=high")
    page.post(PAGE, checked(page, LAXER, tier="high"))

    assert PolicyRequest.objects.get().tier == "high"
    for tier in ("extreme", "a\x00b"):
        assert page.get(PAGE, {"tier": tier}).status_code in {400, 422}
        assert page.post(PAGE, {"document": LAXER, "tier": tier}).status_code in {400, 422}


@pytest.mark.parametrize("reason", ["x" * 100_000, "a\x00b", "a\x1bb"])
def test_a_reason_that_cannot_be_kept_is_refused(page: Client, reason: str) -> None:
    answer = page.post(PAGE, {**checked(page, LAXER), "reason": reason})
    assert answer.status_code == 422
    assert nothing_was_asked()


def test_only_who_administers_proposes(
    ada: User, bram: User, browser: Callable[..., Client]
) -> None:
    page = browser(bram)
    assert page.get(PAGE).status_code == 403
    assert page.post(PAGE, {"document": LAXER}).status_code == 403
    assert "Propose the next" not in body(page, f"/policies/prod-eu/{newest()}/")
    assert "Propose the next" not in body(page, "/policies/")
    assert browser(ada).get("/policies/nowhere/propose/").status_code == 404


def test_only_who_asked_takes_it_back(
    page: Client, bram: User, browser: Callable[..., Client]
) -> None:
    page.post(PAGE, checked(page, LAXER))
    made = PolicyRequest.objects.get()
    address = f"/policies/requests/{made.pk}/withdraw/"

    assert f'href="{address}"' in body(page, f"/policies/requests/{made.pk}/")
    other = browser(bram)
    assert f'href="{address}"' not in body(other, f"/policies/requests/{made.pk}/")
    assert other.post(address, {"reason": "no"}).status_code == 403
    for reason in ("", " \n", "x" * 100_000, "a\x00b"):
        assert page.post(address, {"reason": reason}).status_code == 422
    assert PolicyRequest.objects.get().state == "open"
    assert page.get(address).status_code == 200
    assert page.post(address, {"reason": "A mistake."})["Location"] == (
        f"/policies/requests/{made.pk}/"
    )
    assert PolicyRequest.objects.get().state == "withdrawn"
    assert page.post(address, {"reason": "Again."}).status_code == 409
