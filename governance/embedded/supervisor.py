"""Keeps a whole system running in one process: servers, web, worker, sealer, agents.

    provide servers -> migrate -> tell the fleet -> web, worker, sealer -> agents -> ready

One loop, in one thread, because a kernel ties a child to the thread that started it: it
reads what children say, starts again what died, and notices when embedded servers go.
What it started is gone when it is: in order on a stop, by ``undertaker`` after a kill -9.
"""

import fcntl
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TextIO

from governance.embedded import fleet, programs, provide, servers
from governance.embedded.crew import Crew
from governance.embedded.errors import EmbeddedError
from governance.embedded.errors import describe as describe_os
from governance.embedded.fleet import Admission, Agent
from governance.embedded.home import Home, write_private
from governance.embedded.programs import Site
from governance.embedded.standing import Standing, describe
from governance.embedded.stream import Stream
from governance.embedded.watch import Watch

OWN = "lockgate"
NAMES = (OWN, "postgres", "broker", "mirror", "migrate", "fleet", "web", "worker", "sealer")
CHILDREN = frozenset({"web", "worker", "sealer", "agents"})
PATIENCE_SECONDS = 30.0
"""How long agents wait for the web process before they start without it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to bring up, and where.

    ``only``: ``web``, ``worker``, ``sealer``, ``agents`` or the names of agents; empty for all.
    """

    environ: Mapping[str, str]
    port: int | None = None
    only: tuple[str, ...] = ()
    fleet_file: Path = fleet.DEFAULT
    ready_file: Path | None = None

    def wants(self, name: str) -> bool:
        return not self.only or name in self.only

    def agents(self) -> list[Agent]:
        found = fleet.read(self.fleet_file)
        unknown = set(self.only) - CHILDREN - {agent.name for agent in found}
        if unknown:
            raise EmbeddedError(f"there is no {', '.join(sorted(unknown))} to run.")
        return [agent for agent in found if self.wants("agents") or self.wants(agent.name)]


class Supervisor:
    """Runs a ``Plan``: ``run()`` in this thread, or ``start()`` and ``stop()`` beside it."""

    def __init__(self, plan: Plan, *, out: TextIO | None = None) -> None:
        self.home = Home.of(plan.environ)
        self.failure: BaseException | None = None
        self._plan = plan
        self._agents = plan.agents()
        names = [*NAMES, *(agent.name for agent in self._agents)]
        self._stream = Stream(out or sys.stdout, names)
        self._stops = 0
        self._interruptible = False
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._environ = dict(plan.environ)
        self._admission = Admission("", {})

    # -- from outside --------------------------------------------------------

    def start(self) -> None:
        """Run in a thread of its own."""
        self._thread = threading.Thread(target=self._run_quietly, name="supervisor")
        self._thread.start()

    def wait_ready(self, seconds: float) -> Standing:
        """Wait until everything takes work.

        Raises:
            EmbeddedError: it failed, or took longer.
        """
        until = time.monotonic() + seconds
        while not self._ready.wait(0.05):
            if self.failure:
                raise self.failure
            if time.monotonic() > until:
                raise EmbeddedError(f"not ready after {seconds:g} s.")
        return self.standing()

    def standing(self) -> Standing:
        """Tell who runs at the moment."""
        record = self.home.record("up")
        if record is None:
            raise EmbeddedError(f"nothing runs for {self.home.path}.")
        return Standing.read(record)

    def stop(self) -> None:
        """Stop everything in order, and wait for it."""
        self._stops += 1
        if self._thread:
            self._thread.join()

    # -- the loop ------------------------------------------------------------

    def run(self) -> None:
        """Bring everything up, keep it up until told to stop, and take it down.

        Raises:
            EmbeddedError: it could not come up, or already runs.
        """
        try:
            with self._alone(), self._signals():
                self._provide()
                crew = Crew(self.home, self._stream)
                try:
                    self._bring_up(crew)
                finally:
                    self._take_down(crew)
        except OSError as error:
            raise EmbeddedError(describe_os(error)) from error

    def _provide(self) -> None:
        self._interruptible = True
        provide.provide_missing(self._environ, thread_stays=True)
        self._interruptible = False
        data = Path(str((self.home.record("postgres") or {}).get("data", self.home.path)))
        if "DATABASE_URL" not in self._plan.environ and not data.is_relative_to(self.home.path):
            self._stream.say(OWN, f"the home is closed to PostgreSQL: its data lie in {data}")

    def _bring_up(self, crew: Crew) -> None:
        port = programs.web_port(self.home, wanted=self._plan.port)
        site = Site(self.home, self._environ, port)
        self._once(crew, site, "migrate", "migrate", "--noinput")
        if self._agents:
            self._tell_fleet(crew, site)
        made = {"web": programs.web, "worker": programs.worker, "sealer": programs.sealer}
        if "SEALER_DATABASE_URL" not in self._environ:
            del made["sealer"]  # The log of a server of one's own has a sealer of its own.
        for name, make in made.items():
            if self._plan.wants(name) and not self._stops:
                crew.add(make(site))
        self._watch_over(crew, site)

    def _watch_over(self, crew: Crew, site: Site) -> None:
        watch = Watch(self.home, self._plan.environ, self._stream)
        patience = time.monotonic() + PATIENCE_SECONDS
        waiting, written = list(self._agents), ""
        while not self._stops:
            crew.turn()
            web = crew.children.get("web")
            if waiting and (web is None or web.ready or time.monotonic() > patience):
                for agent in waiting:
                    crew.add(programs.serving(agent, site=site, admission=self._admit))
                waiting = []
            if watch.look(self._environ):
                for child in crew.children.values():
                    child.restart()
            written = self._write_down(crew, site, complete=not waiting, written=written)

    def _write_down(self, crew: Crew, site: Site, *, complete: bool, written: str) -> str:
        """Keep ``up.json`` true, and say once that all is ready."""
        agents = [agent.name for agent in self._agents]
        standing = describe(crew.children, url=site.url, agents=agents, complete=complete)
        text = standing.text()
        if text != written:
            with suppress(OSError):  # A full disk: the next change tries again.
                write_private(self.home.run / "up.json", text.encode())
        if standing.ready and not self._ready.is_set():
            self._announce(standing)
            if self._plan.ready_file:
                write_private(self._plan.ready_file, text.encode())
            self._ready.set()
        return text

    def _announce(self, standing: Standing) -> None:
        for name, found in standing.agents.items():
            self._stream.say(OWN, f"{name} answers at {found.inference_url}")
        self._stream.say(OWN, f"ready: {standing.url}")

    # -- before the loop -----------------------------------------------------

    def _once(self, crew: Crew, site: Site, name: str, *arguments: str) -> str:
        child = crew.run_once(
            programs.manage(name, site, *arguments), stopped=lambda: self._stops > 0
        )
        if child.code and not self._stops:
            for line in child.printed.splitlines()[-20:]:
                self._stream.say(name, line)
            raise EmbeddedError(f"{name} failed (log: {self.home.log(name)})")
        return child.printed

    def _tell_fleet(self, crew: Crew, site: Site) -> None:
        known = [each.name for each in self._agents if programs.enrolled(self.home, each.name)]
        options = [word for name in known for word in ("--enrolled", name)]
        file = str(self._plan.fleet_file)
        printed = self._once(crew, site, "fleet", "embedded_fleet", file, *options)
        if not self._stops:
            self._admission = fleet.read_admission(printed)

    def _admit(self) -> Admission:
        return self._admission

    # -- beginning and end ---------------------------------------------------

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the only supervisor of this home."""
        with (self.home.run / "up.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                record = self.home.record("up") or {}
                where = f" (process {record['pid']}, {record['url']})" if record else ""
                raise EmbeddedError(f"already up for {self.home.path}{where}.") from None
            (self.home.run / "up.json").unlink(missing_ok=True)
            yield

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Stop in order on Ctrl-C, a termination, or a closed terminal; at once on the second."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        caught = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, self._caught) for number in caught}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _caught(self, _number: int, _frame: FrameType | None) -> None:
        self._stops += 1
        if self._interruptible:  # Nothing is up yet, and what is starting is on a leash.
            raise KeyboardInterrupt

    def _take_down(self, crew: Crew) -> None:
        self._stream.say(OWN, "stopping")
        already = self._stops
        agents = [agent.name for agent in self._agents]
        for names in (agents, ["worker"], ["web"], list(crew.children)):
            crew.stop(names, at_once=lambda: self._stops > max(already, 1))
        crew.close()
        servers.stop_started(self.home)
        (self.home.run / "up.json").unlink(missing_ok=True)
        self._stream.say(OWN, "stopped")

    def _run_quietly(self) -> None:
        try:
            self.run()
        except SystemExit as failure:
            self.failure = failure
        except BaseException as failure:
            self.failure = failure
            raise
