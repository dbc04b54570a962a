"""Takes the pictures of ``docs/`` from the demo's own story: ``make screenshots``.

The environment page is watched while version 2 is rolled out, and kept as it looked in the
middle of that; the other pages are taken when the story has come to its visitor's turn. Then
the story goes on a little: what would be refused is tried, the champion is rolled back while
one agent does not move, and the next policy is published.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Error, Page, sync_playwright

from tests.system.test_browser import CHROMIUM, FLAGS

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROLLING = re.compile(r"v2 (load|commit|bake)")
PAGES = {
    "version": "/models/credit-default/versions/2/",
    "fleet": "/fleet/",
}
PATIENCE_SECONDS = 600
WIDE, LOW, BARRED, TALL = 1280, 560, 640, 900
NEXT_POLICY = {
    "approvals": {"count": 2, "with_risk_of": 1},
    "dark_first": True,
    "minimum_pairs": 2_000,
    "through": ["qa"],
    "minimum_agents": 2,
    "stages": [{"weight": 0.1, "seconds": 60.0, "minimum_requests": 100}, "all"],
    "bake_seconds": 600.0,
    "load_seconds": 60.0,
}


@contextmanager
def demo(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (home.parent / "demo.log").open("wb") as log:
        command = [sys.executable, "-m", "lockgate.demo", "play", "--home", str(home)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def read(file: Path, key: str) -> dict[str, object]:
    """Read a file the demo writes, once it is there and says ``key``."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            found: dict[str, object] = json.loads(file.read_text())
        except (OSError, ValueError):
            found = {}
        if key in found:
            return found
        time.sleep(0.2)
    raise TimeoutError(str(file))


def sign_in(page: Page, url: str, password: str) -> None:
    for _ in range(100):
        try:
            page.goto(f"{url}/sign-in/")
            break
        except Error:  # the web process is still coming up
            time.sleep(0.5)
    page.get_by_label("Name").fill("bram")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()


def watch(page: Page, url: str, log: Path) -> None:
    """Keep the environment page as it looked while version 2 was rolled out."""
    until = time.monotonic() + PATIENCE_SECONDS
    kept = ""
    while time.monotonic() < until and "your turn" not in log.read_text(errors="replace").lower():
        page.goto(f"{url}/")
        text = page.inner_text("main")
        found = ROLLING.search(text)
        if found and "prod-eu" in text and "dark v2" in text and "switching" not in text:
            page.screenshot(path=str(DOCS / "environments.png"))
            kept = found[0]
        time.sleep(0.1)
    print(f"environments.png: {kept or 'the rollout was not seen'}")


def refusal(page: Page, url: str) -> None:
    """Try what would be refused: version 3, whose golden transactions do not match."""
    page.goto(f"{url}/policies/prod-eu/2/")
    page.screenshot(path=str(DOCS / "policy.png"))
    page.get_by_label("Model").fill("credit-default")
    page.get_by_label("Version").fill("3")
    page.get_by_role("button", name="Try it").click()
    page.wait_for_load_state()
    trial = page.locator("#trial")
    for gate in trial.locator("details").all():
        if gate.get_by_text("What to do:").count():
            gate.locator("summary").click()
    trial.screenshot(path=str(DOCS / "refusal.png"))


def rollback(page: Page, url: str, agent: int, token: str) -> None:
    """Roll back while one agent does not move; then let it, and look at where that led."""
    os.kill(agent, signal.SIGSTOP)
    try:
        asked = httpx.post(
            f"{url}/api/v1/environments/prod-eu/models/credit-default/rollback",
            headers={"Authorization": f"Bearer {token}"},
            json={"reason": "Complaints about declined cards"},
            timeout=60.0,
        ).raise_for_status()
        page.goto(f"{url}/promotions/{asked.json()['id']}/")
        page.get_by_text("eu-1").first.wait_for()
        page.wait_for_timeout(4_000)
        page.screenshot(path=str(DOCS / "rollback.png"), full_page=True)
    finally:
        os.kill(agent, signal.SIGCONT)
    page.get_by_role("heading", level=1, name="done").wait_for(timeout=120_000)
    page.set_viewport_size({"width": WIDE, "height": BARRED})
    page.goto(f"{url}/")
    page.get_by_text("live (confirmed)").nth(1).wait_for(timeout=60_000)
    page.screenshot(path=str(DOCS / "rolled-back.png"))
    page.set_viewport_size({"width": WIDE, "height": TALL})


def next_policy(page: Page, url: str, token: str) -> None:
    """Publish a policy that asks for more, and show what it changed."""
    document = {
        "kind": "production",
        "position": 2,
        "targets": {"live": {"mirror_fraction": 0.5}, "dark": {}},
        "policy": NEXT_POLICY,
    }
    httpx.put(
        f"{url}/api/v1/environments/prod-eu",
        headers={"Authorization": f"Bearer {token}"},
        json=document,
        timeout=60.0,
    ).raise_for_status()
    page.goto(f"{url}/policies/prod-eu/3/")
    page.screenshot(path=str(DOCS / "policy-changes.png"))


def lineage(page: Page, file: Path) -> None:
    """The report of version 2 as it lies in the visitor's folder: its top, and its life."""
    page.set_viewport_size({"width": 940, "height": TALL})
    page.goto(file.as_uri())
    page.screenshot(path=str(DOCS / "lineage.png"))
    page.evaluate("document.querySelector('#lifecycle').scrollIntoView()")
    page.screenshot(path=str(DOCS / "lineage-life.png"))
    page.set_viewport_size({"width": WIDE, "height": TALL})


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lockgate-pictures-") as folder:
        home = Path(folder) / "demo"
        with demo(home), sync_playwright() as playwright:
            people: Any = read(home / "demo" / "people.json", "ci")
            running: Any = read(home / "run" / "up.json", "url")
            url = str(running["url"])
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page(viewport={"width": WIDE, "height": LOW})
            sign_in(page, url, str(people["bram"]["password"]))
            watch(page, url, home.parent / "demo.log")
            page.set_viewport_size({"width": WIDE, "height": TALL})
            for name, path in PAGES.items():
                page.goto(url + path)
                page.screenshot(path=str(DOCS / f"{name}.png"), full_page=True)
            page.goto(f"{url}/promotions/")
            page.get_by_role("link", name="credit-default v4").first.click()
            page.wait_for_load_state()
            page.screenshot(path=str(DOCS / "promotion.png"), full_page=True)
            lineage(page, home / "reports" / "lineage-credit-default-2.html")
            refusal(page, url)
            rollback(page, url, int(running["agents"]["eu-2"]["pid"]), str(people["omar"]["token"]))
            next_policy(page, url, str(people["ada"]["token"]))
            browser.close()


if __name__ == "__main__":
    main()
