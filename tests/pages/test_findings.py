"""The pages on which findings are seen, recorded and closed."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from governance.models import User
from promotion.models import Finding, Request
from tests.pages.factory import World

FORM = {
    "severity": "critical",
    "title": "Scores drift for the young",
    "text": "Seen in May.\r\nAnd in June.",
    "owner": "asha",
    "due": (timezone.now().date() + timedelta(days=9)).isoformat(),
}
VERSION = "/models/credit-default/versions/2/"
RECORD = f"{VERSION}findings/record/"


def text(client: Client, address: str) -> str:
    return client.get(address).content.decode()


@pytest.fixture
def cleo(world: World) -> User:
    return world.person("cleo", "risk", first_name="Cleo", last_name="Kent")


def test_recorded_seen_and_closed_by_another(
    waiting: Request,
    asha: User,
    bram: User,
    cleo: User,
    browser: Callable[..., Client],
) -> None:
    page = browser(bram)
    assert "No finding is open" in text(page, "/findings/")
    assert RECORD in text(page, VERSION)
    assert f"{RECORD}?condition_of={waiting.pk}" in text(page, f"/promotions/{waiting.pk}/")
    assert str(waiting.pk) in text(page, f"{RECORD}?condition_of={waiting.pk}")
    sent = page.post(RECORD, {**FORM, "condition_of": str(waiting.pk)})
    made = Finding.objects.get()
    assert (sent.status_code, sent["Location"]) == (302, f"{VERSION}#finding-{made.pk}")
    assert made.text == "Seen in May.\nAnd in June."

    path = f"/findings/{made.pk}/close/"
    for address in ("/findings/", VERSION, f"/promotions/{waiting.pk}/"):
        assert "Scores drift for the young" in text(page, address)
        assert path not in text(page, address)
        assert path in text(browser(cleo), address)
    assert "1 finding is open, none overdue" in text(page, "/findings/")
    assert "Scores drift" not in text(page, "/findings/?mine")
    assert "Scores drift" in text(browser(asha), "/findings/?mine")
    assert "Scores drift" in text(browser(asha), "/promotions/")

    other = browser(cleo)
    assert other.post(path, {"resolution": " "}).status_code == 422
    assert page.post(path, {"resolution": "mine"}).status_code == 403
    assert other.post(path, {"resolution": "Retrained."}).status_code == 302
    assert other.post(path, {"resolution": "again"}).status_code == 409
    assert "Retrained." in text(page, "/findings/")
    assert "Retrained." in text(page, VERSION)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"severity": "bad"}, 422),
        ({"title": " "}, 422),
        ({"owner": "nobody"}, 422),
        ({"due": ""}, 422),
        ({"due": "2020-01-01"}, 422),
        ({"condition_of": "x"}, 422),
        ({"condition_of": "00000000-0000-0000-0000-000000000000"}, 404),
    ],
)
def test_what_makes_no_sense_is_said_and_the_form_keeps_what_was_written(
    waiting: Request,
    bram: User,
    browser: Callable[..., Client],
    changes: dict[str, str],
    status: int,
) -> None:
    answer = browser(bram).post(RECORD, {**FORM, **changes})
    assert answer.status_code == status
    assert "Seen in May." in answer.content.decode()
    assert not Finding.objects.exists()


def test_who_reviews_nothing_records_nothing(
    waiting: Request, asha: User, browser: Callable[..., Client]
) -> None:
    assert browser(asha).get(RECORD).status_code == 403
    assert RECORD not in text(browser(asha), VERSION)
