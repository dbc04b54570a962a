"""Changing one's own password."""

from collections.abc import Callable

import pytest
from django.test import Client

from governance.audit.models import Entry
from governance.models import User
from tests.pages.factory import PASSWORD

NEW = "battery staple correct"


def sent(client: Client, **changes: str) -> int:
    form = {"present": PASSWORD, "new": NEW, "again": NEW, **changes}
    return client.post("/account/password/", form).status_code


def test_it_is_changed_recorded_and_other_sessions_end(
    bram: User, browser: Callable[..., Client]
) -> None:
    here, elsewhere = browser(bram), browser(bram)

    assert sent(here) == 302
    assert here.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 302
    assert User.objects.get(pk=bram.pk).check_password(NEW)
    assert Entry.objects.filter(action="person.changed").count() == 1


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"present": "wrong"}, 401),
        ({"again": "another one"}, 422),
        ({"new": "short", "again": "short"}, 422),
        ({"new": "", "again": ""}, 422),
        ({"present": "x" * 100_000}, 401),
    ],
)
def test_a_form_that_is_not_right_changes_nothing(
    bram: User, browser: Callable[..., Client], changes: dict[str, str], status: int
) -> None:
    assert sent(browser(bram), **changes) == status
    assert User.objects.get(pk=bram.pk).check_password(PASSWORD)
