"""The working thread: compare, take one step, compare again.

Each step starts from what is there now, never from the last step's result.
A version that cannot move stays as it is and holds back no other. Pointer
switches need no work, so they are also made at once by whoever brings a new
document: a switch back never waits for a load that is under way.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from serving_agent import memory, plan, reports, routing
from serving_agent.attempts import COUNTED, FINAL, Attempts
from serving_agent.documents import Document
from serving_agent.errors import Abandoned, ChangedOnDisk, CrashLoop, Reason, VersionFailure
from serving_agent.fetching import BlobSource, fetch_version
from serving_agent.loaded import Loaded
from serving_agent.loading import Loader
from serving_agent.overrides import Overrides
from serving_agent.plan import Key, Observed, Role, Step, Wanted
from serving_agent.room import Room, Tenant
from serving_agent.runtime import Runtime, Unloaded
from serving_agent.state import Answering, Identity, Override, State
from serving_agent.store import Store
from serving_agent.validation import Limits
from serving_agent.wishes import rules_of, wanted_of

logger = logging.getLogger(__name__)

MAX_EVENTS = 1000
DRAIN_LOOK = 0.05
LONGEST_REST = 60.0


@dataclass(frozen=True, slots=True)
class Progress:
    phase: str
    reason: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """What a step may cost."""

    limits: Limits
    fetch_seconds: float
    dear_ms: float
    memory_bytes: int = 0
    """The budget of the whole process; 0 for none."""


class Reconciler:
    def __init__(
        self,
        identity: Identity,
        *,
        state: State,
        store: Store,
        runtime: Runtime,
        source: BlobSource,
        work: Work,
        changed: Callable[[], None],
    ) -> None:
        self._identity = identity
        self._state, self._store, self._runtime = state, store, runtime
        self._source, self._work, self._changed = source, work, changed
        self._loader = Loader(state=state, store=store, limits=work.limits, dear_ms=work.dear_ms)
        self._room = Room(work.memory_bytes)
        self._waiting: frozenset[str] = frozenset()
        """Versions that others are making room for."""
        self._attempts = Attempts()
        self._progress: dict[Key, Progress] = {}
        self._document: Document | None = None
        self._decided: list[Wanted] = []
        self._wanted: list[Wanted] = []
        self.overrides = Overrides(state)
        self._urgent: Key | None = None
        """What a rollback on this host waits for; all other work gives way."""
        self._rules: dict[str, routing.Rule] = {}
        self._last = state.answering()
        self._departing: list[Loaded] = []
        self._events: list[Unloaded] = []
        self._told: tuple[Key, str] | None = None
        self._decide = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self.settled = False
        """True once everything the first document wants has been tried."""

    # Called from other threads

    def apply(self, document: Document) -> None:
        """Follow a document from now on. Returns once every switch it allows is made."""
        with self._decide:
            self._document = document
            self._decided = wanted_of(document, self._identity)
            self.overrides.follow(self._decided, generation=document.generation)
            self._attempts.forget()
            self._choose()
            # What failed is tried anew; what is under way goes on.
            under_way = self._progress.items()
            self._progress = {key: at for key, at in under_way if at.phase != "failed"}
            self._runtime.known = frozenset(one.model for one in self._wanted)
            self._set_budgets()
        self._make_switches()
        self._wake.set()

    def _choose(self) -> None:
        """Want what was decided, but for what somebody on this host took back."""
        self._wanted = self.overrides.on(self._decided)
        self._rules = rules_of(
            self._document, self._identity, is_overridden=self.overrides.is_standing
        )
        self._room.forget(self._wanted)

    def decided(self, model: str) -> tuple[int, list[Wanted]]:
        """Return what the control plane says of one model, and in which generation."""
        with self._decide:
            generation = self._document.generation if self._document else 0
            return generation, [one for one in self._decided if one.model == model]

    def override(self, override: Override) -> bool:
        """Let a former champion answer; say whether that outlives this process."""
        key = (override.model, override.digest)
        with self._decide:
            kept = self.overrides.begin(override)
            self._attempts.succeeded(override.digest)  # Whatever it was: it is tried anew.
            self._progress.pop(key, None)
            self._urgent = None if key in self._runtime.roles() else key
            self._choose()
        self._follow_choice()
        return kept

    def resume(self, model: str, *, how: str) -> None:
        """Follow again what the control plane decided."""
        with self._decide:
            self.overrides.end(model, how=how)
            self._urgent = None
            self._choose()
        self._follow_choice()

    def _follow_choice(self) -> None:
        self._make_switches()
        self._wake.set()
        self._changed()

    def failure(self, key: Key) -> str | None:
        """Say why a version cannot be had, if it was tried and failed."""
        with self._decide:
            at = self._progress.get(key)
        return f"{at.reason}: {at.detail}" if at and at.phase == "failed" else None

    def _set_budgets(self) -> None:
        models = self._document.payload.models if self._document else []
        budgets = {one.model: one.latency_budget_ms for one in models}
        for loaded in self._runtime.loaded():
            loaded.budget_ms = budgets.get(loaded.model)

    def nothing_wanted(self) -> None:
        """Learn that there is no document yet, so that none is waited for."""
        self.settled = self.settled or self._document is None

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def versions(self) -> list[reports.VersionReport]:
        """Report every version that is in memory or on its way."""
        with self._decide:
            loaded, departing = self._runtime.loaded(), list(self._departing)
            wanted, progress = list(self._wanted), dict(self._progress)
            for one in wanted:
                if gone := self._room.evicted(one.key):
                    progress[one.key] = Progress("failed", Reason.EVICTED_MEMORY, gone.detail)
        there = {(one.model, one.digest) for one in loaded}
        coming = [
            reports.of_wanted(one, phase=at.phase, reason=at.reason, detail=at.detail)
            for one in wanted
            if one.slot != plan.HOLD and one.key not in there
            for at in (progress.get(one.key, Progress("fetching")),)
        ]
        return [reports.of_loaded(one) for one in (*loaded, *departing)] + coming

    def events(self) -> list[Unloaded]:
        with self._decide:
            return list(self._events)

    def acknowledge(self, events: list[Unloaded]) -> None:
        with self._decide:
            self._events = [one for one in self._events if one not in events]

    # The working thread

    def run(self) -> None:
        """Work until told to stop. No failure in here may end the serving."""
        while not self._stopping:
            try:
                if not self.step():
                    self._rest()
            except Exception:
                logger.exception("a step failed in a way nobody foresaw")
                self._wake.wait(1.0)
                self._wake.clear()

    def step(self) -> bool:
        """Take the most urgent step; say whether there was one."""
        if self._make_switches():
            return True
        with self._decide:
            wanted = self._room.without(self._wanted)
            known = self._document is not None
        steps = plan.next_steps(wanted, self._observe())
        if not steps:
            self.settled = self.settled or known
            return self._readmit()
        self._take(steps[0])
        return True

    def _readmit(self) -> bool:
        """Let one that made room come back, if nobody has to go for it."""
        with self._decide:
            leaving = Role.LEAVING in self._runtime.roles().values()
            return not leaving and self._room.readmit(resident=memory.resident_bytes())

    def _rest(self) -> None:
        self._loader.rest()
        leaving = any(role is Role.LEAVING for role in self._runtime.roles().values())
        longest = DRAIN_LOOK if leaving else LONGEST_REST
        self._wake.wait(min(longest, self._attempts.wait() + 0.001))
        self._wake.clear()

    def _observe(self) -> Observed:
        roles = self._runtime.roles()
        waiting = self._waiting if Role.LEAVING in roles.values() else frozenset()
        return Observed(
            held=self._store.held(),
            on_disk=self._store.on_disk(),
            roles=roles,
            busy=self._runtime.busy(),
            blocked=self._attempts.blocked() | waiting,
            last={
                model: Wanted(model, one.version, one.digest, plan.LAST)
                for model, one in self._last.items()
            },
        )

    def _make_switches(self) -> bool:
        with self._decide:
            steps = plan.switches(self._room.without(self._wanted), self._observe())
            for step in steps:
                rule = self._rules.get(step.model, routing.NOBODY)
                self._runtime.switch(step.model, dict(step.roles), rule=rule)
            # After the roles, and with them where those change: no call sees half of it.
            for model, rule in self._rules.items():
                self._runtime.route(model, rule)
            self._remember_answering()
        if steps:
            self._changed()
        return bool(steps)

    def _remember_answering(self) -> None:
        """Keep on disk who answers, so that a restart in the middle of a swap knows it too."""
        wanting = {one.model for one in self._wanted if one.slot == Role.CHAMPION}
        known = {model: last for model, last in self._last.items() if model in wanting}
        now = {
            one.model: Answering(one.version, one.digest)
            for one in self._runtime.loaded()
            if one.role is Role.CHAMPION
        }
        if {**known, **now} != self._last:
            self._last = {**known, **now}
            self._state.save_answering(self._last)

    def _take(self, step: Step) -> None:
        match step:
            case plan.Fetch(wanted):
                self._attempt(wanted, "fetching", self._fetch)
            case plan.Load(wanted):
                self._attempt(wanted, "validating", self._load)
            case plan.Unload(model, digest):
                self._unload(model, digest)
            case plan.Drop(keep):
                self._drop(keep)

    def _attempt(self, wanted: Wanted, phase: str, do: Callable[[Wanted], None]) -> None:
        before = self._document
        self._note(wanted, Progress(phase))
        try:
            do(wanted)
        except Abandoned:
            logger.info("%s version %s is no longer wanted", wanted.model, wanted.version)
        except VersionFailure as failure:
            self._failed(wanted, failure, before)
        except Exception as exc:
            logger.exception("%s version %s failed unforeseen", wanted.model, wanted.version)
            reason = Reason.OUT_OF_MEMORY if isinstance(exc, MemoryError) else Reason.LOAD_FAILED
            self._failed(wanted, VersionFailure(reason, repr(exc)), before)
        finally:
            if self._urgent == wanted.key:
                self._urgent = None

    def _failed(self, wanted: Wanted, failure: VersionFailure, before: Document | None) -> None:
        if self._document is not before:
            return  # A newer document has begun anew.
        told = (wanted.key, str(failure))
        # An outage of a day is tried thousands of times, and told once.
        again = told == self._told and failure.reason not in (*FINAL, *COUNTED)
        self._told = told
        level = logging.DEBUG if again else logging.WARNING
        logger.log(level, "%s version %s failed: %s", wanted.model, wanted.version, failure)
        final = {ChangedOnDisk: False, CrashLoop: True}.get(type(failure))
        self._attempts.failed(wanted.digest, failure.reason, final=final)
        self._note(wanted, Progress("failed", failure.reason, failure.detail))

    def _note(self, wanted: Wanted, progress: Progress) -> None:
        with self._decide:
            changed = self._progress.get(wanted.key) != progress
            self._progress[wanted.key] = progress
        if changed:
            self._changed()

    def _still(self, wanted: Wanted) -> bool:
        if self._stopping:
            return False
        with self._decide:
            gives_way = self._urgent not in (None, wanted.key)
            return not gives_way and any(one.key == wanted.key for one in self._effective())

    def _effective(self) -> list[Wanted]:
        return plan.with_last(self._room.without(self._wanted), self._observe())

    def _fetch(self, wanted: Wanted) -> None:
        fetch_version(
            wanted,
            store=self._store,
            source=self._source,
            seconds=self._work.fetch_seconds,
            still_wanted=lambda: self._still(wanted),
        )

    def _load(self, wanted: Wanted) -> None:
        tried = self._loader.try_out(wanted, still=lambda: self._still(wanted))
        if not self._has_room(wanted, tried.need_bytes):
            return
        document = self._document
        loaded = self._loader.open(tried, generation=document.generation if document else 0)
        self._attempts.succeeded(wanted.digest)
        with self._decide:
            self._runtime.add(loaded)
            self._set_budgets()
        self._changed()

    def _has_room(self, wanted: Wanted, need: int) -> bool:
        """Say whether a version may be loaded now; else others leave first, or are leaving.

        Raises:
            VersionFailure: OUT_OF_MEMORY.
        """
        if self._room.lacking(need, resident=memory.resident_bytes()):
            memory.give_back()  # What is only kept in reserve must drive nobody out.
        with self._decide:
            slots = {one.key: one.slot for one in self._effective()}
            tenants = [_tenant(one, slots) for one in self._runtime.loaded()]
            fits = self._room.make(
                need, resident=memory.resident_bytes(), tenants=tenants, guest=wanted
            )
            self._waiting = frozenset() if fits else self._waiting | {wanted.digest}
        return fits

    def _unload(self, model: str, digest: str) -> None:
        with self._decide:
            version = self._runtime.detach(model, digest)
            if version is None:
                return
            self._departing.append(version)
        event = self._runtime.give_back(version)
        with self._decide:
            if gone := self._room.evicted((model, digest)):
                event = replace(event, kind="evicted", detail=f"{gone.detail}; {event.detail}")
            self._departing.remove(version)
            self._events = [*self._events, event][-MAX_EVENTS:]
        logger.info("%s version %s unloaded, %s", model, version.version, event.detail)
        self._changed()

    def _drop(self, keep: frozenset[str]) -> None:
        with self._decide:
            current = frozenset(one.digest for one in self._effective())
        removed = self._store.sweep(keep | current)
        self._state.forget_findings(keep | current)
        logger.info("%d files no version needs any more were removed", removed)
        self._changed()


def _tenant(one: Loaded, slots: Mapping[Key, str]) -> Tenant:
    key = one.model, one.digest
    return Tenant(key, one.role, slots.get(key), one.memory_bytes, one.need_bytes, one.used_at)
