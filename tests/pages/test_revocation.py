"""What is taken away counts at the next page, also for those who are signed in."""

import pytest

from governance.models import RoleBinding
from governance.services import bindings, people
from tests.pages.factory import SET_UP

PAGES = ("/", "/models/", "/promotions/", "/fleet/")


@pytest.mark.parametrize("address", PAGES)
def test_a_changed_password_ends_the_sessions_there_were(bram, browser, address):
    page = browser(bram)
    assert page.get(address).status_code == 200
    people.set_password(user_id=bram.pk, password="another correct horse", actor=SET_UP)

    answer = page.get(address)
    assert (answer.status_code, answer["Location"]) == (302, f"/sign-in/?next={address}")


@pytest.mark.parametrize("address", PAGES)
def test_a_disabled_account_sees_nothing_more(bram, browser, address):
    page = browser(bram)
    assert page.get(address).status_code == 200
    people.disable_person(user_id=bram.pk, actor=SET_UP)
    assert page.get(address).status_code == 302


@pytest.mark.parametrize("address", PAGES)
def test_a_lost_role_counts_at_the_next_page(bram, browser, address):
    page = browser(bram)
    assert page.get(address).status_code == 200
    bindings.revoke_role(binding_id=RoleBinding.objects.get(user=bram).pk, actor=SET_UP)
    assert page.get(address).status_code == 403
