"""The page that tells what was so at another time."""

import pytest
from django.utils import timezone
from django.utils.http import urlencode

ADDRESS = "/environments/prod-eu/as-of/"


def test_it_says_what_was_decided_who_decided_it_and_what_agents_said(waiting, rosa, browser):
    text = browser(rosa).get(ADDRESS).content.decode()

    assert "1 champion decided, 1 confirmed by an agent" in text
    assert "Quarterly retraining on the newest data." in text
    assert "eu-1" in text
    assert "no signature" in text


def test_a_moment_before_shows_that_moment(waiting, world, rosa, browser):
    before = timezone.now()
    third = world.version(waiting.model)
    world.environment("prod-eu", "production", approvals=0)
    world.champion(third, "prod-eu")
    page = browser(rosa)

    then = page.get(f"{ADDRESS}?{urlencode({'at': before.isoformat()})}").content.decode()
    assert ">v3<" not in then
    assert ">v3<" in page.get(ADDRESS).content.decode()


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("tomorrow", "is not a time"),
        ("<script>alert(1)</script>", "&lt;script&gt;"),
        ("2026-01-01T00:00:00", "has no zone"),
        ("1999-01-01T00:00:00Z", "does not reach back that far"),
        ("2999-01-01T00:00:00Z", "lies in the future"),
    ],
)
def test_what_is_no_such_time_is_said_and_can_be_mended(waiting, rosa, browser, at, said):
    answer = browser(rosa).get(ADDRESS, {"at": at})
    text = answer.content.decode()

    assert answer.status_code == 422
    assert said in text
    assert "<script>alert" not in text
    assert 'name="at"' in text


def test_an_environment_one_may_not_see_is_not_there(waiting, world, browser):
    from governance.services import bindings
    from tests.pages.factory import SET_UP

    guest = world.person("guest")
    qa = world.environment("qa", "qa")
    bindings.grant_role(to=guest, role="viewer", environment=qa, actor=SET_UP)
    assert browser(guest).get(ADDRESS).status_code == 404
