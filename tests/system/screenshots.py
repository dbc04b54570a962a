"""Takes the pictures of ``docs/`` from the demo's own story: ``make screenshots``.

The environment page is watched while version 2 is rolled out, and kept as it looked in the
middle of that; the other pages are taken when the story has come to its visitor's turn.
"""

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Error, Page, sync_playwright

from tests.system.test_browser import CHROMIUM, FLAGS

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROLLING = re.compile(r"v2 (load|commit|bake)")
PAGES = {
    "version": "/models/credit-default/versions/2/",
    "fleet": "/fleet/",
}
PATIENCE_SECONDS = 300


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


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lockgate-pictures-") as folder:
        home = Path(folder) / "demo"
        with demo(home), sync_playwright() as playwright:
            people = read(home / "demo" / "people.json", "bram")
            url = str(read(home / "run" / "up.json", "url")["url"])
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 560})
            sign_in(page, url, str(people["bram"]["password"]))  # type: ignore[index]
            watch(page, url, home.parent / "demo.log")
            for name, path in PAGES.items():
                page.goto(url + path)
                page.screenshot(path=str(DOCS / f"{name}.png"), full_page=True)
            page.goto(f"{url}/promotions/")
            page.get_by_role("link", name="credit-default v4").first.click()
            page.wait_for_load_state()
            page.screenshot(path=str(DOCS / "promotion.png"), full_page=True)
            browser.close()


if __name__ == "__main__":
    main()
