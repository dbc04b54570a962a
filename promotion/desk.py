"""What an auditor may ask for, read from what is written in an address. No page, no table.

Pages and calls ask the same questions by the same names, so they are read in one place.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from governance import names, periods
from governance.access import Permission
from governance.audit import sampling
from governance.audit.actions import Action
from governance.errors import Invalid
from governance.exports import FORMS, Form
from governance.periods import Period
from governance.searching import Search

LARGEST = 2**62
PERIOD = ("since", "until")
SEARCH = (
    *("action", "actor", "object", "model", "version", "environment", "request", "text"),
    *PERIOD,
)
SAMPLE = (*PERIOD, "kind", "environment", "model", "who", "seed", "n", "size")
RIGHTS = ("at", "person", "environment", "permission")
DUTIES = (*PERIOD, "person")
USUAL_SAMPLE = 25
SEED = re.compile(r"[0-9A-Za-z._-]{1,64}\Z")
KIND = re.compile(r"[a-z_]{1,30}(\.[a-z_]{1,30})?\Z")
ACTION = re.compile(r"[a-z_]{1,30}\.([a-z_]{1,40})?\Z")
FAMILIES = tuple(dict.fromkeys(action.value.partition(".")[0] for action in Action))
"""Sorts of changes: what stands before the dot of an action."""
DIGITS = re.compile(r"[0-9]{1,19}\Z", re.ASCII)


def period(asked: Mapping[str, str], *, now: datetime) -> Period:
    """Read a period: the last thirty days, unless something else is asked for."""
    return periods.read(since=_text(asked, "since"), until=_text(asked, "until"), now=now)


def form(asked: Mapping[str, str]) -> Form | None:
    """Read in which form a list is wanted as a file; None is as a page, or as the API has it."""
    text = _text(asked, "as")
    if not text:
        return None
    for one in FORMS:
        if text == one:
            return one
    raise _wrong("as", f"is none of {', '.join(FORMS)}")


def number(asked: Mapping[str, str], name: str) -> int | None:
    """Read a whole number, from 0 on."""
    text = _text(asked, name)
    if not text:
        return None
    if not DIGITS.match(text) or int(text) > LARGEST:
        raise _wrong(name, "is no whole number that can be")
    return int(text)


def search(asked: Mapping[str, str]) -> Search:
    """Read what the log is searched for."""
    version = number(asked, "version")
    if version is not None and version >= 2**31:
        raise _wrong("version", "is not a version's number")
    if version is not None and not _text(asked, "model"):
        raise _wrong("version", "is of a model: name it too")
    action = _text(asked, "action")
    if action and not ACTION.match(action):
        raise _wrong("action", "is no action, such as request.opened, and no sort, as request.")
    since, until = _text(asked, "since"), _text(asked, "until")
    return Search(
        action=action,
        actor=_text(asked, "actor"),
        object=_text(asked, "object"),
        model=_text(asked, "model"),
        version=version,
        environment=_text(asked, "environment"),
        request=_uuid(asked, "request"),
        since=periods.moment(since, name="since") if since else None,
        until=periods.moment(until, name="until", ends=True) if until else None,
        text=_text(asked, "text"),
    )


def population(asked: Mapping[str, str], *, size: int, now: datetime) -> sampling.Population:
    """Read what a sample is drawn from.

    Args:
        size: of the log as it is, or as it is sealed; nobody draws from more.
    """
    kind, who = _text(asked, "kind"), _text(asked, "who") or sampling.EVERYBODY
    if kind and not KIND.match(kind):
        raise _wrong("kind", "is no action such as request.opened, and no sort such as request")
    if who not in sampling.WHO:
        raise _wrong("who", f"is none of {', '.join(sampling.WHO)}")
    wanted = number(asked, "size")
    if wanted is not None and wanted > size:
        raise _wrong("size", f"is more than there is: {size}")
    return sampling.Population(
        period(asked, now=now),
        size if wanted is None else wanted,
        kind=kind,
        environment=_text(asked, "environment"),
        model=_text(asked, "model"),
        who=who,
    )


def sample_size(asked: Mapping[str, str]) -> int:
    """Read how many changes are drawn."""
    wanted = number(asked, "n")
    if wanted is None:
        return USUAL_SAMPLE
    if not 1 <= wanted <= sampling.MOST:
        raise _wrong("n", f"is not between 1 and {sampling.MOST}")
    return wanted


def seed(asked: Mapping[str, str]) -> str:
    """Read the seed of a sample; blank when none is given."""
    text = _text(asked, "seed")
    if text and not SEED.match(text):
        raise _wrong("seed", "is not 1 to 64 letters, digits, dots, hyphens or underscores")
    return text


def given_seed(asked: Mapping[str, str]) -> str:
    """Read the seed of a sample that is drawn again."""
    found = seed(asked)
    if not found:
        raise _wrong("seed", "must be given")
    return found


def moment(asked: Mapping[str, str], *, now: datetime) -> datetime:
    """Read one moment: now, unless another is asked for."""
    text = _text(asked, "at")
    return periods.moment(text, name="at") if text else now


def permission(asked: Mapping[str, str]) -> str:
    """Read what somebody must have been able to do; blank is anything."""
    text = _text(asked, "permission")
    if text and text not in set(Permission):
        raise _wrong("permission", f"is none of {', '.join(Permission)}")
    return text


def text(asked: Mapping[str, str], name: str) -> str:
    """Read a name of somebody or something."""
    return _text(asked, name)


def _text(asked: Mapping[str, str], name: str) -> str:
    found = asked.get(name, "").strip()
    if problem := names.problem_with(found, limit=200, blank=True):
        raise _wrong(name, problem)
    return found


def _uuid(asked: Mapping[str, str], name: str) -> UUID | None:
    found = _text(asked, name)
    try:
        return UUID(found) if found else None
    except ValueError:
        raise _wrong(name, "is not a UUID") from None


def _wrong(name: str, problem: str) -> Invalid:
    message = f"The query cannot be understood: {name} {problem}."
    return Invalid(message, code="invalid_query", **{name: problem})
