"""Who gets to see a page: denied by default."""

import uuid
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

from governance.models import User
from promotion.views import urls
from tests.pages.factory import World

DOORS = {"sign_in", "sign_out"}
ARGUMENTS: dict[str, object] = {
    "name": "credit-default",
    "number": 1,
    "pk": uuid.UUID(int=7),
    "environment": "prod-eu",
    "kind": "deploy_dark",
    "digest": "a" * 64,
    "seq": 7,
}


def every_page() -> list[str]:
    """The address of every page but the doors, with arguments that name nothing real."""
    return [_address(route) for route in urls.urlpatterns if route.name not in DOORS]


def _address(route: URLPattern) -> str:
    converters = route.pattern.converters
    return reverse(str(route.name), kwargs={name: ARGUMENTS[name] for name in converters})


@pytest.mark.parametrize("address", every_page())
def test_every_page_asks_to_sign_in_first(db: None, client: Client, address: str) -> None:
    for answer in (client.get(address), client.post(address)):
        if answer.status_code != 405:
            assert answer.status_code == 302
            assert answer["Location"] == f"/sign-in/?next={address}"


@pytest.mark.parametrize("address", every_page())
def test_no_page_opens_without_a_role(
    world: World, browser: Callable[..., Client], address: str
) -> None:
    page = browser(world.person("nobody"))

    for answer in (page.get(address), page.post(address)):
        assert answer.status_code in {403, 405}


def test_a_live_part_of_someone_signed_out_reloads_its_page(db: None, client: Client) -> None:
    answer = client.get("/", headers={"HX-Request": "true"})

    assert (answer.status_code, answer["HX-Refresh"]) == (401, "true")


def test_the_audit_log_is_for_auditors(bram: User, browser: Callable[..., Client]) -> None:
    page = browser(bram)

    assert page.get("/audit/").status_code == 403
    assert "/audit/" not in page.get("/").content.decode()


def test_nobody_sees_environments_they_have_no_role_in(
    world: World, browser: Callable[..., Client]
) -> None:
    from governance.services import bindings
    from tests.pages.factory import SET_UP

    qa, prod = world.environment("qa", "qa"), world.environment("prod-eu", "production")
    world.agent("eu-1", "prod-eu")
    guest = world.person("guest")
    bindings.grant_role(to=guest, role="viewer", environment=qa, actor=SET_UP)
    version = world.version(world.model("credit-default"))
    request = world.ask(version, "production", "prod-eu")
    page = browser(guest)

    for address in ("/", "/fleet/", "/promotions/", "/models/credit-default/"):
        assert prod.slug not in page.get(address).content.decode()
    assert page.get(f"/promotions/{request.pk}/").status_code == 403
    assert page.get(f"/promotions/{request.pk}/progress/").status_code == 403
