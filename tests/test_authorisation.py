"""Every route of the API, from the URLconf: a new one is tested the day it is added."""

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from governance.audit.models import Entry
from governance.services import tokens

pytestmark = pytest.mark.django_db
METHODS = ("get", "post", "put", "patch", "delete")
VALUES = {
    "UUIDConverter": "00000000-0000-0000-0000-000000000000",
    "IntConverter": "7",
    "SlugConverter": "none",
    "StringConverter": "none",
}
DIGEST = "sha256:" + "0" * 64
OPEN = {
    ("post", "/api/v1/agents/enrol"): "asks for a join token in the body",
}
"""Routes without a bearer token, and what they ask for instead."""
OWN = {
    ("get", "/api/v1/me"): "who the caller is",
    ("get", "/api/v1/tokens"): "the caller's own",
    ("post", "/api/v1/tokens"): "the caller's own",
}
"""Routes that answer somebody without any role, and with what."""
REFUSALS = {400, 403, 404, 409, 411, 412, 413, 415, 428}


def _routes(patterns, prefix="/"):
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            path = prefix + str(pattern.pattern)
            for name, converter in pattern.pattern.converters.items():
                kind = type(converter).__name__
                value = VALUES.get(kind, DIGEST)
                for written in (f"<{_kind(kind)}:{name}>", f"<{name}>"):
                    path = path.replace(written, value)
                if f":{name}>" in path:  # A converter of our own.
                    start, end = path.index("<"), path.index(f":{name}>") + len(f":{name}>")
                    path = path[:start] + value + path[end:]
            yield path, pattern.callback


def _kind(converter):
    return {"StringConverter": "str"}.get(converter, converter.removesuffix("Converter").lower())


def _calls():
    found = []
    for path, view in _routes(get_resolver().url_patterns):
        if path.startswith("/api/v1/"):
            found += [(method, path) for method in METHODS if hasattr(view.cls, method)]
    return sorted(set(found))


CALLS = _calls()


def call(client, method, path):
    client.raise_request_exception = False
    return getattr(client, method)(path, {}, format="json")


def test_the_routes_are_found():
    assert len(CALLS) > 30
    assert all("<" not in path for _, path in CALLS), CALLS


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_nobody_gets_in(api, method, path):
    answer = call(api(), method, path)
    if (method, path) in OPEN:
        assert answer.status_code in REFUSALS | {401}
    else:
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_an_account_without_a_role_may_nothing(api, make_person, method, path):
    client = api(make_person("eva").actor)
    before = Entry.objects.count()
    answer = call(client, method, path)

    if (method, path) not in OWN:
        assert answer.status_code in REFUSALS | {401}, answer.content
        assert answer["Content-Type"] == "application/problem+json"
    assert answer.status_code < 500
    assert Entry.objects.count() == before


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_an_agents_token_opens_only_what_is_for_agents(api, set_up, method, path):
    client = api()
    secret = tokens.issue(name="stray", scope="agent", actor=set_up).secret
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    before = Entry.objects.count()
    answer = call(client, method, path)

    if (method, path) != ("get", "/api/v1/me"):
        assert answer.status_code in REFUSALS | {401}, answer.content
    assert Entry.objects.count() == before


@pytest.mark.parametrize(("method", "path"), [c for c in CALLS if "/agents/self/" in c[1]])
def test_people_are_no_agents(api, ada, method, path):
    assert call(api(ada), method, path).status_code in {403, 401}
