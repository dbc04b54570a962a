"""One entry of the audit log, as replay reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

UNKNOWN = "unknown"
"""Stands for a fact whose entry's payload was erased, or that entries did not tell yet."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. ``details`` is None once the payload was erased."""

    seq: int
    at: datetime
    action: str
    subject: str
    model: str | None
    version: int | None
    environment: str | None
    request: str | None
    actor: str
    details: Mapping[str, object] | None

    @property
    def kind(self) -> str:
        """What sort of thing it is about: ``deployment``, ``agent`` and so on."""
        return self.subject.partition(":")[0]

    @property
    def key(self) -> str:
        """Which one of its kind."""
        return self.subject.partition(":")[2]

    def is_erased(self) -> bool:
        return self.details is None

    def text(self, name: str) -> str:
        """Return a fact as text: ``unknown`` when erased or never told, "" for null."""
        if self.details is None or name not in self.details:
            return UNKNOWN
        value = self.details[name]
        return "" if value is None else str(value)

    def number(self, name: str) -> int | None:
        """Return a fact as a whole number, or None when it is not known."""
        value = (self.details or {}).get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None
