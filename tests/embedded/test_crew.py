"""Children are started again when they die, stopped in order, and gone when we are."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from governance.embedded import child as child_module
from governance.embedded.child import Child, Program, State, delay
from governance.embedded.crew import Crew
from governance.embedded.home import Home
from governance.embedded.stream import Stream
from tests.embedded.holding import ROOT, clean_environ, gone

DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
STUBBORN = f"{DEAF} import time; print('here', flush=True); time.sleep(60)"
FAMILY = (
    "import subprocess, sys;"
    f"inner = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}], stdout=subprocess.PIPE);"
    "inner.stdout.readline(); print(inner.pid, flush=True); inner.wait()"
)


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def crew(tmp_path: Path, out: io.StringIO) -> Iterator[Crew]:
    crew = Crew(Home(tmp_path), Stream(out, ["eu-1"]))
    yield crew
    crew.stop(list(crew.children), at_once=lambda: True)
    crew.close()


def program(name: str, script: str, **more: object) -> Program:
    stop_seconds, once = more.get("stop_seconds", 5.0), bool(more.get("once"))
    assert isinstance(stop_seconds, float)
    command = [sys.executable, "-u", "-c", script]
    return Program(name, command, lambda: dict(os.environ), stop_seconds, once=once)


def turn_until(crew: Crew, done: Callable[[], bool], seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "it did not come"
        crew.turn()


def runs(child: Child) -> Callable[[], bool]:
    return lambda: child.ready


def test_waits_double_up_to_half_a_minute() -> None:
    assert [delay(failures) for failures in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


def test_what_dies_is_started_again_later_and_that_is_said(
    crew: Crew, out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "delay", lambda failures: delay(failures) / 20)
    dies = crew.add(program("eu-1", "print('hello'); raise SystemExit(3)"))

    turn_until(crew, lambda: dies.starts == 3)

    said = [line.partition("| ")[2] for line in out.getvalue().splitlines()]
    assert said[:4] == [
        "hello",
        "ended with code 3; starts again in 0.05 s",
        "hello",
        "ended with code 3; starts again in 0.1 s",
    ]


def test_a_good_while_makes_up_for_failures(
    crew: Crew, out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "GOOD_SECONDS", 0.0)
    dies = crew.add(program("eu-1", "import time; time.sleep(60)"))
    dies.failures = 5
    turn_until(crew, runs(dies))

    os.kill(dies.pid or 0, signal.SIGKILL)
    turn_until(crew, lambda: dies.state is State.WAITING)

    assert "was ended by SIGKILL; starts again in 1 s" in out.getvalue()


def test_a_program_that_cannot_start_is_said_and_tried_again(crew: Crew, out: io.StringIO) -> None:
    missing = crew.add(Program("eu-1", ["/no/such/program"], dict))

    turn_until(crew, lambda: missing.state is State.WAITING and missing.failures == 1)

    assert "/no/such/program: No such file or directory" in out.getvalue()
    assert "ended with code 126; starts again in 1 s" in out.getvalue()


def test_a_child_keeps_its_raw_log(crew: Crew, tmp_path: Path) -> None:
    child = crew.add(program("eu-1", "print('to be kept'); import time; time.sleep(60)"))
    log = tmp_path / "logs" / "eu-1.log"

    turn_until(crew, lambda: child.ready and log.read_bytes() == b"to be kept\n")


def test_some_lines_are_for_the_log_alone(crew: Crew, out: io.StringIO, tmp_path: Path) -> None:
    script = "print('sweep 1\\n\\nnews'); import time; time.sleep(60)"
    crew.add(replace(program("eu-1", script), hush=re.compile("sweep")))

    turn_until(crew, lambda: "news" in out.getvalue())

    assert [line.partition("| ")[2] for line in out.getvalue().splitlines()] == ["news"]
    assert (tmp_path / "logs" / "eu-1.log").read_text() == "sweep 1\n\nnews\n"


def test_what_runs_once_shows_its_errors_and_keeps_what_it_prints(
    crew: Crew, out: io.StringIO
) -> None:
    script = "import sys; print('secret'); print('notice', file=sys.stderr); raise SystemExit(4)"

    child = crew.run_once(program("eu-1", script, once=True), stopped=lambda: False)

    assert (child.code, child.printed) == (4, "secret\n")
    assert "notice" in out.getvalue()
    assert "secret" not in out.getvalue()


def test_a_stop_is_heeded_and_nothing_is_started_again(crew: Crew, out: io.StringIO) -> None:
    script = (
        "import signal, sys, time;"
        "signal.signal(signal.SIGTERM, lambda *_: (print('bye'), sys.exit(0)));"
        "print('here'); time.sleep(60)"
    )
    child = crew.add(program("eu-1", script))
    turn_until(crew, lambda: "here" in out.getvalue())
    pid = child.pid or 0

    crew.stop(["eu-1"], at_once=lambda: False)
    crew.turn()

    assert child.state is State.ENDED
    assert gone([pid], 0) == []
    assert "bye" in out.getvalue()
    assert "killed" not in out.getvalue()


def test_who_does_not_end_in_time_is_made_to_with_its_own_children(
    crew: Crew, out: io.StringIO
) -> None:
    child = crew.add(program("eu-1", f"{DEAF}{FAMILY}", stop_seconds=0.3))
    turn_until(crew, lambda: bool(re.search(r"\| \d+", out.getvalue())))
    inner = int(re.findall(r"\| (\d+)", out.getvalue())[0])
    outer = child.pid or 0

    crew.stop(["eu-1"], at_once=lambda: False)

    assert gone([inner, outer], 2) == []


def test_the_children_of_a_child_that_dies_go_with_it(crew: Crew, out: io.StringIO) -> None:
    child = crew.add(program("eu-1", FAMILY))
    turn_until(crew, lambda: bool(re.search(r"\| \d+", out.getvalue())))
    inner = int(re.findall(r"\| (\d+)", out.getvalue())[0])

    os.kill(child.pid or 0, signal.SIGKILL)
    turn_until(crew, lambda: child.state is State.WAITING)

    assert gone([inner], 2) == []


def test_a_kill_of_the_supervisor_leaves_nobody(tmp_path: Path) -> None:
    script = f"""
import io, os, sys
from dataclasses import replace
from pathlib import Path
from governance.embedded import crew, home, stream
from governance.embedded.child import Program
out = stream.Stream(sys.stdout, ["a"])
crew = crew.Crew(home.Home(Path({str(tmp_path)!r})), out, grace_seconds=0.5)
crew.add(Program("a", [sys.executable, "-u", "-c", {FAMILY!r}], lambda: dict(os.environ)))
while True:
    crew.turn()
    print("child", crew.children["a"].pid, flush=True)
"""
    found: set[int] = set()
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environ(tmp_path),
        cwd=ROOT,
    ) as supervisor:
        assert supervisor.stdout
        while len(found) < 2:
            said = re.search(r"(?:child|\|) (\d+)", supervisor.stdout.readline())
            found |= {int(said[1])} if said else set()
        supervisor.kill()

    assert gone(list(found), 5) == []
