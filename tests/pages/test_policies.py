"""The pages of policies: in force, what one changed, and a trial of another."""

from collections.abc import Callable

import pytest
from django.test import Client

from governance.models import User
from promotion.models import Policy, PolicyRequest, Request
from promotion.services import policy_requests
from tests.pages.factory import PASSWORD, World


@pytest.fixture
def page(waiting: Request, rosa: User, world: World, browser: Callable[..., Client]) -> Client:
    world.environment("prod-eu", "production", approvals={"count": 2, "with_risk_of": 1})
    return browser(rosa)


def body(client: Client, address: str, **form: str) -> str:
    answer = client.post(address, form) if form else client.get(address)
    return str(answer.content.decode())


def newest() -> int:
    return Policy.objects.filter(environment__slug="prod-eu").first().number  # type: ignore[union-attr]


def test_the_list_says_what_is_in_force_and_what_was(page: Client) -> None:
    text = body(page, "/policies/")

    assert "prod-eu" in text
    assert f'href="/policies/prod-eu/{newest()}/"' in text
    assert "Before:" in text


def test_a_policy_says_what_it_changed_and_hides_the_same(page: Client) -> None:
    text = body(page, f"/policies/prod-eu/{newest()}/")

    assert "2 persons, 1 of them for risk, sign before a version answers callers" in text
    changed = text[text.index("What it changed") : text.index("What it says")]
    assert "approvals.with_risk_of" in changed
    assert "expiry_hours" not in changed


def test_any_two_of_a_tier_are_compared(page: Client) -> None:
    text = body(page, f"/policies/prod-eu/{newest()}/?against={newest()}")
    assert "They say the same." in text
    assert page.get(f"/policies/prod-eu/{newest()}/?against=x").status_code == 200
    assert page.get("/policies/prod-eu/999/").status_code == 404


def test_a_trial_names_the_requests_that_would_have_gone_otherwise(page: Client) -> None:
    text = body(
        page,
        f"/policies/prod-eu/{newest()}/try/",
        document="approvals: 3\ndark_first: true\n",
        model="credit-default",
        version="2",
        to="production",
    )

    assert "requests would have gone otherwise" in text
    assert "3 approvals instead of" in text
    assert "if it were asked for now:</strong> it would be refused." in text


@pytest.mark.parametrize("document", ["approvals: 9", "[", "x: <script>alert(1)</script>", ""])
def test_a_trial_of_no_policy_says_what_is_wrong(page: Client, document: str) -> None:
    before = Policy.objects.count()
    answer = page.post(f"/policies/prod-eu/{newest()}/try/", {"document": document})

    assert answer.status_code == 422
    assert "<script>alert" not in answer.content.decode()
    assert Policy.objects.count() == before


@pytest.fixture
def proposed(page: Client, world: World, ada: User) -> PolicyRequest:
    """Ada asks for a laxer policy than the one in force, which one person must approve."""
    world.environment("prod-eu", "production", approvals=2, policy_approvals=1)
    made = policy_requests.publish_or_ask(
        environment="prod-eu",
        tier="",
        document={"policy_approvals": 1},
        reason="nights are quiet",
        actor=ada.actor,
    )
    assert isinstance(made, PolicyRequest)
    return made


@pytest.fixture
def ada(world: World) -> User:
    return world.person("ada", "admin", first_name="Ada", last_name="Berg")


def test_what_waits_is_listed_and_shown_with_what_it_changes(
    page: Client, proposed: PolicyRequest
) -> None:
    assert f'href="/policies/requests/{proposed.pk}/"' in body(page, "/policies/")
    text = body(page, f"/policies/requests/{proposed.pk}/")

    assert "Next policy of prod-eu waits for 1 approval" in text
    assert "nights are quiet" in text
    assert "To sign it you need the role approver or risk" in text


def test_signing_it_puts_it_in_force(
    proposed: PolicyRequest, bram: User, browser: Callable[..., Client]
) -> None:
    address = f"/policies/requests/{proposed.pk}/"
    form = {
        "decision": "approve",
        "content_hash": proposed.content_hash,
        "password": PASSWORD,
    }
    wrong = browser(bram).post(address, {**form, "password": "guess"})
    assert wrong.status_code == 403
    assert browser(bram).post(address, {**form, "decision": "maybe"}).status_code == 422
    assert browser(bram).post(address, form).status_code == 302

    assert "Next policy of prod-eu: published" in body(browser(bram), address)
    assert Policy.objects.get(number=newest(), environment__slug="prod-eu").sha256 == (
        proposed.sha256
    )


def test_who_asked_reads_that_others_sign(
    proposed: PolicyRequest, ada: User, world: World, browser: Callable[..., Client]
) -> None:
    text = body(browser(ada), f"/policies/requests/{proposed.pk}/")
    assert "To sign it you need" in text or "Who asked for it cannot approve it" in text
