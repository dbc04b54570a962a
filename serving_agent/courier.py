"""The thread that talks to the control plane: fetch, report, renew.

Level-triggered: each round asks what should be and tells what is. A hint, a
change or an answer only makes the next round come sooner. Apart from the
working thread, so that a load of a minute misses no report and delays no
switch; apart from serving, so that a control plane that hangs delays nobody.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec

from serving_agent import backoff
from serving_agent.control_plane import ControlPlane
from serving_agent.documents import Document, etag, verify
from serving_agent.errors import (
    AgentError,
    Nack,
    PermanentFailure,
    Reason,
    TemporaryFailure,
)
from serving_agent.reconcile import Reconciler
from serving_agent.reports import Refused, Report
from serving_agent.runtime import Unloaded
from serving_agent.signing import Trust, fingerprint
from serving_agent.state import Identity, State, parse_time

logger = logging.getLogger(__name__)

FETCH_GAP = 1.0
"""Hints come in storms; one fetch a second sees everything they could tell."""
REPORT_GAP = 0.1
RENEW_LOOK = 5.0
LEAVE_SECONDS = 2.0
WARNED_DAYS = (14, 7, 1)


class Desk(Protocol):
    """Who writes the reports, and who follows the documents."""

    def report(
        self, *, seq: int, refused: Refused | None, generation: int, events: list[Unloaded]
    ) -> Report: ...

    def follow(self, document: Document) -> None: ...


class _Clock:
    """When something is due next, and how long to wait after it failed."""

    def __init__(self, period: float) -> None:
        self._period = period
        self._trouble = False
        self._waits: Iterator[float] = backoff.delays()
        self.due = 0.0
        self.last = float("-inf")

    def worked(self, now: float) -> None:
        self._waits = backoff.delays()
        self.last, self.due = now, now + backoff.jittered(self._period)

    def failed(self, now: float, *, retry_after: float | None = None) -> None:
        wait = next(self._waits)
        self.last, self.due = now, now + max(wait, retry_after or 0.0)

    def note(self, trouble: str) -> None:
        """Log what changed, not what goes on: an outage is one line, and its end another."""
        if trouble and not self._trouble:
            logger.warning("the control plane does not answer as it should: %s", trouble)
        elif self._trouble and not trouble:
            logger.info("the control plane answers again")
        self._trouble = bool(trouble)

    def hurry(self, *, gap: float) -> None:
        self.due = min(self.due, self.last + gap)


class Courier:
    def __init__(
        self,
        identity: Identity,
        *,
        state: State,
        trust: Trust,
        control_plane: ControlPlane,
        reconciler: Reconciler,
        desk: Desk,
        poll_seconds: float,
        report_seconds: float,
    ) -> None:
        self._identity = identity
        self._state, self._trust = state, trust
        self._http, self._reconciler, self._desk = control_plane, reconciler, desk
        self._fetch, self._tell = _Clock(poll_seconds), _Clock(report_seconds)
        self._renew = _Clock(RENEW_LOOK)
        self._warned = 0
        self._wake = threading.Event()
        self._hinted = False
        self._changed = False
        self._stopping = False
        self._seq = 0
        self._seen: str | None = None
        self._refused: Refused | None = None
        self.applied: Document | None = None

    # Called from other threads

    def hint(self) -> None:
        self._hinted = True
        self._wake.set()

    def changed(self) -> None:
        self._changed = True
        self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    @property
    def token_ends(self) -> float:
        """When the token does, in seconds since 1970."""
        return self._identity.expires_at.timestamp()

    @property
    def generation(self) -> int:
        return self.applied.generation if self.applied else 0

    # The courier's own thread

    def resume(self) -> None:
        """Apply the last good document on disk, before anybody is asked."""
        document = self._state.document(trust=self._trust, target=self._identity.target)
        if document is None:
            return
        # The keys it teaches may not have been kept yet; nothing needs writing to serve it.
        self._trust = Trust(document.payload.keys)
        self._seen = document.sha256
        self._follow(document)

    def run(self) -> None:
        while not self._stopping:
            try:
                self._round()
            except Exception:
                logger.exception("a round with the control plane failed unforeseen")
                self._wake.wait(1.0)
            self._wake.wait(self._rest())
            self._wake.clear()
        self._leave()

    def _rest(self) -> float:
        due = min(self._fetch.due, self._tell.due)
        return min(RENEW_LOOK, max(0.0, due - time.monotonic()))

    def _round(self) -> None:
        if self._hinted:
            self._hinted = False
            self._fetch.hurry(gap=FETCH_GAP)
        if time.monotonic() >= self._fetch.due:
            self._guard(self._fetch, self._fetch_once)
        if self._changed:
            self._changed = False
            self._tell.hurry(gap=REPORT_GAP)
        if time.monotonic() >= self._tell.due:
            self._guard(self._tell, self._report_once)
        if time.monotonic() >= self._renew.due and datetime.now(UTC) >= self._identity.renew_at:
            self._guard(self._renew, self._renew_once)
            self._warn_of_end()

    def _guard(self, clock: _Clock, do: Callable[[], None]) -> None:
        """Do one call; whatever the control plane does wrong only changes when it is next asked."""
        try:
            do()
        except TemporaryFailure as exc:
            clock.note(str(exc))
            clock.failed(time.monotonic(), retry_after=exc.retry_after)
        except PermanentFailure as exc:
            clock.note(str(exc))
            clock.failed(time.monotonic())
        else:
            clock.note("")
            clock.worked(time.monotonic())

    def _fetch_once(self) -> None:
        tag = etag(self._seen) if self._seen else None
        try:
            raw = self._http.desired_state(tag)
        except Nack as nack:
            self._refuse(nack)
            return
        except PermanentFailure as exc:
            if exc.code != "no_desired_state":
                raise
            self._reconciler.nothing_wanted()
            return
        if raw is not None:
            self._consider(raw)

    def _consider(self, raw: bytes) -> None:
        """Apply a document, or refuse it and go on as before."""
        try:
            target = self._identity.target
            document = verify(raw, trust=self._trust, target=target, applied=self.applied)
            if document is not self.applied:
                self._trust = self._keep(document)
                self._follow(document)
        except Nack as nack:
            self._refuse(nack)
            if nack.reason is not Reason.DISK_FULL:
                self._seen = fingerprint(raw)
            return
        self._seen = document.sha256
        if self._refused is not None:
            self._refused, self._changed = None, True

    def _keep(self, document: Document) -> Trust:
        try:
            return self._state.save_document(document, applied=self.applied)
        except OSError as exc:
            detail = f"the document cannot be kept: {exc.strerror}"
            raise Nack(Reason.DISK_FULL, detail, generation=document.generation) from exc

    def _follow(self, document: Document) -> None:
        self.applied = document
        self._refused = None
        self._reconciler.apply(document)
        self._desk.follow(document)
        self._changed = True
        logger.info("generation %d applied", document.generation)

    def _refuse(self, nack: Nack) -> None:
        refused = Refused(nack.generation, nack.reason.value, nack.detail[:1000])
        if refused != self._refused:
            logger.error("desired state refused, the last good one stays: %s", nack)
            self._refused, self._changed = refused, True

    def _report_once(self) -> None:
        self._seq += 1
        events = self._reconciler.events()
        report = self._desk.report(
            seq=self._seq, refused=self._refused, generation=self.generation, events=events
        )
        newest = self._http.report(msgspec.json.encode(report))
        self._reconciler.acknowledge(events)
        self._reconciler.overrides.acknowledge(one.id for one in report.overrides if one.ended)
        if newest > self.generation:
            self._fetch.due = 0.0

    def _renew_once(self) -> None:
        """Change the token at half its life. The old one lives on for minutes, so nothing races."""
        renewed = self._http.renew()
        try:
            expires_at = parse_time(renewed.expires_at)
        except ValueError as exc:
            raise TemporaryFailure(f"renewal: {exc}") from exc
        self._identity = msgspec.structs.replace(
            self._identity,
            token=renewed.token,
            issued_at=datetime.now(UTC),
            expires_at=expires_at,
        )
        self._http.token = renewed.token
        try:
            self._state.save_identity(self._identity)
        except OSError as exc:
            raise TemporaryFailure(f"the new token cannot be kept: {exc.strerror}") from exc
        logger.info("token renewed, good until %s", expires_at.isoformat())

    def _warn_of_end(self) -> None:
        """Say some days before that the token will end: it was to be renewed long ago."""
        now, ends = datetime.now(UTC), self._identity.expires_at
        due = now >= self._identity.renew_at
        passed = sum(ends - now <= timedelta(days=days) for days in WARNED_DAYS) if due else 0
        if passed > self._warned:
            when = ends.isoformat(timespec="seconds")
            logger.warning("the token cannot be renewed; from %s on nothing new comes here", when)
        self._warned = passed

    def _leave(self) -> None:
        try:
            self._http.leave(seconds=LEAVE_SECONDS)
        except AgentError as exc:
            logger.info("left without saying so: %s", exc)
