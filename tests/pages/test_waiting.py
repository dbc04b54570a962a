"""What waits for me, and what is said about it: pages of requests that want somebody."""

from collections.abc import Callable

import pytest
from django.test import Client

from governance.models import User
from promotion.models import Comment, PolicyRequest, Request
from promotion.services import policy_requests
from tests.pages.factory import PASSWORD, World


def text_of(client: Client, address: str) -> str:
    return str(client.get(address).content.decode())


@pytest.fixture
def proposed(waiting: Request, world: World) -> PolicyRequest:
    """Ada asks for the next policy, beside the promotion that waits."""
    world.environment("prod-us", "production", policy_approvals=1)
    ada = world.person("ada", "admin", first_name="Ada", last_name="Berg")
    made = policy_requests.publish_or_ask(
        environment="prod-us",
        tier="",
        document={"approvals": 2},
        reason="nights are quiet",
        actor=ada.actor,
    )
    assert isinstance(made, PolicyRequest)
    return made


class TestWhatWaitsForMe:
    def test_policies_count_beside_promotions(
        self, proposed: PolicyRequest, bram: User, browser: Callable[..., Client]
    ) -> None:
        page = text_of(browser(bram), "/promotions/")

        assert 'title="2 wait for you"' in page
        assert "<h1>2 wait for you</h1>" in page
        mine = page[page.index("Waits for you") : page.index("Settled")]
        assert f'href="/policies/requests/{proposed.pk}/"' in mine
        assert "credit-default v2" in mine

    def test_what_i_signed_waits_for_others(
        self, proposed: PolicyRequest, world: World, bram: User, browser: Callable[..., Client]
    ) -> None:
        world.sign(Request.objects.get(state="open"), bram)
        assert "<h1>1 policy waits for you</h1>" in text_of(browser(bram), "/promotions/")
        policy_requests.approve(
            request_id=proposed.pk,
            user=bram,
            password=PASSWORD,
            comment="",
            content_hash=proposed.content_hash,
            actor=bram.actor,
        )

        assert "wait for you" not in text_of(browser(bram), "/promotions/")

    def test_a_policy_waits_for_nobody_who_could_not_sign_it(
        self, proposed: PolicyRequest, world: World, browser: Callable[..., Client]
    ) -> None:
        from governance.services import bindings
        from tests.pages.factory import SET_UP

        some = world.person("some")
        bindings.grant_role(to=some, role="approver", group="credit", actor=SET_UP)
        elsewhere = world.person("elsewhere")
        place = Request.objects.get(state="open").environment
        bindings.grant_role(to=elsewhere, role="risk", environment=place, actor=SET_UP)

        for user in (some, elsewhere):
            assert "<h1>1 promotion waits for you</h1>" in text_of(browser(user), "/promotions/")
        ada = browser(User.objects.get(username="ada"))
        assert "wait for you" not in text_of(ada, "/promotions/")


class TestComments:
    def test_one_stands_in_the_timeline(
        self, waiting: Request, bram: User, browser: Callable[..., Client]
    ) -> None:
        page = browser(bram)
        answer = page.post(f"/promotions/{waiting.pk}/comment/", {"text": "Who owns\r\nMarch?"})

        assert answer["Location"] == f"/promotions/{waiting.pk}/#timeline"
        text = text_of(page, f"/promotions/{waiting.pk}/")
        said = text[text.index('id="timeline"') :]
        assert "<blockquote>Who owns\nMarch?</blockquote>" in said
        assert "commented" in said

    def test_one_on_a_policy_stands_in_its_timeline(
        self, proposed: PolicyRequest, bram: User, browser: Callable[..., Client]
    ) -> None:
        page, address = browser(bram), f"/policies/requests/{proposed.pk}/"
        assert page.post(f"{address}comment/", {"text": "Why now?"}).status_code == 302

        text = text_of(page, address)
        assert "asked for the next policy" in text
        assert "<blockquote>Why now?</blockquote>" in text

    @pytest.mark.parametrize("text", ["", " \n", "x" * 100_000, "a\x00b", "a\x1bb"])
    def test_a_refused_one_changes_nothing_and_stays_in_the_form(
        self,
        waiting: Request,
        proposed: PolicyRequest,
        bram: User,
        browser: Callable[..., Client],
        text: str,
    ) -> None:
        for address in (
            f"/promotions/{waiting.pk}/comment/",
            f"/policies/requests/{proposed.pk}/comment/",
        ):
            answer = browser(bram).post(address, {"text": text})
            page = answer.content.decode()

            assert answer.status_code == 422
            assert "Nothing was changed" in page
            assert text[:50] in page
        assert not Comment.objects.exists()

    def test_what_is_said_is_text_and_never_markup(
        self, waiting: Request, bram: User, browser: Callable[..., Client]
    ) -> None:
        page = browser(bram)
        page.post(f"/promotions/{waiting.pk}/comment/", {"text": "<script>alert(1)</script>"})

        text = text_of(page, f"/promotions/{waiting.pk}/")
        assert "&lt;script&gt;alert(1)" in text
        assert "<script>alert" not in text

    def test_who_only_looks_reads_them_and_is_offered_no_form(
        self,
        waiting: Request,
        proposed: PolicyRequest,
        world: World,
        browser: Callable[..., Client],
    ) -> None:
        page = browser(world.person("vera", "viewer"))
        for address in (f"/promotions/{waiting.pk}/", f"/policies/requests/{proposed.pk}/"):
            assert 'name="text"' not in text_of(page, address)
            assert page.post(f"{address}comment/", {"text": "No."}).status_code == 403
        assert not Comment.objects.exists()


def test_what_gave_way_leads_to_what_it_gave_way_to(
    waiting: Request, world: World, asha: User, bram: User, browser: Callable[..., Client]
) -> None:
    world.environment("prod-eu", "production", approvals=1, supersede={"open": True})
    newer = world.ask(world.version(waiting.model), "production", "prod-eu", by=asha)
    page = browser(bram)

    text = text_of(page, f"/promotions/{waiting.pk}/")
    assert "Version 3 was asked for instead." in text
    assert f'href="/promotions/{newer.pk}/">Open what it gave way to</a>' in text
    assert "superseded the request" in text
    terms = text_of(page, f"/policies/prod-eu/{newer.policy.number}/")
    assert terms.count("supersede.open") == 2, "in what it changed, and in what it says"
