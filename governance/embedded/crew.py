"""The children of one supervisor: started when due, read, reaped, and stopped in order."""

import selectors
import time
from collections.abc import Callable, Iterable

from governance.embedded.child import Child, Program, State
from governance.embedded.home import Home
from governance.embedded.probe import Probe
from governance.embedded.processes import Leash
from governance.embedded.stream import Journal, Stream
from governance.embedded.undertaking import GRACE_SECONDS, Undertaking

TURN_SECONDS = 0.2


class Crew:
    """All methods belong to one thread, which lives as long as any child."""

    def __init__(self, home: Home, stream: Stream, *, grace_seconds: float = GRACE_SECONDS) -> None:
        self.children: dict[str, Child] = {}
        self._home = home
        self._stream = stream
        self._probe = Probe()
        self._undertaking = Undertaking(grace_seconds=grace_seconds)

    def add(self, program: Program) -> Child:
        """Take a program on; the next turn starts it."""
        child = Child(
            program,
            stream=self._stream,
            journal=Journal(self._home.log(program.name)),
            leash=Leash(thread_stays=True),
        )
        self.children[program.name] = child
        return child

    def turn(self) -> None:
        """Start what is due, pass on what is said, and notice who died."""
        for child in self.children.values():
            if child.due():
                self._start(child)
        self._listen()
        for child in self.children.values():
            gone = child.reap()
            if gone is not None:
                self._undertaking.remove(gone)
                self._probe.forget(child.program.name)
            elif child.state is State.RUNNING and not child.ready:
                child.ready = not child.program.health or self._probe.is_ready(child.program.name)

    def run_once(self, program: Program, *, stopped: Callable[[], bool]) -> Child:
        """Run a program to its end, or to ours."""
        child = self.add(program)
        while child.state is not State.ENDED and not stopped():
            self.turn()
        if child.state is not State.ENDED:
            self.stop([program.name], at_once=stopped)
        return self.children.pop(program.name)

    def stop(self, names: Iterable[str], *, at_once: Callable[[], bool]) -> None:
        """End some children side by side, each within its own deadline."""
        stopping = [self.children[name] for name in names if name in self.children]
        began = time.monotonic()
        for child in stopping:
            child.ask_to_end()
        longest = max((child.program.stop_seconds for child in stopping), default=0.0)
        while not all(child.ended() for child in stopping):
            if at_once() or time.monotonic() - began > longest:
                break
            self._listen()
        for child in stopping:
            gone = child.finish(by_force=True)
            if gone is not None:
                self._undertaking.remove(gone)

    def close(self) -> None:
        self._probe.stop()
        self._undertaking.close()

    def _start(self, child: Child) -> None:
        child.start()
        if child.pid is not None:
            self._undertaking.add(child.pid)
            if child.program.health:
                self._probe.ask(child.program.name, child.program.health)

    def _listen(self) -> None:
        """Wait a moment for words from anybody."""
        with selectors.DefaultSelector() as selector:
            for child in self.children.values():
                if child.output is not None:
                    selector.register(child.output, selectors.EVENT_READ, child)
            if not selector.get_map():
                time.sleep(TURN_SECONDS)
            for key, _ in selector.select(TURN_SECONDS):
                key.data.read()
