"""The page of people: who may do what, where, since when, given by whom."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from governance.audit.models import Entry
from governance.models import AccessLog, RoleBinding, ServiceToken, User
from governance.services import bindings, people, tokens
from governance.services.tokens import Issued
from promotion.selectors import people as selector
from tests.pages.factory import SET_UP, World

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"


@pytest.fixture
def ada(world: World) -> User:
    """Administers."""
    return world.person("ada", "admin", first_name="Ada", last_name="Berg")


@pytest.fixture
def service(asha: User) -> Issued:
    """A service's token, which Asha answers for."""
    return tokens.issue(name="nightly", scope="ci", owner=asha, actor=SET_UP)


def text(client: Client, query: str = "") -> str:
    answer = client.get(f"/people/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def section(html: str, heading: str) -> str:
    """The part of the page under a heading."""
    return html.partition(f"<h2>{heading}</h2>")[2].partition("</section>")[0]


def test_a_role_is_shown_with_where_since_when_and_by_whom_and_so_is_its_end(
    world: World, ada: User, asha: User, rosa: User, browser: Callable[..., Client]
) -> None:
    prod = world.environment("prod-eu", "production")
    given = bindings.grant_role(
        to=asha, role="approver", environment=prod, group="cards", actor=ada.actor
    )
    page = browser(rosa)

    html = text(page)
    live = section(html, "Roles")
    row = next(row for row in live.split("<tr>") if "approver" in row)
    for words in ("Asha Rao", "asha@bank", "prod-eu", "cards", "ada", "counts"):
        assert words in row
    assert "5 roles are held by 3 people" in html
    assert "No role was taken away" in html

    bindings.revoke_role(binding_id=given.pk, actor=ada.actor)
    html = text(page)
    assert "approver" not in section(html, "Roles")
    ended = section(html, "Roles that ended")
    assert ended.count("ada") == 2
    assert "cards" in ended
    changes = section(html, "What was given and taken")
    assert changes.index("revoked a role") < changes.index("granted a role")
    assert "4 roles are held by 3 people" in html


def test_a_role_that_does_not_count_says_why(
    world: World, ada: User, asha: User, service: Issued, browser: Callable[..., Client]
) -> None:
    bindings.grant_role(to=service.token, role="submitter", actor=SET_UP)
    page = browser(ada)
    assert "3 roles are held by 2 people and 1 service" in text(page)

    ServiceToken.objects.filter(pk=service.token.pk).update(expires_at=timezone.now())
    assert "token expired" in section(text(page), "Roles")
    people.change_person(user_id=asha.pk, actor=ada.actor, changes={"is_active": False})
    shown = section(text(page), "Roles")
    assert "account disabled" in shown
    assert "owner disabled" in shown
    assert "1 role is held by 1 person" in text(page)
    mine = tokens.issue(name="mine", scope="personal", owner=asha, actor=SET_UP)
    row = section(text(page), "Tokens").partition(mine.token.prefix)[2].partition("</tr>")[0]
    assert "owner disabled" in row


def test_tokens_are_told_by_their_first_characters_and_no_secret_appears(
    ada: User, asha: User, service: Issued, world: World, browser: Callable[..., Client]
) -> None:
    own = tokens.issue(name="mine", scope="personal", owner=asha, actor=asha.actor)
    tokens.revoke(token_id=own.token.pk, actor=asha.actor)
    world.environment("prod-eu", "production")
    rig = world.agent("eu-1", "prod-eu")

    html = text(browser(ada))
    shown = section(html, "Tokens")
    for words in (service.token.prefix, own.token.prefix, "nightly", "mine", "personal", "revoked"):
        assert words in shown
    assert "agent eu-1 in prod-eu" in shown
    for issued in (service, own):
        assert issued.secret not in html
        assert issued.secret.split("_", 2)[2][8:20] not in html
        assert issued.token.sha256 not in html
    assert rig.agent.token.sha256 not in html
    assert ada.password not in html


def test_a_person_and_a_place_narrow_all_of_it(
    world: World, ada: User, asha: User, rosa: User, service: Issued, browser: Callable[..., Client]
) -> None:
    qa, prod = world.environment("qa", "qa"), world.environment("prod-eu", "production")
    bindings.grant_role(to=asha, role="viewer", environment=qa, actor=ada.actor)
    bindings.grant_role(to=service.token, role="operator", environment=prod, actor=ada.actor)
    world.agent("qa-1", "qa")
    page = browser(rosa)

    for name in ("asha", "asha@bank"):
        html = text(page, f"?person={name}")
        assert "3 roles are held by 1 person and 1 service" in html
        assert "Rosa" not in section(html, "Roles")
        assert section(html, "What was given and taken").count("granted a role") == 3
        assert "qa-1" not in section(html, "Tokens")
    html = text(page, "?person=asha&environment=qa")
    assert "2 roles are held by 1 person in qa" in html
    assert "operator" not in section(html, "Roles")
    assert "nightly" not in section(html, "Tokens")
    assert "agent qa-1 in qa" in section(text(page, "?environment=qa"), "Tokens")
    assert "qa-1" not in section(text(page, "?environment=prod-eu"), "Tokens")
    assert "Nobody holds a role" in text(page, "?person=nobody&environment=")


def test_changes_are_paged_and_pages_keep_the_filter(
    ada: User, asha: User, browser: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selector, "PAGE", 2)
    monkeypatch.setattr(selector, "MOST", 2)
    for role in ("viewer", "approver", "risk"):
        bindings.grant_role(to=asha, role=role, actor=ada.actor)
    page, seqs = (
        browser(ada),
        list(
            Entry.objects.filter(action="role.granted", object=f"principal:{asha.pk}")
            .order_by("-seq")
            .values_list("seq", flat=True)
        ),
    )

    first = text(page, "?person=asha")
    assert f'href="?person=asha&amp;before={seqs[1]}#changes"' in first
    assert "Filter to see the others" in first
    assert "More than 2 roles are held" in first
    second = text(page, f"?person=asha&before={seqs[1]}")
    assert f'id="entry-{seqs[2]}"' in second
    assert f'id="entry-{seqs[1]}"' not in second
    assert "No older change" in second


def test_it_is_for_those_who_administer_or_audit_everywhere(
    world: World, ada: User, asha: User, rosa: User, browser: Callable[..., Client]
) -> None:
    prod = world.environment("prod-eu", "production")
    near = world.person("near")
    bindings.grant_role(to=near, role="admin", environment=prod, actor=SET_UP)

    assert Client().get("/people/").status_code == 302
    for user, may in ((ada, True), (rosa, True), (asha, False), (near, False)):
        page = browser(user)
        assert page.get("/people/").status_code == (200 if may else 403)
        assert ('href="/people/"' in page.get("/").content.decode()) is may
    assert browser(ada).post("/people/").status_code == 405
    read = AccessLog.objects.filter(kind="log.read", principal="ada").get()
    assert read.detail == "page=people"


@pytest.mark.parametrize(
    "query",
    [
        "person=%00",
        "person=" + "x" * 151,
        "person=%E2%80%AE",
        "person=a&person=b",
        "environment=Prod",
        "environment=%00",
        "environment=" + "x" * 64,
        "environment=a&environment=b",
        "before=-1",
        "before=1e3",
        "before=%C2%B2",
        "before=" + "9" * 19,
        "before=" + "9" * 5_000,
        "before=1&before=2",
        "ordering=password",
        "user__password=a",
        "%00=1",
    ],
)
def test_a_query_that_cannot_be_understood_is_400(
    ada: User, browser: Callable[..., Client], query: str
) -> None:
    answer = browser(ada).get(f"/people/?{query}")

    assert answer.status_code == 400
    assert "cannot be" in answer.content.decode()


def test_a_query_that_finds_nothing_is_no_mistake(
    ada: User, browser: Callable[..., Client]
) -> None:
    page = browser(ada)

    assert page.get("/people/?environment=none").status_code == 404
    assert page.get("/people/?person=%ED%A0%80").status_code == 400
    for query in ("?person=&environment=&before=", "?before=9223372036854775807"):
        assert text(page, query)


def test_what_people_wrote_is_text(world: World, ada: User, browser: Callable[..., Client]) -> None:
    evil = world.person("evil", "viewer", first_name=EVIL, last_name=EVIL)
    issued = tokens.issue(name=EVIL, scope="ci", owner=evil, actor=SET_UP)
    bindings.grant_role(to=issued.token, role="viewer", actor=SET_UP)
    page = browser(ada)

    for query in ("", "?person=evil", f"?person={EVIL}"):
        html = text(page, query)
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert "&lt;script&gt;alert(1)" in html


def test_the_command_on_the_page_names_what_the_api_takes(
    ada: User, asha: User, world: World, browser: Callable[..., Client]
) -> None:
    world.environment("prod-eu", "production")
    mine = tokens.issue(name="mine", scope="personal", owner=ada, actor=ada.actor)
    assert "/api/v1/people/NAME/roles" in text(browser(ada))

    answer = Client().post(
        "/api/v1/people/asha/roles",
        '{"role": "viewer", "environment": "prod-eu", "group": ""}',
        content_type="application/json",
        headers={"Authorization": f"Bearer {mine.secret}"},
    )
    assert answer.status_code == 201
    given = RoleBinding.objects.get(user=asha, role="viewer")
    assert "viewer" in section(text(browser(ada), "?person=asha&environment=prod-eu"), "Roles")
    assert given.created_at > timezone.now() - timedelta(minutes=1)
