"""What the pages of lineage show: versions by origin, the data there is, and one data set."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min, Q

from governance.access import Sight
from governance.errors import NotFound
from promotion.origins import Origin
from promotion.selectors import made_from
from promotion.selectors.made_from import ANSWERING, Made
from promotion.selectors.model_page import joined
from registry.models import DatasetUse

MOST = 200
"""Rows of one list; the page says when there are more, and filters narrow it."""


@dataclass(frozen=True, slots=True)
class DataLine:
    """One data set, by id and digest, and how many versions were made of it."""

    name: str
    digest: str
    versions: int
    answering: int
    begins: datetime | None
    ends: datetime | None


@dataclass(frozen=True, slots=True)
class Found:
    """What was asked for; without a question, the data there is."""

    made: list[Made]
    data: list[DataLine]
    is_cut: bool
    asked: Origin

    @property
    def title(self) -> str:
        """The answer this page gives."""
        if self.asked.is_empty() and not self.asked.live:
            count = len(self.data)
            return f"Versions here are made of {count}{self._more} data set{_s(count)}"
        if not self.made:
            return "No version is made of that"
        count, live = len(self.made), sum(bool(one.answering) for one in self.made)
        answer = "answers" if live == 1 else "answer"
        said = (
            f"{count}{self._more} version{_s(count)} {'is' if count == 1 else 'are'} made of that"
        )
        return f"{said}; {live} {answer} callers"

    @property
    def _more(self) -> str:
        return " or more" if self.is_cut else ""

    @property
    def rows(self) -> list[tuple[Made, bool]]:
        """Each version, and whether it is not certain that it was asked for."""
        return [(one, one.may_only(self.asked)) for one in self.made]


@dataclass(frozen=True, slots=True)
class DataSet:
    """One data set, by the digest of its bytes, and what was made of it."""

    digest: str
    names: list[str]
    uses: list[DatasetUse]
    made: list[Made]
    is_cut: bool

    @property
    def title(self) -> str:
        """The answer this page gives."""
        count, more = len(self.made), " or more" if self.is_cut else ""
        were = "was" if count == 1 else "were"
        said = f"{count}{more} version{_s(count)} {were} made of {joined(self.names)}"
        places = sorted({p.environment.slug for one in self.made for p in one.answering})
        if not places:
            return f"{said}; none answers callers"
        live = sum(bool(one.answering) for one in self.made)
        return f"{said}; {live} answer{'s' if live == 1 else ''} callers in {joined(places)}"


def found(asked: Origin, sight: Sight, *, now: datetime) -> Found:
    """Read what was asked for."""
    if asked.is_empty() and not asked.live:
        data = _data(sight)
        return Found([], data[:MOST], len(data) > MOST, asked)
    rows = list(made_from.versions(asked, sight)[: MOST + 1])
    made = made_from.made(rows[:MOST], sight, now=now)
    return Found(made, [], len(rows) > MOST, asked)


def data_set(digest: str, sight: Sight, *, now: datetime) -> DataSet:
    """Read one data set.

    Raises:
        NotFound: ``unknown_data_set``: nothing that is seen was made of it.
    """
    rows = list(made_from.versions(Origin(digest=digest), sight)[: MOST + 1])
    if not rows:
        message = "No version that you may see was made of this data."
        raise NotFound(message, code="unknown_data_set")
    made = made_from.made(rows[:MOST], sight, now=now)
    uses = [use for one in made for use in one.uses]
    return DataSet(digest, sorted({use.name for use in uses}), _told(uses), made, len(rows) > MOST)


def _told(uses: Iterable[DatasetUse]) -> list[DatasetUse]:
    """Leave out what was said before in the same words."""
    found: dict[tuple[object, ...], DatasetUse] = {}
    for use in uses:
        words = (use.name, use.edition, use.begins, use.ends, use.source, use.licence)
        found.setdefault((*words, use.attestation_id), use)
    return list(found.values())


def _data(sight: Sight) -> list[DataLine]:
    groups = sight.reach.groups()
    seen = Q() if groups is None else Q(version__model__group__in=groups)
    at = "version__deployments"
    answers = Q(**{f"{at}__role__in": ANSWERING}) & sight.reach.rows(
        environment=f"{at}__environment", group="version__model__group"
    )
    rows = (
        DatasetUse.objects.current()
        .filter(seen)
        .values("name", "digest")
        .annotate(
            versions=Count("version", distinct=True),
            answering=Count("version", filter=answers, distinct=True),
            begins=Min("begins"),
            ends=Max("ends"),
        )
        .order_by("name", "-ends", "digest")
    )
    return [DataLine(**row) for row in rows[: MOST + 1]]


def _s(count: int) -> str:
    return "" if count == 1 else "s"
