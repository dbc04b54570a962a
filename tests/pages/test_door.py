"""Signing in and out."""

import pytest
from django.test import Client

from governance.models import AccessLog, User
from tests.pages.factory import PASSWORD


def enter(client: Client, **changes: str) -> object:
    return client.post("/sign-in/", {"username": "bram", "password": PASSWORD, **changes})


def test_signing_in_leads_to_where_one_wanted_to_go(bram: User, client: Client) -> None:
    answer = enter(client, next="/models/?a=1")

    assert (answer.status_code, answer["Location"]) == (302, "/models/?a=1")


@pytest.mark.parametrize(
    "following",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "http:evil.example",
        "evil",
        "/%0d%0aX: 1\r\nX: 1",
        " //evil.example",
        "",
    ],
)
def test_signing_in_never_leads_elsewhere(bram: User, client: Client, following: str) -> None:
    answer = enter(client, next=following)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/")
    assert not answer["Location"].startswith(("//", "/\\"))
    assert "\n" not in answer["Location"]


def test_signing_in_takes_a_new_session(bram: User, client: Client) -> None:
    client.get("/sign-in/")
    session = client.session
    session["planted"] = "by somebody else"
    session.save()
    before = session.session_key

    enter(client)

    assert client.session.session_key != before
    assert client.get("/").status_code == 200


def test_a_wrong_password_is_told_and_noted(bram: User, client: Client) -> None:
    answer = enter(client, password="wrong")

    assert answer.status_code == 401
    assert "That is not the name and password" in answer.content.decode()
    assert "wrong" not in answer.content.decode().split("<form")[1]
    assert [(row.kind, row.principal) for row in AccessLog.objects.all()] == [
        ("sign_in.failed", "bram")
    ]


def test_a_disabled_account_is_signed_out_at_its_next_page(bram: User, client: Client) -> None:
    from governance.services import people
    from tests.pages.factory import SET_UP

    enter(client)
    people.disable_person(user_id=bram.pk, actor=SET_UP)

    assert client.get("/").status_code == 302
    assert enter(client).status_code == 401


@pytest.mark.parametrize("name", ["a\x00b", "x" * 5_000, "", "\ud800"])
def test_odd_names_are_refused_in_words(db: None, client: Client, name: str) -> None:
    if name == "\ud800":
        name = "%ED%A0%80"
    assert enter(client, username=name).status_code == 401


def test_signing_out_is_a_post(bram: User, client: Client) -> None:
    enter(client)

    assert client.get("/sign-out/").status_code == 405
    assert client.get("/").status_code == 200
    assert client.post("/sign-out/").status_code == 302
    assert client.get("/").status_code == 302


def test_someone_signed_in_is_not_asked_again(bram: User, client: Client) -> None:
    enter(client)

    answer = client.get("/sign-in/?next=/fleet/")

    assert (answer.status_code, answer["Location"]) == (302, "/fleet/")
