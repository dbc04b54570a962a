"""``lockgate up`` brings the whole system up, keeps it up, and leaves nothing behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import pytest

from governance.embedded import EmbeddedError
from governance.embedded.supervisor import Plan, Supervisor
from tests.embedded.holding import ROOT, Holder, children_of, clean_environ, gone

AGENTS = ["eu-1", "eu-2", "eu-dark", "qa-1", "qa-dark"]
COMMAND = "import typer; from governance.embedded.commands import up; typer.run(up)"
AUDIT = "from governance.embedded.commands import audit; audit()"


class Up:
    """One ``lockgate up``, its stream kept in a file."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        self.ready_file = home.parent / "ready.json"
        self.ready_file.unlink(missing_ok=True)
        self.stream = home.parent / "stream.log"
        with self.stream.open("wb") as stream:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    COMMAND,
                    "--once-ready-file",
                    str(self.ready_file),
                    *options,
                ],
                env=clean_environ(home, PYTHONWARNINGS="ignore"),
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
            )

    def said(self) -> str:
        return self.stream.read_text()

    def wait(self, done: Callable[[], bool], seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while not done():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < until, self.said()
            time.sleep(0.05)

    def ready(self) -> dict[str, Any]:
        self.wait(self.ready_file.exists)
        return self.standing()

    def standing(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "run" / "up.json").read_text())
        return found

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def bring_up() -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start(home: Path, *options: str) -> Up:
        started.append(Up(home, *options))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.stop(signal.SIGTERM)


def answer(address: str) -> int:
    try:
        with build_opener(ProxyHandler({})).open(address, timeout=5) as found:
            return int(found.status)
    except HTTPError as refused:
        with refused:
            return refused.code


def test_the_whole_system_comes_up_stays_up_and_goes(
    used: Path, bring_up: Callable[..., Up], hold: Callable[..., Holder]
) -> None:
    before = hold(used)
    before.urls()
    first = bring_up(used)

    check_it_says_where(first)
    check_it_is_alone(first)
    check_agents_know_little(first, before)
    check_sealing(first, used / "checkpoints")
    check_its_log(used)
    check_the_dead_come_back(first, before)
    url = first.standing()["url"]
    check_it_stops_in_order(first)
    check_a_kill_leaves_nothing(bring_up(used, "--only", "worker,eu-1"), url=url)


def check_it_says_where(up: Up) -> None:
    standing = up.ready()
    assert json.loads(up.ready_file.read_text())["ready"] is True
    assert standing["pid"] == up.process.pid
    assert sorted(standing["agents"]) == AGENTS
    assert sorted(standing["programs"]) == ["sealer", "web", "worker"]
    assert answer(f"{standing['url']}/health/ready") == 200
    for agent in standing["agents"].values():
        assert answer(f"{agent['inference_url']}/v2/health/live") == 200
    assert f"lockgate | ready: {standing['url']}" in up.said()
    assert re.search(r"^\d\d:\d\d:\d\d eu-dark  \| ", up.said(), re.MULTILINE)


def check_it_is_alone(up: Up) -> None:
    """Only one of it, per home."""
    second = run(COMMAND, up.home)
    where = f"(process {up.process.pid}, {up.standing()['url']})"
    assert second.returncode == 1
    assert second.stderr == f"Lockgate: already up for {up.home} {where}.\n"


def check_agents_know_little(up: Up, before: Holder) -> None:
    """No agent knows what is the control plane's alone."""
    environ = Path(f"/proc/{up.standing()['agents']['eu-1']['pid']}/environ").read_text()
    assert "DATABASE_URL" not in environ
    assert before.record("broker")["url"] not in environ


def check_sealing(up: Up, sink: Path) -> None:
    """Neither web nor worker holds the sealer's key, nor the sealer theirs; and it seals."""
    for name, program in up.standing()["programs"].items():
        environ = Path(f"/proc/{program['pid']}/environ").read_text()
        assert ("SEALER_KEY_FILE" in environ) == (name == "sealer")
        assert ("SIGNING_KEY_FILE" in environ) == (name != "sealer")
    up.wait(lambda: list(sink.rglob("*.note")) != [])


def check_its_log(home: Path) -> None:
    """Its audit log can be checked while it runs."""
    checked = run(AUDIT, home, "verify")
    assert checked.returncode == 0, checked.stderr


def check_the_dead_come_back(up: Up, before: Holder) -> None:
    """An agent, and the servers that somebody else had started."""
    standing, found = up.standing(), before.record("broker")
    starts = standing["agents"]["eu-2"]["starts"]
    os.kill(standing["agents"]["eu-2"]["pid"], signal.SIGKILL)
    before.let_go()
    up.wait(lambda: set(before.servers().values()) <= children_of(up.process.pid))
    up.wait(lambda: up.standing()["agents"]["eu-2"]["starts"] > starts)
    up.wait(lambda: up.standing()["ready"])
    assert re.search(r"eu-2     \| was ended by SIGKILL; starts again in \d s", up.said())
    for name in ("postgres", "broker  ", "mirror  "):
        assert f"{name} | is gone; starts again" in up.said()
    assert before.record("broker")["url"] == found["url"]
    up.wait(lambda: answer(f"{standing['url']}/health/ready") == 200)


def check_it_stops_in_order(up: Up) -> None:
    """A Ctrl-C stops it, and nothing is left."""
    everybody = children_of(up.process.pid)
    assert len(everybody) > 10
    assert up.stop(signal.SIGINT) == 0
    assert gone(list(everybody), 2) == []
    assert up.said().rstrip().endswith("| stopped")
    assert "killed" not in up.said()
    assert not (up.home / "run" / "up.json").exists()


def check_a_kill_leaves_nothing(up: Up, *, url: str) -> None:
    """Agents that have enrolled need no control plane to start; a kill leaves nothing either."""
    again = up.ready()
    assert list(again["agents"]) == ["eu-1"]
    assert again["url"] == url
    everybody = children_of(up.process.pid)
    up.process.kill()
    up.process.wait()
    assert gone(list(everybody), 12) == []


def run(command: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", command, *arguments],
        env=clean_environ(home),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_port_that_was_asked_for_and_is_taken_is_said(
    used: Path, bring_up: Callable[..., Up]
) -> None:

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        up = bring_up(used, "--only", "web", "--port", str(port))

        assert up.process.wait(30) == 1
        assert f"Lockgate: port {port} is taken" in up.said()
        assert "Traceback" not in up.said()


def test_it_can_be_run_beside_other_code(used: Path, capsys: pytest.CaptureFixture[str]) -> None:
    supervisor = Supervisor(Plan(clean_environ(used, PYTHONWARNINGS="ignore"), only=("worker",)))

    supervisor.start()
    try:
        found = supervisor.wait_ready(60)
        pid = found.programs["worker"].pid or 0
        assert found.ready
    finally:
        supervisor.stop()

    assert gone([pid], 0) == []
    assert "| stopped" in capsys.readouterr().out
    with pytest.raises(EmbeddedError, match="nothing runs"):
        supervisor.standing()


def test_what_keeps_it_from_coming_up_is_told_to_who_waits(place: Path) -> None:
    (place / "file").write_text("not a folder")
    supervisor = Supervisor(Plan(clean_environ(place / "file"), only=("worker",)))

    supervisor.start()

    with pytest.raises(EmbeddedError, match="File exists"):
        supervisor.wait_ready(30)
    supervisor.stop()
