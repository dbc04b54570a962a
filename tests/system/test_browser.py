"""In a real browser: sign in, approve, and watch the rollout finish."""

import shutil

import pytest

from tests.agent import versions
from tests.system.conftest import PASSWORD, System, answering

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
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
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


def test_sign_in_approve_and_watch_the_rollout_finish(system: System) -> None:
    made = versions.make("watched", 1)
    number = system.register(made)
    request = system.ask(made.model, number)

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        foreign: list[str] = []
        page.on(
            "request", lambda r: r.url.startswith((system.url, "data:")) or foreign.append(r.url)
        )
        page.goto(f"{system.url}/promotions/{request['id']}/")
        page.get_by_label("Name").fill("bram")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        heading = page.get_by_role("heading", level=1)
        sync_api.expect(heading).to_contain_text("waits for 1 approval")
        page.get_by_label("Your password, again").fill(PASSWORD)
        page.get_by_role("button", name="Approve").click()
        sync_api.expect(heading).to_contain_text("done", timeout=60_000)
        page.get_by_role("link", name="Environments").click()
        sync_api.expect(page.get_by_text("live (confirmed)").first).to_be_visible()
        browser.close()

    assert system.promotion(request)["state"] == "done"
    assert answering(system.agent_url("eu-1"), "watched") == str(number)
    assert foreign == []
