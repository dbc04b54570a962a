"""The whole agent: which part knows which, and the order in which they begin and end.

main thread     one event loop: inference and hints
"courier"       talks to the control plane
"reconcile"     fetches, validates, loads, unloads
"self-check"    asks loaded versions for their golden transactions
"own-files"     hashes what lies on the disk, again and again
"local-control" answers whoever is on the host
recorder, dark  threads of their own, behind ``serving_agent.ports``
"""

import asyncio
import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable

import uvloop

from serving_agent import memory, recording
from serving_agent.control_plane import ControlPlane
from serving_agent.courier import Courier
from serving_agent.documents import Document
from serving_agent.hints import HintApp
from serving_agent.listeners import (
    Address,
    Limits,
    Listener,
    last_address,
    listen,
    raise_file_limit,
    save_address,
    serve,
    url_of,
)
from serving_agent.local_control import LocalControl
from serving_agent.metrics import Metrics
from serving_agent.own_files import OwnFiles
from serving_agent.ports import DarkScorer, MirrorSettings, Recorder, RecordingSettings
from serving_agent.reconcile import Reconciler, Work
from serving_agent.reports import Refused, Report, of_event, of_override
from serving_agent.rollbacks import Rollbacks
from serving_agent.runtime import Runtime, Unloaded
from serving_agent.self_check import SelfCheck
from serving_agent.settings import Settings
from serving_agent.state import Identity, State
from serving_agent.store import Store
from serving_agent.v2.admission import Bounds
from serving_agent.v2.app import App, Gate, Options
from serving_agent.validation import Limits as ValidationLimits

logger = logging.getLogger(__name__)

LAME_DUCK = 0.3
"""Between "not ready" and closing the door, so that callers hear the first before the second."""
JOIN_SECONDS = 3.0


def no_counters() -> dict[str, int]:
    return {}


class Agent:
    def __init__(
        self, settings: Settings, identity: Identity, *, state: State, software: str
    ) -> None:
        self._settings, self._identity, self._state = settings, identity, state
        self._software = software
        self._boot_id = str(uuid.uuid4())
        self._runtime = Runtime()
        self._store = Store(
            settings.home,
            reserve_bytes=settings.disk_reserve_bytes,
            file_bytes=settings.fetch_bytes,
        )
        self._control_plane = ControlPlane(
            identity.url,
            token=identity.token,
            seconds=settings.http_seconds,
            ca_file=settings.ca_file,
        )
        self._memory_bytes = settings.memory_budget_bytes or round(
            memory.host_bytes() * settings.memory_share
        )
        self._reconciler = self._make_reconciler()
        self._courier = self._make_courier()
        self._local = LocalControl(settings.home, self._make_rollbacks().answer)
        self._recorder, self._dark = self._make_recording()
        self._self_check = SelfCheck(
            self._runtime.loaded, seconds=settings.check_seconds, patience=settings.check_patience
        )
        self._own_files = OwnFiles(
            settings.home,
            state=state,
            tell=self._note_change,
            seconds=settings.rehash_seconds,
        )
        self._gate = Gate(
            started=lambda: self._reconciler.settled, wedged=self._self_check.is_wedged
        )
        self._metrics = Metrics(
            loaded=self._runtime.loaded,
            generation=lambda: self._courier.generation,
            token_ends=lambda: self._courier.token_ends,
            clock_offset=lambda: self._control_plane.skew.seconds,
            mirror=self._recorder.counters if self._recorder else no_counters,
            dark=self._dark.counters if self._dark else no_counters,
            memory_budget=self._memory_bytes,
        )
        self._app = self._make_app()
        self._address = Address("", "", 0, 0)

    def _make_reconciler(self) -> Reconciler:
        settings = self._settings
        limits = ValidationLimits(settings.validation_seconds, settings.validation_memory_bytes)
        return Reconciler(
            self._identity,
            state=self._state,
            store=self._store,
            runtime=self._runtime,
            source=self._control_plane,
            work=Work(limits, settings.fetch_seconds, settings.dear_ms, self._memory_bytes),
            changed=self._note_change,
        )

    def _note_change(self) -> None:
        self._courier.changed()

    def _make_courier(self) -> Courier:
        return Courier(
            self._identity,
            state=self._state,
            trust=self._state.trust(),
            control_plane=self._control_plane,
            reconciler=self._reconciler,
            desk=self,
            poll_seconds=self._settings.poll_seconds,
            report_seconds=self._settings.report_seconds,
        )

    def _make_rollbacks(self) -> Rollbacks:
        return Rollbacks(
            self._reconciler,
            runtime=self._runtime,
            store=self._store,
            # A version is tried in a child first, and loading it takes as long again.
            seconds=2 * self._settings.validation_seconds,
        )

    def _make_recording(self) -> tuple[Recorder | None, DarkScorer | None]:
        about = RecordingSettings(
            agent_id=self._identity.agent_id,
            agent_name=self._identity.name,
            boot_id=self._boot_id,
            environment=self._identity.environment,
            home=self._settings.home,
            mirror_url=self._settings.mirror_url,
        )
        if self._identity.tier == "dark":
            return None, recording.build_dark(about, self._runtime, self._control_plane)
        return recording.build_recorder(about, self._control_plane), None

    def _make_app(self) -> App:
        settings, token = self._settings, self._settings.inference_token
        options = Options(
            software=self._software,
            answers=self._identity.tier == "live",
            token=token.get_secret_value() if token else None,
            bounds=Bounds(
                concurrency=settings.concurrency,
                body_bytes=settings.body_bytes,
                bodies_bytes=settings.bodies_bytes,
            ),
            threads=settings.threads,
            spare_deadline_factor=settings.spare_deadline_factor,
        )
        return App(
            self._runtime,
            gate=self._gate,
            options=options,
            recorder=self._recorder,
            metrics=self._metrics,
        )

    # What the courier asks for

    def report(
        self, *, seq: int, refused: Refused | None, generation: int, events: list[Unloaded]
    ) -> Report:
        now, overrides = time.monotonic(), self._reconciler.overrides.all()
        return Report(
            boot_id=self._boot_id,
            seq=seq,
            observed_generation=generation,
            software=self._software,
            control_url=self._address.control_url,
            inference_url=self._address.inference_url,
            draining=self._gate.draining,
            refused=refused,
            models=self._reconciler.versions(),
            held=sorted(self._store.held()),
            mirror=_chosen(self._recorder, ("sent", "dropped")),
            dark=_chosen(self._dark, ("received", "scored", "errors")),
            resident_bytes=memory.resident_bytes(),
            memory_budget_bytes=self._memory_bytes,
            events=[of_event(one, now=now) for one in events],
            overrides=[of_override(one, now=time.time()) for one in overrides],
            changed_on_disk=self._own_files.changed,
            clock_offset_seconds=round(self._control_plane.skew.seconds, 1),
        )

    def follow(self, document: Document) -> None:
        mirror = document.payload.mirror
        settings = MirrorSettings(mirror.stream, mirror.fraction) if mirror else None
        for part in (self._recorder, self._dark):
            if part is not None:
                part.configure(settings)

    # The life of the process

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        raise_file_limit()
        self._store.open()
        listeners = self._listen()
        for part in (self._recorder, self._dark):
            if part is not None:
                part.start()
        self._courier.resume()
        threads = [
            threading.Thread(target=self._reconciler.run, name="reconcile", daemon=True),
            threading.Thread(target=self._courier.run, name="courier", daemon=True),
            threading.Thread(target=self._self_check.run, name="self-check", daemon=True),
            threading.Thread(target=self._own_files.run, name="own-files", daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            self._local.start()
        except OSError as exc:
            logger.warning("no local control, so no rollback on this host: %s", exc.strerror)
        memory.settle()
        uvloop.run(self._serve(listeners))
        self._end(threads)

    def _listen(self) -> dict[Listener, socket.socket]:
        settings, before = self._settings, last_address(self._settings.home)
        inference = listen(
            settings.host, settings.port, before=before.inference_port if before else None
        )
        control = listen(
            settings.host, settings.control_port, before=before.control_port if before else None
        )
        self._address = Address(
            inference_url=url_of(inference, advertise=settings.advertise_host),
            control_url=url_of(control, advertise=settings.advertise_host),
            inference_port=inference.getsockname()[1],
            control_port=control.getsockname()[1],
            pid=os.getpid(),
            agent_id=self._identity.agent_id,
        )
        try:
            save_address(settings.home, self._address)
        except OSError as exc:
            # Whoever knows this agent's ports finds it, and a full disk is no reason not to serve.
            logger.warning("address.json cannot be written: %s", exc.strerror)
        hints = HintApp(
            self._identity.agent_id, lambda: self._courier.generation, self._courier.hint
        )
        limits = Limits(
            head_seconds=settings.head_seconds,
            body_seconds=settings.body_seconds,
            connections=settings.connections,
            turned_away=self._metrics.turned_away,
        )
        answering = Listener(self._app, drain_seconds=settings.drain_seconds, limits=limits)
        self._app.admission.backlog = answering.backlog
        return {answering: inference, Listener(hints, drain_seconds=1.0, limits=limits): control}

    def announce(self, say: Callable[[str], None]) -> None:
        target = f"{self._identity.environment}/{self._identity.tier}"
        say(
            f"agent {self._identity.name} ({target}) answers at {self._address.inference_url},"
            f" takes hints at {self._address.control_url}"
        )

    async def _serve(self, listeners: dict[Listener, socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told.set)
        serving = asyncio.ensure_future(serve(listeners))
        self.announce(lambda line: print(line, flush=True))  # noqa: T201 - the line for people
        waiting = asyncio.ensure_future(told.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        self._gate.draining = True
        self._courier.stop()
        self._reconciler.stop()
        self._self_check.stop()
        self._own_files.stop()
        self._local.stop()
        await asyncio.sleep(LAME_DUCK)
        for one in listeners:
            one.should_exit = True
        await serving

    def _end(self, threads: list[threading.Thread]) -> None:
        for part in (self._recorder, self._dark):
            if part is not None:
                part.close(timeout=JOIN_SECONDS)
        deadline = time.monotonic() + JOIN_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in threads) or self._runtime.busy():
            # The runtime is in the middle of something that cannot be interrupted.
            logging.shutdown()
            os._exit(0)
        self._control_plane.close()


def _chosen(part: Recorder | DarkScorer | None, names: tuple[str, ...]) -> dict[str, int] | None:
    if part is None:
        return None
    counters = part.counters()
    return {name: counters.get(name, 0) for name in names}
