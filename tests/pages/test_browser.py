"""Pages in a real browser: signing in, approving, and watching agents move."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from promotion.models import Approval, Request
from tests.pages.factory import PASSWORD, World

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all tests, driven from a thread of its own loop."""
    # Playwright's loop makes Django believe that the test itself is asynchronous.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def page(chromium: Browser, live_server: LiveServer) -> Iterator[Page]:
    """A fresh page; what its console complains of, or asks of another host, fails the test."""
    complaints: list[str] = []
    context = chromium.new_context(base_url=live_server.url, color_scheme="light")
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.on("console", lambda m: m.type == "error" and complaints.append(m.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda r: r.url.startswith((live_server.url, "data:")) or complaints.append(r.url),
    )
    yield page
    context.close()
    # A refused form answers 403, which the console calls a failure to load.
    assert [text for text in complaints if "status of 403" not in text] == []


@pytest.fixture
def story(transactional_db: None) -> World:
    """Version 2 waits for bram in ``prod-eu``, where version 1 answers on two agents."""
    world = World()
    asha = world.person("asha", "submitter", first_name="Asha", last_name="Rao")
    world.person("bram", "approver", first_name="Bram", last_name="de Wit")
    world.environment("prod-eu", "production")
    world.agent("eu-1", "prod-eu")
    world.agent("eu-2", "prod-eu")
    model = world.model("credit-default")
    old, new = world.version(model), world.version(model)
    world.champion(old, "prod-eu")
    world.tally(new, old, "prod-eu")
    world.environment("prod-eu", "production", approvals=1)
    world.ask(new, "production", "prod-eu", by=asha)
    return world


def sign_in(page: Page, name: str = "bram") -> None:
    page.goto("/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()


def test_somebody_approves_and_watches_the_agents_switch(story: World, page: Page) -> None:
    sign_in(page)
    page.get_by_role("link", name="Promotions").click()
    page.get_by_role("link", name="credit-default v2").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("waits for 1 approval")
    page.get_by_label("Comment").fill("The flips are where we want them.")
    page.get_by_label("Your password, again").fill(PASSWORD)
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("under way, step load")
    expect(page.get_by_text("0 of 2", exact=True)).to_be_visible()

    story.rigs[0].obey()
    expect(page.get_by_text("1 of 2", exact=True)).to_be_visible()
    story.settle()

    expect(page.get_by_role("heading", level=1)).to_contain_text("replaces 1: done")
    assert Request.objects.get(replaces__number=1).state == "done"
    assert Approval.objects.get().name == "Bram de Wit"
    page.get_by_role("link", name="Environments").click()
    expect(page.get_by_role("link", name="v2")).to_be_visible()
    expect(page.get_by_text("live (confirmed)")).to_be_visible()


def test_a_wrong_password_is_said_beside_its_field(story: World, page: Page) -> None:
    sign_in(page)
    page.get_by_role("link", name="Promotions").click()
    page.get_by_role("link", name="credit-default v2").click()
    page.get_by_label("Your password, again").fill("not this one")
    page.get_by_role("button", name="Approve").click()

    expect(page.get_by_role("alert")).to_contain_text("Nothing was changed.")


def test_the_matrix_changes_in_place_while_somebody_reads_it(story: World, page: Page) -> None:
    sign_in(page)
    expect(page.get_by_text("by 2 of 2 agents")).to_be_visible()
    page.evaluate("document.querySelector('table').dataset.mark = 'same'")
    page.wait_for_timeout(2_500)
    assert page.evaluate("document.querySelector('table').dataset.mark") == "same"

    story.rigs[1].falls_silent()

    expect(page.get_by_text("by 1 of 2 agents")).to_be_visible()
    expect(page.get_by_text("agent eu-2 is silent")).to_be_visible()


def test_the_theme_is_switched_and_kept(story: World, page: Page) -> None:
    sign_in(page)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Switch between light and dark").click()
    dark = page.evaluate(ground)
    page.get_by_role("link", name="Fleet").click()

    assert light != dark
    assert page.evaluate(ground) == dark


def test_everything_is_reached_by_keyboard(story: World, page: Page) -> None:
    sign_in(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    for name in ("Lockgate", "Environments", "Models"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=name)).to_be_focused()
    page.keyboard.press("Enter")

    expect(page).to_have_url("/models/")


def test_a_digest_is_copied_whole(story: World, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(page)
    page.goto("/models/credit-default/versions/2/")
    button = page.get_by_role("button", name="Copy the digest").first
    button.click()

    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert len(page.evaluate("navigator.clipboard.readText()")) == 64


def test_pages_fit_a_phone(story: World, page: Page) -> None:
    for slug in ("integration", "qa", "prod-us"):
        story.environment(slug, "qa")
    page.set_viewport_size({"width": 390, "height": 800})
    sign_in(page)
    waiting = f"/promotions/{Request.objects.get(state='open').pk}/"
    for address in ("/", "/models/", "/models/credit-default/", waiting, "/promotions/", "/fleet/"):
        page.goto(address)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, address


def test_lineage_is_walked_with_the_keyboard_alone(story: World, page: Page) -> None:
    sign_in(page)
    page.goto("/models/credit-default/versions/1/")
    page.get_by_role("link", name="Lineage", exact=True).press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("is made of 1 data set")
    page.locator("svg.family a").first.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("1 answers callers in prod-eu")
    page.get_by_role("link", name="Lineage", exact=True).press("Enter")
    page.get_by_label("Feature").fill("pay_0")
    page.get_by_label("Feature").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("2 versions are made of that")


def test_a_report_is_opened_and_taken_away(story: World, page: Page) -> None:
    story.person("lena", "auditor")
    sign_in(page, "lena")
    page.goto("/audit/reports/")
    page.get_by_label("Of", exact=True).select_option("prod-eu")
    page.get_by_role("button", name="Open the report").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Audit report of prod-eu")
    expect(page.get_by_role("heading", name="promote of credit-default 1")).to_be_visible()
