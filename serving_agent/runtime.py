"""What is in memory, and which version answers which call.

Requests read one immutable routing table, once each. A change builds a new
table and puts it in place with a single assignment, so a request sees all of
a switch or nothing of it.
"""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from serving_agent import memory, routing
from serving_agent.errors import NotLoaded, ScoringFailed
from serving_agent.loaded import Loaded, rows_of
from serving_agent.plan import Key, Role
from serving_agent.ports import DarkVersion, Tensor

ANSWERS_BY_NUMBER = frozenset({Role.CHAMPION, Role.CANDIDATE})


@dataclass(frozen=True, slots=True)
class Routes:
    """Of one model: who answers unversioned calls, and who answers by number."""

    champion: Loaded | None = None
    by_version: Mapping[str, Loaded] = field(default_factory=dict)
    candidate: Loaded | None = None
    rule: routing.Rule = routing.NOBODY
    spare: Loaded | None = None
    """Who answers where the champion cannot; the champion itself where it is the spare."""

    def answering(self, version: str | None, caller: routing.Caller) -> Loaded | None:
        """Choose who answers this caller, by number where the call names one."""
        candidate, rule = self.candidate, self.rule
        if version is not None:
            found = self.by_version.get(version)
            return None if found is candidate and not rule.admits(caller) else found
        if candidate is not None and rule.chooses(caller):
            return candidate
        return self.champion


@dataclass(frozen=True, slots=True)
class Table:
    models: Mapping[str, Routes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unloaded:
    """A version left memory, at this moment of the monotonic clock."""

    model: str
    digest: str
    at: float
    detail: str = ""
    kind: str = "unloaded"
    """Or ``evicted``: it is still wanted, and made room for another."""


def _table(loaded: Iterable[Loaded], rules: Mapping[str, routing.Rule]) -> Table:
    models: dict[str, dict[str, Loaded]] = {}
    champions: dict[str, Loaded] = {}
    candidates: dict[str, Loaded] = {}
    spares: dict[str, Loaded] = {}
    for one in loaded:
        answering = models.setdefault(one.model, {})
        if one.role in ANSWERS_BY_NUMBER:
            answering[str(one.version)] = one
        if one.role is Role.CHAMPION:
            champions[one.model] = one
        elif one.role is Role.CANDIDATE:
            candidates[one.model] = one
        if one.role is Role.SPARE or _stands_in(one, rules):
            spares[one.model] = one
    routes = {
        model: Routes(
            champions.get(model),
            MappingProxyType(by_version),
            candidates.get(model),
            rules.get(model, routing.NOBODY),
            spares.get(model),
        )
        for model, by_version in models.items()
    }
    return Table(MappingProxyType(routes))


def _stands_in(one: Loaded, rules: Mapping[str, routing.Rule]) -> bool:
    rule = rules.get(one.model)
    return one.role is Role.CHAMPION and rule is not None and rule.spare == one.digest


class Runtime:
    """The loaded versions. One thread changes them; any thread may look."""

    def __init__(self) -> None:
        self.table = Table()
        self.known: frozenset[str] = frozenset()
        """The models that should answer here, loaded or not: a call to them is not a mistake."""
        self._loaded: dict[Key, Loaded] = {}
        self._rules: dict[str, routing.Rule] = {}
        self._lock = threading.Lock()

    def loaded(self) -> list[Loaded]:
        with self._lock:
            return list(self._loaded.values())

    def roles(self) -> dict[Key, Role]:
        return {(one.model, one.digest): one.role for one in self.loaded()}

    def busy(self) -> frozenset[Key]:
        return frozenset((one.model, one.digest) for one in self.loaded() if one.in_flight)

    def add(self, version: Loaded) -> None:
        """Take in a version that answers nobody yet."""
        with self._lock:
            self._loaded[version.model, version.digest] = version
            self.table = _table(self._loaded.values(), self._rules)

    def route(self, model: str, rule: routing.Rule) -> None:
        """Let this rule choose between champion and candidate."""
        with self._lock:
            if self._rules.get(model, routing.NOBODY) != rule:
                self._rules[model] = rule
                self.table = _table(self._loaded.values(), self._rules)

    def switch(self, model: str, roles: Mapping[str, Role], *, rule: routing.Rule) -> None:
        """Give the loaded versions of a model their roles, as requests see it all at once."""
        with self._lock:
            self._rules[model] = rule
            ours = [self._loaded[model, digest] for digest in roles]
            leaving = [one for one in ours if roles[one.digest] is Role.LEAVING]
            for one in ours:
                if one not in leaving:
                    one.set_role(roles[one.digest])
            staying = [one for one in self._loaded.values() if one not in leaving]
            # Nobody may be told to leave while the table still sends requests there.
            self.table = _table(staying, self._rules)
            for one in leaving:
                one.set_role(Role.LEAVING)

    def detach(self, model: str, digest: str) -> Loaded | None:
        """Take a version out for good, if it is leaving and nothing is in flight on it."""
        with self._lock:
            version = self._loaded.get((model, digest))
            if version is None or version.role is not Role.LEAVING or version.in_flight:
                return None
            del self._loaded[model, digest]
            self.table = _table(self._loaded.values(), self._rules)
            return version

    @staticmethod
    def give_back(version: Loaded) -> Unloaded:
        """Drop a detached version's session, and return its memory to the host."""
        before = memory.resident_bytes()
        version.drop()
        memory.give_back()
        freed = max(0, before - memory.resident_bytes())
        return Unloaded(
            version.model, version.digest, time.monotonic(), f"{freed} bytes given back"
        )

    def dark_versions(self) -> list[DarkVersion]:
        return [
            DarkVersion(one.model, one.version, one.digest)
            for one in self.loaded()
            if one.role is Role.DARK
        ]

    def score(self, model: str, digest: str, inputs: tuple[Tensor, ...]) -> float:
        """Score one transaction with a given version, for nobody to see.

        Raises:
            NotLoaded: it is not in memory, or leaving.
            ScoringFailed: it gave no single score for these inputs.
        """
        with self._lock:
            version = self._loaded.get((model, digest))
        if version is None or not version.acquire():
            raise NotLoaded(f"{model} {digest[:12]} is not loaded")
        started, failed = time.perf_counter(), True
        try:
            rows = rows_of(inputs)
            # As its own guard would let a caller's pass, not as the champion's did.
            seen, _ = version.guard.feeds(inputs)
            outputs = version.run(seen, rows=rows)
            score = version.score_of(outputs, rows=rows)
            failed = score is None
        except NotLoaded:
            raise
        except Exception as exc:
            raise ScoringFailed(str(exc)[:300]) from exc
        finally:
            version.release()
            version.count(milliseconds=(time.perf_counter() - started) * 1000, failed=failed)
        if score is None:
            raise ScoringFailed("the manifest names no score for this answer")
        return score
