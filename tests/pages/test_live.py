"""Live parts: swapped only when they changed, and a page that moved on reloads."""

from collections.abc import Callable

import pytest
from django.test import Client

from governance.models import User
from promotion.models import Request
from tests.pages.factory import World

LIVE = ["/", "/promotions/", "/fleet/", "/abnormal/"]


def part(client: Client, address: str) -> tuple[int, str, str]:
    answer = client.get(address, headers={"HX-Request": "true"})
    return answer.status_code, answer.get("X-Seen", ""), answer.content.decode()


@pytest.mark.parametrize("address", LIVE)
def test_a_part_is_only_a_part(
    waiting: Request, rosa: User, browser: Callable[..., Client], address: str
) -> None:
    status, seen, html = part(browser(rosa), address)

    assert (status, len(seen)) == (200, 16)
    assert "<html" not in html


@pytest.mark.parametrize("address", LIVE)
def test_a_part_that_has_not_changed_is_not_sent_again(
    waiting: Request, rosa: User, browser: Callable[..., Client], address: str
) -> None:
    page = browser(rosa)
    _, seen, _ = part(page, address)

    assert part(page, f"{address}?seen={seen}") == (204, "", "")


@pytest.mark.parametrize("address", LIVE)
def test_the_whole_page_and_the_part_agree_on_what_is_shown(
    waiting: Request, rosa: User, browser: Callable[..., Client], address: str
) -> None:
    page = browser(rosa)
    whole = page.get("/" if address == "/abnormal/" else address).content.decode()
    _, seen, _ = part(page, address)

    assert f'data-seen="{seen}" hx-get="{address}"' in whole


def test_a_part_that_changed_is_sent(
    world: World, waiting: Request, rosa: User, browser: Callable[..., Client]
) -> None:
    page = browser(rosa)
    _, seen, _ = part(page, "/")
    world.rigs[0].falls_silent()

    status, changed, html = part(page, f"/?seen={seen}")

    assert status == 200
    assert changed != seen
    assert "is silent beyond its lease" in html


def test_progress_reloads_the_page_once_the_request_has_moved_on(
    world: World, waiting: Request, bram: User, browser: Callable[..., Client]
) -> None:
    page, address = browser(bram), f"/promotions/{waiting.pk}/progress/"
    world.sign(waiting, bram)

    assert "HX-Refresh" not in page.get(f"{address}?state=executing")
    world.settle()
    assert page.get(f"{address}?state=executing")["HX-Refresh"] == "true"
