"""Policies for people: a document in words, two documents compared, what a trial would change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from promotion.policies import Policy

Path = tuple[str, ...]

TITLES: Mapping[str, str] = {
    name: str(field.description) for name, field in Policy.model_fields.items()
}


@dataclass(frozen=True, slots=True)
class Term:
    """One thing a policy says: its name, its value in words, and what it means."""

    name: str
    value: str
    meaning: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class TermChange:
    """One thing two policies say differently. An empty side says nothing there."""

    name: str
    before: str
    after: str
    meaning: str


def terms(rules: Policy) -> list[Term]:
    """Everything a policy says, one thing a row, in the document's order."""
    default = flat(Policy().model_dump(mode="json"))
    return [
        Term(
            name=".".join(path),
            value=words(value),
            meaning=TITLES.get(path[0], ""),
            is_default=default.get(path) == value,
        )
        for path, value in flat(rules.model_dump(mode="json")).items()
    ]


def changes(before: Policy, after: Policy) -> list[TermChange]:
    """Only what differs from one policy to the next."""
    old, new = (flat(one.model_dump(mode="json")) for one in (before, after))
    paths = [*old, *(path for path in new if path not in old)]
    return [
        TermChange(
            name=".".join(path),
            before=words(old[path]) if path in old else "",
            after=words(new[path]) if path in new else "",
            meaning=TITLES.get(path[0], ""),
        )
        for path in paths
        if old.get(path, ...) != new.get(path, ...)
    ]


def flat(document: Mapping[str, object], above: Path = ()) -> dict[Path, object]:
    """Lay a nested document flat: each leaf by its path. Lists are leaves."""
    found: dict[Path, object] = {}
    for name, value in document.items():
        path = (*above, name)
        if isinstance(value, Mapping) and value:
            found |= flat(value, path)
        else:
            found[path] = value
    return found


def words(value: object) -> str:
    """A value as a person writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "not asked"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {words(one)}" for key, one in value.items() if one) or "none"
    if isinstance(value, str):
        return value or "none"
    if isinstance(value, Iterable):
        return "; ".join(words(one) for one in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
