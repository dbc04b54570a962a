"""The admin: it shows rows, and changes nothing but through the services that record it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from governance.audit.models import Entry
from governance.models import User
from promotion.models import Approval, Request
from tests.pages.factory import PASSWORD, World

OURS = [
    model for model, site in admin.site._registry.items() if model._meta.app_label == "promotion"
]


@pytest.fixture
def staff(world: World) -> User:
    """A superuser of the staff who holds every role there is."""
    roles = ["submitter", "approver", "operator", "auditor", "admin"]
    return world.person("staff", *roles, is_staff=True, is_superuser=True)


def address(model: Any, page: str, *arguments: object) -> str:
    return reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_{page}", args=arguments)


def test_every_model_of_promotion_is_there() -> None:
    from django.apps import apps

    assert set(OURS) == set(apps.get_app_config("promotion").get_models())


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_rows_are_shown_and_never_changed(
    world: World,
    waiting: Request,
    staff: User,
    bram: User,
    browser: Callable[..., Client],
    model: Any,
) -> None:
    world.sign(waiting, bram)
    page, before = browser(staff), Entry.objects.count()

    assert page.get(address(model, "changelist")).status_code == 200
    assert page.get(address(model, "add")).status_code == 403
    assert page.post(address(model, "add"), {}).status_code == 403
    selected = {"action": "delete_selected", "_selected_action": "1", "post": "yes"}
    assert page.post(address(model, "changelist"), selected).status_code in {200, 302, 403}
    for row in model.objects.all()[:1]:
        assert page.get(address(model, "change", row.pk)).status_code == 200
        assert page.post(address(model, "change", row.pk), {"state": "done"}).status_code == 403
        assert page.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        assert page.get(address(model, "history", row.pk)).status_code == 200
    assert Entry.objects.count() == before


def test_whatever_else_is_registered_changes_nothing_past_the_log(
    staff: User, browser: Callable[..., Client], rf: Any
) -> None:
    request = rf.get("/admin/")
    request.user = staff
    recorded = {"governance", "registry"}
    for model, site in admin.site._registry.items():
        rights = site.get_model_perms(request)
        writes = rights["add"] or rights["change"] or rights["delete"]
        assert not writes or model._meta.app_label in recorded, model


def test_no_group_of_django_can_be_made(staff: User, browser: Callable[..., Client]) -> None:
    assert browser(staff).get("/admin/auth/group/").status_code == 404


def test_a_request_is_approved_by_its_form(
    waiting: Request, staff: User, browser: Callable[..., Client]
) -> None:
    page, form = browser(staff), address(Request, "approve", waiting.pk)
    shown = page.get(form)
    assert "You sign: credit-default version 2" in shown.content.decode()
    assert Request.objects.get(pk=waiting.pk).state == "open"
    data = {"meaning": "approval", "password": PASSWORD, "content_hash": waiting.content_hash}

    refused = page.post(form, {**data, "content_hash": "0" * 64})
    assert refused.status_code == 422
    assert "no longer what you were shown" in refused.content.decode()
    assert page.post(form, {**data, "password": "wrong"}).status_code == 422
    assert not Approval.objects.exists()

    assert page.post(form, data).status_code == 302
    assert Approval.objects.get().person == "staff@bank"
    assert (
        Entry.objects.filter(action="request.approved", subject__startswith="approval:").count()
        == 1
    )


def test_a_request_is_rejected_by_its_form(
    waiting: Request, staff: User, browser: Callable[..., Client]
) -> None:
    data = {
        "meaning": "review",
        "comment": "Too lax.",
        "password": PASSWORD,
        "content_hash": waiting.content_hash,
    }

    assert browser(staff).post(address(Request, "reject", waiting.pk), data).status_code == 302
    assert Request.objects.get(pk=waiting.pk).state == "rejected"


def test_a_rollback_is_begun_by_its_form(
    world: World, waiting: Request, bram: User, staff: User, browser: Callable[..., Client]
) -> None:
    form = address(Request, "roll_back", waiting.pk)
    page = browser(staff)
    assert page.post(form, {"reason": "why"}).status_code == 422
    world.sign(waiting, bram)
    world.settle()

    assert page.get(form).status_code == 200
    assert page.post(form, {"reason": "Callers complain."}).status_code == 302
    assert Request.objects.filter(kind="rollback").count() == 1


def test_forms_from_elsewhere_are_refused(
    waiting: Request, staff: User, browser: Callable[..., Client]
) -> None:
    page = browser(staff, enforce_csrf_checks=True)

    for name in ("approve", "reject", "roll_back"):
        assert page.post(address(Request, name, waiting.pk), {"reason": "x"}).status_code == 403


def test_an_objects_history_is_its_entries_in_the_chain(
    waiting: Request, staff: User, browser: Callable[..., Client]
) -> None:
    page = browser(staff).get(address(Request, "history", waiting.pk)).content.decode()
    entry = Entry.objects.get(subject=waiting.subject)

    assert "request.opened" in page
    assert f">{entry.seq}<" in page


def test_staff_without_a_role_sees_nothing_and_a_superuser_is_no_exception(
    world: World, waiting: Request, browser: Callable[..., Client]
) -> None:
    page = browser(world.person("root", is_staff=True, is_superuser=True))

    for name in ("changelist", "approve"):
        arguments = [waiting.pk] if name == "approve" else []
        assert page.get(address(Request, name, *arguments)).status_code == 403


def test_the_admin_has_no_door_of_its_own(
    client: Client, bram: User, browser: Callable[..., Client]
) -> None:
    answer = client.get("/admin/", follow=True)

    assert answer.redirect_chain[-1][0] == "/sign-in/?next=/admin/"
    assert client.post("/admin/login/", {"username": "bram", "password": PASSWORD}).url == (
        "/sign-in/?next=/admin/"
    )
    assert browser(bram).get("/admin/", follow=True).status_code == 403


def test_the_browser_is_told_of_the_icon_we_have(
    staff: User, browser: Callable[..., Client]
) -> None:
    page = browser(staff).get("/admin/").content.decode()
    assert 'href="/static/gate.svg"' in page
