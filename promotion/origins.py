"""What can be asked about where versions come from, read from text as strictly as it is meant."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time

from governance.errors import Invalid
from governance.names import is_sha256, problem_with

PARAMETERS = (
    "dataset",
    "digest",
    "from",
    "to",
    "commit",
    "run",
    "feature",
    "package",
    "live",
)
LONGEST = 500
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Origin:
    """What is asked for; what is empty does not count.

    Attributes:
        dataset, digest: of data, by its id and by the SHA-256 of its bytes.
        since, until: data about any time in between; data of unknown times may be.
        package: ``name``, or ``name==version``, of the environment lock.
        live: only what answers callers somewhere.
    """

    dataset: str = ""
    digest: str = ""
    since: datetime | None = None
    until: datetime | None = None
    commit: str = ""
    run: str = ""
    feature: str = ""
    package: str = ""
    live: bool = False

    @property
    def of_data(self) -> bool:
        """Whether anything is asked about data."""
        return bool(self.dataset or self.digest or self.since or self.until)

    def is_empty(self) -> bool:
        """Whether nothing is asked but what answers."""
        return replace(self, live=False) == Origin()


def read(asked: Mapping[str, str]) -> Origin:
    """Read a question; blank is not asked.

    Raises:
        Invalid: ``invalid_query``, naming each parameter that is wrong.
    """
    texts = {name: asked.get(name, "").strip() for name in PARAMETERS}
    problems = {
        name: problem
        for name, text in texts.items()
        if (problem := problem_with(text, limit=LONGEST, blank=True))
    }
    digest = texts["digest"].removeprefix("sha256:").lower()
    if digest and not is_sha256(digest):
        problems["digest"] = "is not a SHA-256 in 64 hexadecimal digits"
    times: dict[str, datetime | None] = {}
    for name, ends in (("from", False), ("to", True)):
        times[name], problem = _moment(texts[name], ends=ends)
        if problem:
            problems.setdefault(name, problem)
    since, until = times["from"], times["to"]
    if since and until and since > until:
        problems["to"] = "lies before the beginning"
    if texts["live"] not in {"", "0", "1"}:
        problems["live"] = "is 0 or 1"
    if problems:
        message = "The query cannot be understood."
        raise Invalid(message, code="invalid_query", **problems)
    return Origin(
        dataset=texts["dataset"],
        digest=digest,
        since=since,
        until=until,
        commit=texts["commit"],
        run=texts["run"],
        feature=texts["feature"],
        package=texts["package"],
        live=texts["live"] == "1",
    )


def _moment(text: str, *, ends: bool) -> tuple[datetime | None, str]:
    """Read a day, or a time with its zone; a day that ends a range belongs to it."""
    if not text:
        return None, ""
    try:
        if _DAY.fullmatch(text):
            clock = time.max if ends else time.min
            return datetime.combine(date.fromisoformat(text), clock, tzinfo=UTC), ""
        if _TIME.fullmatch(text):
            found = datetime.fromisoformat(text.upper().replace(" ", "T"))
            return found.astimezone(UTC), ""
    except (ValueError, OverflowError):
        return None, "names no moment there is"
    return None, "is no day such as 2026-01-31, and no time with its zone as RFC 3339 writes it"
