"""What an examination of the running system finds: one line a thing, and what to do about it."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum

logger = logging.getLogger(__name__)


class Verdict(StrEnum):
    """How something is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    found: str
    meaning: str = ""
    """What follows from it, when it is not well."""
    fix: str = ""

    def as_document(self) -> dict[str, str]:
        """Return it as the API says it."""
        return {name: str(value) for name, value in asdict(self).items()}


def ok(name: str, found: str) -> Check:
    """Say that something is well."""
    return Check(name, Verdict.OK, found)


def looked_at(name: str, look: Callable[[], Check], *, meaning: str, fix: str) -> Check:
    """Look at one thing; that looking fails is a finding too, and hides no other."""
    try:
        return look()
    except Exception as error:
        logger.warning("examining %s failed", name, exc_info=True)
        lines = str(error).splitlines() or [""]
        found = f"{type(error).__name__}: {lines[0]}"
        return Check(name, Verdict.FAIL, found, meaning, fix)
