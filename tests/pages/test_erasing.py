"""The pages on which the payload of an entry is asked to go, and goes."""

from collections.abc import Callable

import pytest
from django.test import Client

from governance.audit.models import Entry, Payload
from governance.models import AccessLog, User
from promotion.models import Request
from tests.pages.factory import World

FORM = {"reason": "A client is named in it.", "basis": "GDPR Art. 17(1)(d)"}


def text(client: Client, address: str) -> str:
    return client.get(address).content.decode()


@pytest.fixture
def max_(world: World) -> User:
    return world.person("max", "admin", first_name="Max", last_name="Ott")


def test_asked_for_by_one_and_erased_by_another(
    waiting: Request, rosa: User, max_: User, bram: User, browser: Callable[..., Client]
) -> None:
    seq = Entry.objects.get(action="request.opened", request=waiting.pk).seq
    path = f"/audit/entries/{seq}/erase/"
    page, other = browser(rosa), browser(max_)
    assert "No erasure waits" in text(page, "/audit/erasures/")
    assert path in text(page, "/audit/")
    assert "RISK-311" in text(page, path)
    assert AccessLog.objects.filter(kind="log.read", detail__startswith=f"entry {seq}").exists()
    assert page.post(path, {**FORM, "basis": " "}).status_code == 422
    assert page.post(path, FORM).status_code == 302
    assert page.post(path, FORM).status_code == 422

    assert "1 erasure waits" in text(other, "/audit/erasures/")
    assert "It waits for another auditor or an admin" in text(page, path)
    assert "A client is named in it." in text(other, path)
    said = {"comment": "Read it: a client.", "decision": "erase"}
    assert page.post(path, said).status_code == 403
    assert other.post(path, {**said, "comment": " "}).status_code == 422
    assert other.post(path, said).status_code == 302
    assert other.post(path, said).status_code == 409

    assert Payload.objects.get(pk=seq).body is None
    assert "RISK-311" not in text(page, path)
    assert "The payload was erased" in text(page, "/audit/")
    assert "Max Ott" in text(page, "/audit/erasures/")
    assert browser(bram).get("/audit/erasures/").status_code == 403
    assert browser(bram).get(path).status_code == 403


def test_what_has_to_stay_says_why(
    waiting: Request, rosa: User, browser: Callable[..., Client]
) -> None:
    entry = Entry.objects.filter(action="deployment.promoted").first()
    assert entry is not None
    path = f"/audit/entries/{entry.seq}/erase/"
    assert "has to stay" in text(browser(rosa), path)
    assert browser(rosa).post(path, FORM).status_code == 409
    assert browser(rosa).get("/audit/entries/999999/erase/").status_code == 404
    assert browser(rosa).get(f"/audit/entries/{10**40}/erase/").status_code == 404
