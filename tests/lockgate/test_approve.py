"""``lockgate approve`` and ``lockgate status``: seen, signed, watched."""

import json
from collections.abc import Callable

import pytest

from lockgate.client import Client
from promotion.models import Approval, Request
from promotion.services import requests
from tests.lockgate import walking
from tests.lockgate.walking import PASSWORD, SET_UP, Terminal, beside, obeying, signing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(transactional_db) -> walking.World:
    world = walking.made()
    _open("qa")
    for _ in range(6):
        obeying(world)()
    return world


def _open(environment: str) -> Request:
    asked = {"model": "credit-default", "version": 1, "to": "production", "reason": "A test"}
    outcome = requests.open_request(environment=environment, actor=SET_UP, **asked)
    assert outcome.request is not None
    return outcome.request


@pytest.fixture
def request_id(world) -> str:
    return str(_open("prod-eu").pk)


@pytest.fixture
def environ(live_server, make_person, bearer) -> dict[str, str]:
    token = bearer(make_person("bram", "approver", password=PASSWORD).actor)
    return {"LOCKGATE_URL": live_server.url, "LOCKGATE_TOKEN": token}


@pytest.fixture
def bram(world, environ, lockgate, monkeypatch) -> Callable[..., tuple[int, str, str]]:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return lockgate


def test_what_is_signed_is_shown_whole(bram, request_id, monkeypatch):
    monkeypatch.setenv("LOCKGATE_PASSWORD", PASSWORD)
    request = Request.objects.get(pk=request_id)
    code, out, err = bram("approve", request_id, "--meaning", "responsibility", "--comment", "Yes")

    assert code == 0, err
    assert "You approve (meaning: responsibility) exactly this:" in err
    for line in (
        f"  digest: {request.deployment.version.digest}",
        "  replaces: none",
        "  environment: prod-eu",
        f"  content hash: {request.content_hash}",
    ):
        assert f"{line}\n" in err
    assert PASSWORD not in out + err
    assert "approve by bram (approver)" in out
    signature = Approval.objects.get()
    assert (signature.meaning, signature.comment) == ("responsibility", "Yes")


def test_a_refusal_needs_its_reason(bram, request_id, monkeypatch):
    monkeypatch.setenv("LOCKGATE_PASSWORD", PASSWORD)
    assert bram("approve", request_id, "--reject")[0] == 2
    assert bram("approve", request_id, "--reject", "--comment", "No golden set")[0] == 0
    assert Request.objects.get(pk=request_id).state == "rejected"


def test_what_is_said_is_kept_and_shown(bram, environ, request_id):
    code, out, err = bram("comment", request_id, "All 212 tests passed.")
    assert code == 0, err
    assert "bram: All 212 tests passed." in out
    with Client(environ["LOCKGATE_URL"], environ["LOCKGATE_TOKEN"]) as client:
        assert [one["text"] for one in client.comments(request_id)] == ["All 212 tests passed."]
    assert bram("comment", request_id, " ")[0] == 1


def test_nothing_is_signed_without_a_password(bram, request_id, monkeypatch):
    monkeypatch.delenv("LOCKGATE_PASSWORD", raising=False)
    code, _, err = bram("approve", request_id)
    assert code == 2
    assert "LOCKGATE_PASSWORD" in err

    monkeypatch.setenv("LOCKGATE_PASSWORD", "not mine")
    code, _, err = bram("approve", request_id)
    assert code == 1
    assert "wrong_password" in err
    assert not Approval.objects.exists()


def test_only_what_was_looked_at_is_signed(bram, request_id, monkeypatch):
    monkeypatch.setenv("LOCKGATE_PASSWORD", PASSWORD)
    code, _, err = bram("approve", request_id, "--content-hash", "0" * 64)
    assert code == 1
    assert "Nothing was signed" in err

    shown = Client.promotion

    def other(client, promotion_id):
        document = shown(client, promotion_id)
        return {**document, "content": {**document["content"], "environment": "qa"}}

    monkeypatch.setattr(Client, "promotion", other)
    code, _, err = bram("approve", request_id)
    assert code == 1
    assert "shows one thing and asks to sign another" in err
    assert not Approval.objects.exists()


def test_the_password_is_asked_for_on_a_terminal(environ, request_id):
    terminal = Terminal("approve", request_id, environ=environ)
    terminal.until("Your password: ")
    terminal.type(f"{PASSWORD}\n")
    assert terminal.end() == 0, terminal.written
    assert PASSWORD not in terminal.written
    assert "approve by bram" in terminal.written


def test_a_watched_request_is_drawn_in_its_place_until_it_ends(environ, world, request_id):
    terminal = Terminal(
        "status", "--promotion", request_id, "--watch", "--every", "0.1", environ=environ
    )
    terminal.until("0 of 1 approvals")
    with Client(environ["LOCKGATE_URL"], environ["LOCKGATE_TOKEN"]) as client:
        signing(client)()
    with beside(obeying(world)):
        assert terminal.end() == 0, terminal.written
    assert f"{request_id}  done" in terminal.written
    assert "\x1b[1A" in terminal.written or "\x1b[2K" in terminal.written


def test_without_a_terminal_only_what_is_new_is_written(bram, world, request_id):
    status = ("status", "--promotion", request_id, "--watch", "--every", "0.05")
    code, out, _ = bram("--json", *status, "--timeout", "0.5")
    assert code == 4
    assert [json.loads(line)["state"] for line in out.splitlines()] == ["open"]

    requests.withdraw(request_id=Request.objects.get(pk=request_id).pk, actor=SET_UP, reason="R")
    code, out, _ = bram(*status)
    assert code == 1
    assert "withdrawn" in out


def test_an_environment_is_watched_for_as_long_as_one_likes(bram):
    code, out, _ = bram(
        "status", "--environment", "prod-eu", "--watch", "--every", "0.05", "--timeout", "0.3"
    )
    assert code == 0
    assert out.count("prod-eu (production)") == 1
    assert "eu-1 (live)  generation" in out
