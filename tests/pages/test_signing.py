"""The form that signs: what it takes, what it refuses, and that a refusal changes nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from governance.audit.models import Entry
from governance.models import User
from promotion.models import Approval, Request
from tests.pages.factory import PASSWORD, World


def sent(client: Client, request: Request, **changes: Any) -> Any:
    """Fill the form as its page shows it, and send it."""
    form = {
        "decision": "approve",
        "meaning": "approval",
        "comment": "",
        "password": PASSWORD,
        "content_hash": request.content_hash,
        **changes,
    }
    return client.post(f"/promotions/{request.pk}/sign/", form)


def refused(answer: Any, request: Request, *, status: int, says: str) -> None:
    """Hold that the page said so, and that nothing was changed."""
    assert answer.status_code == status
    assert says in answer.content.decode()
    assert "Nothing was changed" in answer.content.decode()
    assert Request.objects.get(pk=request.pk).state == "open"
    assert not Approval.objects.filter(request=request).exists()


def test_an_approval_carries_the_request_out(
    waiting: Request, bram: User, browser: Callable[..., Client]
) -> None:
    answer = sent(browser(bram), waiting)

    assert (answer.status_code, answer["Location"]) == (302, f"/promotions/{waiting.pk}/")
    assert Request.objects.get(pk=waiting.pk).state == "executing"
    approval = Approval.objects.get(request=waiting)
    assert (approval.person, approval.meaning) == ("bram@bank", "approval")
    assert approval.content_hash == waiting.content_hash


def test_a_rejection_ends_it(waiting: Request, bram: User, browser: Callable[..., Client]) -> None:
    sent(browser(bram), waiting, decision="reject", comment="The flips are too lax.")

    assert Request.objects.get(pk=waiting.pk).state == "rejected"
    assert Approval.objects.get(request=waiting).comment == "The flips are too lax."


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"content_hash": "0" * 64}, 409, "no longer what you were shown"),
        ({"content_hash": ""}, 409, "no longer what you were shown"),
        ({"password": "wrong"}, 403, "password"),
        ({"password": ""}, 403, "password"),
        ({"decision": "maybe"}, 422, "approve or reject"),
        ({"decision": "reject"}, 422, "comment"),
        ({"decision": "reject", "comment": " \n "}, 422, "must not be blank"),
        ({"meaning": "sudo"}, 422, "what your signature means"),
        ({"meaning": ""}, 422, "what your signature means"),
        ({"comment": "a\x00b"}, 422, "U+0000"),
        ({"comment": "x" * 100_000}, 422, "longer than"),
    ],
)
def test_a_form_that_is_not_as_the_page_made_it_changes_nothing(
    waiting: Request,
    bram: User,
    browser: Callable[..., Client],
    changes: dict[str, str],
    status: int,
    says: str,
) -> None:
    refused(sent(browser(bram), waiting, **changes), waiting, status=status, says=says)


def test_a_refused_form_keeps_what_was_written_but_not_the_password(
    waiting: Request, bram: User, browser: Callable[..., Client]
) -> None:
    answer = sent(browser(bram), waiting, password="a-wrong-one", comment="Half a page of text.")

    assert "Half a page of text." in answer.content.decode()
    assert "a-wrong-one" not in answer.content.decode()


def test_guessing_a_password_at_an_open_screen_ends_soon(
    waiting: Request, bram: User, browser: Callable[..., Client]
) -> None:
    page = browser(bram)
    codes = [sent(page, waiting, password=f"guess {number}").status_code for number in range(11)]

    assert codes == [403] * 10 + [401]
    refused(sent(page, waiting), waiting, status=401, says="Too many failed attempts")


def test_who_asked_for_it_cannot_sign_it_and_the_attempt_is_recorded(
    world: World, waiting: Request, browser: Callable[..., Client]
) -> None:
    from governance.services import bindings
    from tests.pages.factory import SET_UP

    asha = User.objects.get(username="asha")
    bindings.grant_role(to=asha, role="approver", actor=SET_UP)
    answer = sent(browser(asha), waiting)

    refused(answer, waiting, status=403, says="cannot approve it")
    assert Entry.objects.filter(action="attempt.refused", subject=waiting.subject).count() == 1
    page = browser(asha).get(f"/promotions/{waiting.pk}/").content.decode()
    assert "tried, and was refused" in page
    assert 'name="password"' not in page


def test_who_has_no_role_for_it_is_not_offered_the_form(
    waiting: Request, rosa: User, browser: Callable[..., Client]
) -> None:
    page = browser(rosa)

    assert 'name="password"' not in page.get(f"/promotions/{waiting.pk}/").content.decode()
    refused(sent(page, waiting), waiting, status=403, says="approver")


def test_a_second_press_of_the_button_signs_once(
    waiting: Request, bram: User, browser: Callable[..., Client]
) -> None:
    page = browser(bram)
    sent(page, waiting)

    again = sent(page, waiting)

    assert again.status_code in {403, 409}
    assert "Nothing was changed" in again.content.decode()
    assert Approval.objects.filter(request=waiting).count() == 1


def test_a_form_from_elsewhere_is_refused_in_words(
    waiting: Request, bram: User, browser: Callable[..., Client]
) -> None:
    page = browser(bram, enforce_csrf_checks=True)

    for token in ("", "x" * 64):
        answer = sent(page, waiting, csrfmiddlewaretoken=token)
        refused(answer, waiting, status=403, says="did not come from this page")


def test_an_expired_request_cannot_be_signed(
    waiting: Request, bram: User, browser: Callable[..., Client]
) -> None:
    from django.db import transaction

    from governance.audit import services as audit
    from governance.audit.actions import Action
    from tests.pages.factory import SET_UP

    with transaction.atomic():
        Request.objects.filter(pk=waiting.pk).update(expires_at=timezone.now() - timedelta(1))
        audit.record(Action.REQUEST_EXPIRED, actor=SET_UP, object="system", subject=waiting.subject)

    refused(sent(browser(bram), waiting), waiting, status=409, says="expired")


def test_a_new_champion_since_the_page_was_opened_voids_what_was_signed(
    world: World, waiting: Request, bram: User, browser: Callable[..., Client]
) -> None:
    version = world.version(waiting.model)
    world.environment("prod-eu", "production", approvals=0)
    world.champion(version, "prod-eu")
    client = browser(bram)

    answer = sent(client, waiting)

    assert answer.status_code == 302
    assert Request.objects.get(pk=waiting.pk).state == "voided"
    page = client.get(f"/promotions/{waiting.pk}/").content.decode()
    assert "You signed it too late: it is void, and nothing moves." in page
    assert "Another version answers now" in page


def test_nobody_is_shown_a_form_for_what_no_longer_stands(
    world: World, waiting: Request, bram: User, browser: Callable[..., Client]
) -> None:
    address = f"/promotions/{waiting.pk}/"
    assert 'name="content_hash"' in browser(bram).get(address).content.decode()
    world.environment("prod-eu", "production", approvals=2)

    page = browser(bram).get(address).content.decode()
    assert 'name="content_hash"' not in page
    assert "policy is no longer the same. Nobody can sign it any more" in page


def test_an_operator_withdraws_what_is_approved_and_waits_to_begin(
    world: World,
    waiting: Request,
    asha: User,
    bram: User,
    rosa: User,
    browser: Callable[..., Client],
) -> None:
    world.environment("prod-eu", "production", approvals=1, minimum_agents=5)
    asked = world.ask(world.version(waiting.model), "production", "prod-eu", by=asha)
    page, address = browser(rosa), f"/promotions/{asked.pk}/"
    link = f'href="{address}withdraw/"'
    assert link not in page.get(address).content.decode()
    assert sent(browser(bram), asked).status_code == 302

    shown = page.get(address).content.decode()
    assert link in shown
    assert "It begins by itself once it can; withdrawn, it never does." in shown
    assert page.post(f"{address}withdraw/", {"reason": "It is known to be bad."}).status_code == 302
    assert Request.objects.get(pk=asked.pk).state == "withdrawn"


def test_only_its_requester_withdraws_it(
    waiting: Request, bram: User, browser: Callable[..., Client]
) -> None:
    address = f"/promotions/{waiting.pk}/withdraw/"
    asha = browser(User.objects.get(username="asha"))

    answer = browser(bram).post(address, {"reason": "no"})
    refused(answer, waiting, status=403, says="Only who asked")
    assert asha.get(address).status_code == 200
    assert Request.objects.get(pk=waiting.pk).state == "open"
    assert asha.post(address, {"reason": "Trained on the wrong month."}).status_code == 302
    assert Request.objects.get(pk=waiting.pk).state == "withdrawn"
