"""What holds for every page: headers, labels, nothing inline and nothing from elsewhere."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from governance.audit.models import Entry
from governance.models import User
from promotion.models import Request
from tests.pages.factory import World

TEMPLATES = sorted((settings.ROOT / "templates").rglob("*.html"))
OURS = [path for path in TEMPLATES if "admin" not in path.parts]


@pytest.fixture
def addresses(world: World, waiting: Request) -> list[str]:
    """One address of every kind of page."""
    return [
        "/",
        "/abnormal/",
        "/models/",
        "/models/credit-default/",
        "/models/credit-default/versions/2/",
        "/promotions/",
        f"/promotions/{waiting.pk}/",
        f"/promotions/{waiting.pk}/progress/",
        f"/promotions/{waiting.pk}/withdraw/",
        "/environments/prod-eu/models/credit-default/roll-back/",
        "/audit/",
        "/audit/erasures/",
        "/findings/",
        "/reviews/",
        "/people/",
        "/fleet/",
        f"/fleet/{world.rigs[0].agent.pk}/cordon/",
    ]


def test_looking_at_pages_changes_nothing(
    addresses: list[str], waiting: Request, rosa: User, browser: Callable[..., Client]
) -> None:
    page, before = browser(rosa), Entry.objects.count()

    for address in addresses:
        for method in (page.get, page.head):
            assert method(address).status_code in {200, 405}
        strict = address in {"/audit/", "/people/"}  # They refuse what they do not know.
        answer = page.get(f"{address}?decision=approve&cordon=yes&reason=why")
        assert answer.status_code == (400 if strict else 200)
    for address in (f"/promotions/{waiting.pk}/sign/", "/sign-out/"):
        assert page.get(address).status_code == 405

    assert Entry.objects.count() == before
    assert Request.objects.get(pk=waiting.pk).state == "open"


def test_every_page_carries_the_strict_headers(
    addresses: list[str], rosa: User, browser: Callable[..., Client]
) -> None:
    page = browser(rosa)

    for answer in (page.get(address) for address in ["/sign-in/", "/no/such/page/", *addresses]):
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in page.get("/")["Cache-Control"]


class Page(HTMLParser):
    """Collects what a page must not have, or must have with something else."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.labels: set[str] = set()
        self.fields: list[tuple[str, bool]] = []
        self.headings: list[str] = []
        self._within: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.faults += [f"{tag} {name}" for name in names if name == "style" or name[:2] == "on"]
        if tag == "style" or (tag == "script" and "src" not in names):
            self.faults.append(f"inline {tag}")
        for name in ("src", "href", "action", "hx-get"):
            if re.match(r"(?:[a-z]+:)?//", names.get(name) or ""):
                self.faults.append(f"{tag} from {names[name]}")
        self.faults += _nameless(tag, names)
        if names.get("id"):
            self.ids.append(str(names["id"]))
        if tag == "label":
            self.labels.add(names.get("for") or "")
        if tag in {"input", "select", "textarea"} and names.get("type") != "hidden":
            named = bool(names.get("aria-label")) or "label" in self._within
            self.fields.append((names.get("id") or "", named))
        if tag in {"h1", "h2", "h3"}:
            self.headings.append(tag)
        if tag not in {"input", "meta", "link", "br", "img"}:
            self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._within and self._within.pop() != tag:
            pass

    def unlabelled(self) -> list[str]:
        return [name for name, named in self.fields if not named and name not in self.labels]


def _nameless(tag: str, names: dict[str, str | None]) -> list[str]:
    if "aria-label" in names or "aria-hidden" in names:
        return []
    is_icon = tag == "button" and (names.get("class") or "").startswith("icon")
    return [f"a {tag} without a name"] if is_icon or tag == "svg" else []


def test_every_page_is_well_made(
    addresses: list[str], bram: User, rosa: User, browser: Callable[..., Client]
) -> None:
    pages = [(address, browser(rosa).get(address)) for address in addresses]
    pages += [(address, browser(bram).get(address)) for address in addresses if "promo" in address]
    pages += [("/sign-in/", Client().get("/sign-in/")), ("404", Client().get("/no/such/page/"))]
    for address, answer in pages:
        page = Page(answer.content.decode())
        assert page.faults == [], address
        assert page.unlabelled() == [], address
        assert len(page.ids) == len(set(page.ids)), address
        if "<html" in answer.content.decode():
            assert page.headings.count("h1") == 1, address
            assert 'lang="en"' in answer.content.decode()


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_no_template_trusts_what_it_shows(path: Path) -> None:
    text = path.read_text()

    assert "|safe" not in text
    assert "autoescape off" not in text


STYLES = (settings.ROOT / "templates/static/lockgate.css").read_text()
THEMES = {
    "light": re.search(r":root \{(.*?)\}", STYLES, re.DOTALL),
    "dark": re.search(r':root\[data-theme="dark"\] \{(.*?)\}', STYLES, re.DOTALL),
}
STATES = ["trained", "dark", "production", "bake", "retired", "flight", "failed", "unknown"]
WORDS = ["text", "muted", "accent", *STATES]


@pytest.mark.parametrize("theme", THEMES)
def test_text_stands_out_from_what_is_behind_it(theme: str) -> None:
    found = THEMES[theme]
    assert found is not None
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", found[1]))
    pairs = [(word, ground) for word in WORDS for ground in ("bg", "surface", "sunken")]
    pairs += [("on-accent", "accent"), ("on-accent", "accent-strong")]
    pairs += [(name, f"{name}-tint") for name in ("failed", "unknown", "production")]
    pairs += [("text", f"{name}-tint") for name in ("failed", "unknown", "production")]
    pairs += [("muted", "failed-tint"), ("accent", "failed-tint"), ("flight", "tint")]

    weak = {
        pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2)
        for pair in pairs
        if contrast(colours[pair[0]], colours[pair[1]]) < 4.5
    }

    assert weak == {}


def test_both_ways_to_the_dark_theme_lead_to_the_same_colours() -> None:
    preferred = re.search(r':root:not\(\[data-theme="light"\]\) \{(.*?)\}', STYLES, re.DOTALL)
    chosen = THEMES["dark"]

    assert preferred is not None
    assert chosen is not None
    assert preferred[1].split() == chosen[1].split()


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two colours."""
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
