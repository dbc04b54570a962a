"""A person at the pages: signs in, reads a form, fills it in and sends it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import httpx

from lockgate.demo.errors import StoryError

BUTTONS = frozenset({"submit", "image"})
CHOICES = frozenset({"radio", "checkbox"})


@dataclass(slots=True)
class Form:
    """A form as a page shows it.

    ``fields``: what it would send untouched. ``names``: all it can send, by buttons too.
    """

    action: str = ""
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


class _Reader(HTMLParser):
    """Understands inputs, buttons and text areas: all that our pages use to sign."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None
        self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(found.get("action", ""), found.get("method", "get").lower())
            self.forms.append(self._open)
        elif self._open is not None and found.get("name"):
            self._open.names.add(found["name"])
            if tag == "textarea":
                self._area = found["name"]
                self._open.fields[self._area] = ""
            elif tag == "input":
                self._take_input(self._open, found)

    def handle_data(self, data: str) -> None:
        if self._open is not None and self._area:
            self._open.fields[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "textarea":
            self._area = ""

    def _take_input(self, form: Form, found: Mapping[str, str]) -> None:
        kind = found.get("type", "text").lower()
        if kind in CHOICES and "checked" in found:
            form.fields[found["name"]] = found.get("value", "on")
        elif kind not in BUTTONS | CHOICES:
            form.fields[found["name"]] = found.get("value", "")


def read_forms(html: str) -> list[Form]:
    """Read every form of a page."""
    reader = _Reader()
    reader.feed(html)
    return reader.forms


class Browser:
    """One session of one person."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(
            base_url=url, follow_redirects=True, timeout=30.0, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _: BaseException | None,
        __: TracebackType | None,
    ) -> None:
        self._client.close()

    def sign_in(self, *, username: str, password: str) -> None:
        """Sign in through the page.

        Raises:
            StoryError: the page does not let this person in.
        """
        reply = self._send("/sign-in/", holding="username", username=username, password=password)
        if any("username" in form.names for form in read_forms(reply.text)):
            raise StoryError(f"the sign-in page does not let {username} in")

    def read(self, path: str) -> str:
        """Open a page, and give its HTML.

        Raises:
            StoryError: it is not shown.
        """
        reply = self._client.get(path)
        if not reply.is_success:
            raise StoryError(f"{path} was answered with {reply.status_code}")
        return reply.text

    def approve(self, request: str, *, password: str, comment: str) -> None:
        """Open a request's page and sign it with the page's own form."""
        self._send(
            f"/promotions/{request}/",
            holding="content_hash",
            decision="approve",
            meaning="approval",
            comment=comment,
            password=password,
        )

    def _send(self, path: str, *, holding: str, **filled: str) -> httpx.Response:
        """Fill in the form of a page that holds a field, and send it with all else it holds."""
        page = self._client.get(path)
        forms = [form for form in read_forms(page.text) if form.method == "post"]
        form = next((each for each in forms if holding in each.names), None)
        if form is None:
            raise StoryError(f"{path} ({page.status_code}) has no form with {holding!r}")
        if missing := sorted(filled.keys() - form.names):
            raise StoryError(f"the form of {path} does not ask for {', '.join(missing)}")
        # Django looks where a form comes from.
        headers = {"Referer": str(page.url)}
        target = urljoin(str(page.url), form.action)
        reply = self._client.post(target, data={**form.fields, **filled}, headers=headers)
        if not reply.is_success:
            raise StoryError(f"the form of {path} was answered with {reply.status_code}")
        return reply
