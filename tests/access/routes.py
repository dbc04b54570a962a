"""Every route there is, read from the URL configuration: what the matrix must have a row for.

Django's admin is left out: it adds routes for each table by itself. The matrix does not
ask them; ``tests/pages/test_admin.py`` tests, as one account of the staff, that rows are
shown, and changed by nothing but the services.
"""

from collections.abc import Iterator
from typing import Any

from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
APART = ("admin/",)
"""Prefixes the matrix has no rows for."""
NONE = "00000000-0000-0000-0000-000000000000"
SAMPLES = {"uuid": NONE, "int": "7", "slug": "none", "str": "none"}
NOT_ALLOWED = 405


def patterns() -> dict[str, Any]:
    """Return each route with its view; of two with one path the first, as Django does."""
    found: dict[str, Any] = {}
    for route, view in _walk(get_resolver().url_patterns):
        if not route.startswith(APART):
            found.setdefault(route, view)
    return found


def _walk(listed: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in listed:
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            yield prefix + str(pattern.pattern), pattern.callback


def calls() -> set[str]:
    """Return each route with each method it takes: ``POST api/v1/promotions``.

    The API's views say which they are. A page is asked, by somebody who is not signed
    in: 405 is no.
    """
    found = set()
    client = Client(raise_request_exception=False)
    for route, view in patterns().items():
        if hasattr(view, "cls"):
            found |= {f"{m} {route}" for m in METHODS if hasattr(view.cls, m.lower())}
            continue
        path = "/" + fill(route, {})
        taken = [m for m in METHODS if client.generic(m, path).status_code != NOT_ALLOWED]
        # A page that may be read may be asked for its headers alone; that is no other call.
        found |= {f"{m} {route}" for m in taken if m != "HEAD"}
    return found


def fill(route: str, values: dict[str, object]) -> str:
    """Put values in the place of ``<kind:name>``; what is not given is something that is none."""
    while "<" in route:
        before, _, rest = route.partition("<")
        written, _, after = rest.partition(">")
        kind, _, name = written.rpartition(":")
        route = f"{before}{values.get(name, SAMPLES[kind or 'str'])}{after}"
    return route
