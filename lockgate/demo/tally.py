"""What callers saw: requests, failures, gaps, and which version answered when."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

KEPT_FAILURES = 20


@dataclass(slots=True)
class Answering:
    """The version an agent answers with: since its first answer of it in a row."""

    version: str
    since: float


@dataclass(slots=True)
class Tally:
    """Sums over all requests so far. Times are seconds since the epoch, gaps seconds.

    ``gap``: the longest time in which no caller got an answer. ``agents``: by name.
    ``versions``: answers by version. ``failures``: the first of them, in words.
    """

    sent: int = 0
    failed: int = 0
    gap: float = 0.0
    versions: dict[str, int] = field(default_factory=dict)
    agents: dict[str, Answering] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    _answered_at: float | None = None

    def answered(self, agent: str, version: str, *, now: float) -> None:
        """Note an answer that came at ``now``."""
        self.sent += 1
        if self._answered_at is not None:
            self.gap = max(self.gap, now - self._answered_at)
        self._answered_at = now
        self.versions[version] = self.versions.get(version, 0) + 1
        present = self.agents.get(agent)
        if present is None or present.version != version:
            self.agents[agent] = Answering(version, now)

    def missed(self, agent: str, why: str, *, now: float) -> None:
        """Note a request that got no answer, or a wrong one."""
        self.sent += 1
        self.failed += 1
        if len(self.failures) < KEPT_FAILURES:
            at = time.strftime("%H:%M:%S", time.localtime(now))
            self.failures.append(f"{at} {agent}: {why[:300]}")

    def document(self) -> dict[str, Any]:
        found = asdict(self)
        del found["_answered_at"]
        return found

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        agents = {name: Answering(**each) for name, each in document["agents"].items()}
        return cls(**{**document, "agents": agents})

    def all_answer(self, version: str) -> float | None:
        """Tell since when every agent answers with a version, or None if not all do."""
        if not self.agents or any(each.version != version for each in self.agents.values()):
            return None
        return max(each.since for each in self.agents.values())
