"""Examines an installation from here: what this end can see, and then what the service says.

Works with the service down too: what could not be reached is named, so that nothing
which was not looked at passes for well.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from lockgate.client import Client
from lockgate.errors import ApiError, LockgateError

Verdict = Literal["ok", "warn", "fail"]
SECONDS = 5.0
SKEW_WARN, SKEW_FAIL = 2.0, 30.0
"""Seconds between this clock and the service's."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
OF_THE_SERVICE = (
    "database role",
    "triggers",
    "migrations",
    "clock",
    "broker",
    "mirror",
    "signing key",
    "store",
    "worker",
    "watch",
    "agents",
)
"""What only the service can look at."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``meaning`` and ``fix`` are for what is not well."""

    name: str
    verdict: Verdict
    found: str
    meaning: str = ""
    fix: str = ""

    def as_document(self) -> dict[str, str]:
        """Return it as JSON has it."""
        return asdict(self)


def examine(url: str, token: str) -> Iterator[Check]:
    """Look at one thing after the other, from the address to the service's own examination."""
    if not url.startswith(("http://", "https://")):
        yield Check(
            "address",
            "fail",
            f"{url!r} is no address" if url else "none was given",
            "Nothing can be reached.",
            "Set LOCKGATE_URL, such as https://lockgate.example, or give --url.",
        )
        yield _not_reached("service", "token", *OF_THE_SERVICE)
        return
    yield _address(url)
    service, answers = _service(url)
    yield service
    if not answers:
        yield _not_reached("token", *OF_THE_SERVICE)
        return
    if not token:
        fix = "Set LOCKGATE_TOKEN to a token of somebody who operates or administers."
        yield Check("token", "fail", "none was given", "The service answers nobody.", fix)
        yield _not_reached(*OF_THE_SERVICE)
        return
    yield from _with_token(url, token)


def _address(url: str) -> Check:
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        return Check(
            "address",
            "warn",
            f"{parts.hostname} is spoken to without TLS",
            "Everybody on the way can read the token.",
            "Put the service behind a proxy with TLS, and use its https:// address.",
        )
    return Check("address", "ok", f"{parts.scheme}://{parts.netloc}")


def _service(url: str) -> tuple[Check, bool]:
    """Ask whether the service can do its work; tell whether it can answer more."""
    try:
        answer = httpx.get(f"{url.rstrip('/')}/health/ready", timeout=SECONDS)
        body = answer.json()
        ready, database, broker = body["ready"], body["database"], body["broker"]
    except httpx.TransportError as error:
        found = f"it does not answer: {error or type(error).__name__}"
        meaning = "Nothing can be decided. Agents serve on what they have."
        fix = "Start it (`lockgate up`, or its web process), or correct LOCKGATE_URL."
        return Check("service", "fail", found, meaning, fix), False
    except (ValueError, KeyError, TypeError):
        found = f"something answers there ({answer.status_code}), and not as Lockgate does"
        fix = "Correct LOCKGATE_URL; if it is right, look at the proxy in between."
        return Check("service", "fail", found, "Nothing can be decided.", fix), False
    if not ready:
        parts = {"database": database, "broker": broker}
        down = ", ".join(name for name, answers in parts.items() if not answers)
        found = f"it answers, and does without: {down or 'what it needs'}"
        meaning = "Nothing can be decided. Agents serve on what they have."
        fix = "Start the database that DATABASE_URL names, and look at the web process's log."
        return Check("service", "fail", found, meaning, fix), False
    return Check("service", "ok", "it answers, and has its database"), True


def _with_token(url: str, token: str) -> Iterator[Check]:
    with Client(url, token) as client:
        try:
            me = client.me()
            yield Check("token", "ok", f"of {me['label']}")
        except LockgateError as error:
            meaning, fix = "The service answers nobody it does not know.", "Make a new token."
            yield Check("token", "fail", str(error), meaning, fix)
            yield _not_reached(*OF_THE_SERVICE)
            return
        began, started = datetime.now(UTC), time.monotonic()
        try:
            document = client.doctor()
            took = time.monotonic() - started
            checks = [_read(each) for each in document["checks"]]
            at = datetime.fromisoformat(str(document["at"]))
        except (LockgateError, KeyError, TypeError, ValueError) as error:
            yield _refused(error)
            yield _not_reached(*OF_THE_SERVICE)
            return
    yield _clock((at - began).total_seconds(), took=took)
    yield from checks


def _refused(error: Exception) -> Check:
    if isinstance(error, ApiError) and error.status == httpx.codes.FORBIDDEN:
        meaning = "The service's own examination is for those who run it."
        fix = "Use the token of somebody with the role operator or admin everywhere."
        return Check("examination", "fail", str(error), meaning, fix)
    found = str(error) if isinstance(error, LockgateError) else "its answer cannot be read"
    fix = "Is the service of the same release as this client? Look at its log."
    return Check("examination", "fail", found, "The service cannot examine itself.", fix)


def _clock(ahead: float, *, took: float) -> Check:
    """Compare clocks: the service's stood between the question and its answer."""
    skew = max(-ahead, ahead - took, 0.0)
    if skew < SKEW_WARN:
        return Check("clock here", "ok", "the service's and this one agree")
    word = "behind" if ahead > 0 else "ahead of"
    return Check(
        "clock here",
        "warn" if skew < SKEW_FAIL else "fail",
        f"this one is {skew:.0f} s {word} the service's",
        "Times in logs do not fit, and certificates may seem not yet or no longer good.",
        "Let both machines follow the same time servers (chrony or systemd-timesyncd).",
    )


def _read(document: dict[str, Any]) -> Check:
    """Read a finding of the service's; an unknown verdict is no good one."""
    verdict: Verdict = "fail"
    if document["verdict"] == "ok":
        verdict = "ok"
    elif document["verdict"] == "warn":
        verdict = "warn"
    words = [str(document.get(name, "")) for name in ("meaning", "fix")]
    return Check(str(document["name"]), verdict, str(document["found"]), *words)


def _not_reached(*names: str) -> Check:
    meaning = "These may be well or not."
    fix = "Mend what stands above, and run this again."
    return Check("not looked at", "fail", ", ".join(names), meaning, fix)
