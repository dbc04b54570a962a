"""Read a decoded document field by field, and collect every problem on the way.

A method returns what it found, or something empty of the same type after it has
noted a problem; the caller goes on and looks at the problems at the end.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from governance.names import is_sha256, problem_with
from registry.manifests.strict_json import child

_LIMIT = 50
_MISSING = object()


@dataclass(slots=True)
class Problems:
    """What is wrong, by path. The first thing said about a path stays."""

    found: dict[str, str] = field(default_factory=dict)

    def add(self, path: str, text: str) -> None:
        if len(self.found) < _LIMIT:
            self.found.setdefault(path, text)


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a document, and where it stands."""

    value: object
    path: str
    problems: Problems
    root: str

    def complain(self, text: str) -> None:
        """Note a problem, unless there is nothing here and that was noted already."""
        if self.value is not _MISSING:
            self.problems.add(self.path, text)

    @property
    def absent(self) -> bool:
        """Whether this is null or not there at all."""
        return self.value is None or self.value is _MISSING

    def fields(self, *required: str, optional: tuple[str, ...] = ()) -> Mapping[str, "Node"]:
        """Read an object of exactly these fields; every name is in the answer."""
        if not isinstance(self.value, dict):
            self.complain("must be an object")
            return {
                name: Node(_MISSING, self.path, self.problems, self.root)
                for name in required + optional
            }
        for name in required:
            if name not in self.value:
                self.problems.add(child(self.path, name, root=self.root), "is missing")
        for name in self.value:
            if name not in required and name not in optional:
                self.problems.add(child(self.path, name, root=self.root), "is not a known field")
        return {name: self._below(name) for name in required + optional}

    def _below(self, name: str) -> "Node":
        value = self.value.get(name, _MISSING) if isinstance(self.value, dict) else _MISSING
        return Node(value, child(self.path, name, root=self.root), self.problems, self.root)

    def entries(self, *, most: int) -> Iterator[tuple[str, "Node"]]:
        """Read an object with free names."""
        if not isinstance(self.value, dict):
            self.complain("must be an object")
        elif len(self.value) > most:
            self.complain(f"has more than {most} fields")
        else:
            for name in self.value:
                node = self._below(name)
                if problem := problem_with(name, limit=200):
                    self.problems.add(node.path, f"its name {problem}")
                yield name, node

    def items(self, *, least: int = 0, most: int) -> list["Node"]:
        """Read an array."""
        if not isinstance(self.value, list):
            self.complain("must be an array")
        elif len(self.value) < least:
            self.complain("must not be empty" if least == 1 else f"has fewer than {least} items")
        elif len(self.value) > most:
            self.complain(f"has more than {most} items")
        else:
            return [
                Node(item, f"{self.path}[{index}]", self.problems, self.root)
                for index, item in enumerate(self.value)
            ]
        return []

    def text(self, *, limit: int = 200, blank: bool = False) -> str:
        """Read a text."""
        if not isinstance(self.value, str):
            self.complain("must be a text")
            return ""
        if problem := problem_with(self.value, limit=limit, blank=blank):
            self.complain(problem)
            return ""
        return self.value

    def one_of(self, *values: str) -> str:
        """Read a text out of a closed list."""
        if self.value in values and isinstance(self.value, str):
            return self.value
        self.complain(f"must be {' or '.join(values)}")
        return ""

    def sha256(self) -> str:
        """Read a digest."""
        if isinstance(self.value, str) and is_sha256(self.value):
            return self.value
        self.complain("must be a SHA-256 in 64 lower-case hexadecimal digits")
        return ""

    def integer(self, *, least: int, most: int = 2**53) -> int:
        """Read an integer; neither true nor 1.0 is one."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            self.complain("must be an integer")
        elif not least <= self.value <= most:
            self.complain(f"must be between {least} and {most}")
        else:
            return self.value
        return least

    def number(self) -> float:
        """Read a number; true is none."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self.complain("must be a number")
            return 0.0
        return float(self.value)

    def boolean(self) -> bool:
        """Read true or false; 1 is neither."""
        if isinstance(self.value, bool):
            return self.value
        self.complain("must be true or false")
        return False

    def moment(self) -> datetime | None:
        """Read a day, or a time with its zone, in ISO 8601."""
        text = self.text(limit=40)
        if not text:
            return None
        try:
            if len(text) == len("2018-04-01"):
                day = date.fromisoformat(text)
                return datetime(day.year, day.month, day.day, tzinfo=UTC)
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.complain("must be a day or a time in ISO 8601, such as 2018-04-01T00:00:00Z")
            return None
        if moment.tzinfo is None:
            self.complain("is a time without a zone")
            return None
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            self.complain("names no moment between the years 1 and 9999")
            return None
