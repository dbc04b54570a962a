"""The page that signs several requests with one password."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from governance.models import User
from promotion.models import Approval, Request
from promotion.services import requests
from tests.pages.factory import PASSWORD, World

PAGE = "/promotions/together/prod-eu/deploy_dark/"


@pytest.fixture
def nightly(world: World, asha: User) -> list[Request]:
    """Three versions that wait to go dark, each for one approval."""
    world.environment("prod-eu", "production", approvals_for_dark=1)
    world.agent("eu-dark", "prod-eu", "dark")
    model = world.model("credit-default")
    return [world.ask(world.version(model), "dark", "prod-eu", by=asha) for _ in range(3)]


def values(asked: list[Request]) -> list[str]:
    return [f"{one.pk}:{one.content_hash}" for one in asked]


def sent(client: Client, asked: list[Request], **changes: Any) -> Any:
    form = {
        "signatures": values(asked),
        "meaning": "approval",
        "comment": "The nightly run.",
        "password": PASSWORD,
        **changes,
    }
    return client.post(PAGE, form)


def test_the_list_leads_there_and_each_is_shown_with_its_hash(
    nightly: list[Request], bram: User, browser: Callable[..., Client]
) -> None:
    page = browser(bram)
    assert f'href="{PAGE}">Sign 3 dark deployments in prod-eu in one go' in (
        page.get("/promotions/").content.decode()
    )
    text = page.get(PAGE).content.decode()
    assert "3 dark deployments in prod-eu wait for your signature" in text
    for one in nightly:
        assert f'value="{one.pk}:{one.content_hash}"' in text
        assert one.content_hash[:12] in text
    assert "version 1 (sha256" in text
    assert " checked> <span" not in text, "nothing is chosen for me"


def test_what_is_chosen_is_signed_and_the_rest_waits(
    nightly: list[Request], bram: User, browser: Callable[..., Client]
) -> None:
    page = browser(bram)
    assert sent(page, nightly[:2])["Location"] == "/promotions/"

    assert Approval.objects.filter(request__in=nightly[:2], person="bram@bank").count() == 2
    assert Request.objects.get(pk=nightly[2].pk).state == "open"
    assert "1 dark deployment in prod-eu waits for your signature" in (
        page.get(PAGE).content.decode()
    )


def test_one_that_changed_is_marked_and_must_be_chosen_again(
    nightly: list[Request], asha: User, bram: User, browser: Callable[..., Client]
) -> None:
    stale = values(nightly)
    stale[0] = f"{nightly[0].pk}:{'0' * 64}"
    answer = sent(browser(bram), nightly, signatures=stale)
    text = answer.content.decode()

    assert answer.status_code == 409
    assert "1 of 3 can no longer be signed" in text
    assert "Since you were shown it, it stands for something else now." in text
    assert f'value="{stale[1]}" checked' in text
    assert f'value="{values(nightly)[0]}">' in text
    requests.withdraw(request_id=nightly[0].pk, reason="a mistake", actor=asha.actor)
    assert sent(browser(bram), nightly).status_code == 409
    assert not Approval.objects.exists()


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"signatures": []}, 422, "Choose at least one"),
        ({"signatures": ["x"]}, 422, "not as the page made it"),
        ({"signatures": ["00000000-0000-0000-0000-000000000000:\x00"]}, 404, "do not exist"),
        ({"signatures": [f"{number:032x}:" for number in range(10_000)]}, 400, ""),
        ({"signatures": [f"{number:032x}:" for number in range(51)]}, 422, "must be 1 to 50"),
        ({"password": "guess"}, 403, "password"),
        ({"meaning": "sudo"}, 422, "A signature means"),
        ({"comment": "a\x00b"}, 422, "U+0000"),
    ],
)
def test_a_form_that_is_not_as_the_page_made_it_signs_nothing(
    nightly: list[Request],
    bram: User,
    browser: Callable[..., Client],
    changes: dict[str, Any],
    status: int,
    says: str,
) -> None:
    answer = sent(browser(bram), nightly, **changes)

    assert answer.status_code == status
    assert says in answer.content.decode()
    assert not Approval.objects.exists()


def test_nothing_there_says_so(
    nightly: list[Request], rosa: User, browser: Callable[..., Client]
) -> None:
    page = browser(rosa)
    assert "Nothing of this kind waits for you" in page.get(PAGE).content.decode()
    assert (
        "Nothing of this kind"
        in page.get("/promotions/together/nowhere/deploy_dark/").content.decode()
    )
    assert page.get("/promotions/together/prod-eu/policy/").status_code == 404


def test_more_of_them_make_no_more_queries(
    nightly: list[Request], world: World, asha: User, bram: User, browser: Callable[..., Client]
) -> None:
    page = browser(bram)
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            assert page.get(PAGE).status_code == 200
        counts.append(len(queries))
        for number in range(4):
            model = world.model(f"model-{number}-{len(counts)}")
            world.ask(world.version(model), "dark", "prod-eu", by=asha)

    assert counts[0] == counts[1]
