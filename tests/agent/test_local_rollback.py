"""A former champion answers on a host that is cut off, and nobody undoes it unsaid."""

import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import StartAgent
from .control_plane import ControlPlane, model
from .process import AgentProcess
from .test_restart import flip
from .versions import Version, make, rows


def ask(agent: AgentProcess, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "serving_agent", *words, "--home", str(agent.home)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def answering(agent: AgentProcess, name: str = "credit") -> str:
    response = agent.infer(rows(1), model=name)
    assert response.status_code == 200, response.text
    return response.headers["lockgate-digest"]


def wait_answering(agent: AgentProcess, version: Version, *, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while answering(agent, version.model) != version.digest:
        assert time.monotonic() < deadline, agent.log()
        time.sleep(0.02)


def cut_off(plane: ControlPlane) -> None:
    """Answer nothing, also on connections that are open."""
    plane.faults[""] = lambda: (503, {}, b"")
    plane.stop()


def reach(plane: ControlPlane) -> None:
    plane.faults.clear()
    plane.reports.clear()
    plane.start()


def wait_loaded(plane: ControlPlane, count: int) -> None:
    plane.wait_report(lambda r: len([m for m in r["models"] if m["phase"] == "ready"]) == count)


@pytest.fixture
def two() -> list[Version]:
    return [make(number=1), make(number=2)]


def test_cut_off_it_answers_with_the_one_in_memory_until_another_is_named(
    plane: ControlPlane, start_agent: StartAgent, two: list[Version]
) -> None:
    old, new = two
    other, newer_other, third = make("other", 1), make("other", 2), make(number=3)
    plane.publish(
        model(champion=new, bake=old), model("other", champion=other), versions=[*two, other]
    )
    agent = start_agent()
    wait_loaded(plane, 3)
    cut_off(plane)

    started = time.monotonic()
    done = ask(agent, "rollback", "credit", "--reason", "wrong scores")

    assert (done.returncode, time.monotonic() - started < 5) == (0, True), done.stderr
    assert "version 1 answers here now" in done.stdout
    assert "NOT what was decided: that is version 2, by generation 1" in done.stdout
    assert answering(agent) == old.digest
    assert answering(agent, "other") == other.digest

    agent.kill()
    again = start_agent()
    again.wait_ready()
    wait_answering(again, old)
    assert "ROLLED BACK HERE" in ask(again, "status").stdout

    reach(plane)
    told = check_it_is_told(plane, old)
    # Others follow, and so does what is said of this model beside its champion.
    plane.publish(
        model(champion=new, candidate=third, hold=[old], switch={"weight": 1.0, "salt": "s"}),
        model("other", champion=newer_other),
        versions=[newer_other, third],
        requires=["switch.weight"],
    )
    plane.wait_champion(newer_other)
    assert (answering(again, "other"), answering(again)) == (newer_other.digest, old.digest)
    wait_loaded(plane, 4)
    assert answering(again) == old.digest

    plane.publish(model(champion=third), model("other", champion=newer_other))
    plane.wait_champion(third)
    wait_answering(again, third)
    check_its_end_is_told(plane, told)


def check_it_is_told(plane: ControlPlane, old: Version) -> str:
    """Return the override's id, once the agent has told of it."""
    (told,) = plane.wait_report(lambda r: bool(r["overrides"]), seconds=60)["overrides"]
    assert (told["model"], told["version"], told["digest"]) == ("credit", 1, old.digest)
    assert (told["reason"], told["ended_age_ms"]) == ("wrong scores", None)
    assert f"uid {os.getuid()}" in told["by"]
    assert told["since_age_ms"] > 0
    return str(told["id"])


def check_its_end_is_told(plane: ControlPlane, override: str) -> None:
    """Until it was heard, and then no more."""
    (ended,) = plane.wait_report(lambda r: any(o["ended"] for o in r["overrides"]))["overrides"]
    assert (ended["id"], ended["ended"]) == (override, "decided")
    plane.reports.clear()
    plane.wait_report(lambda r: r["overrides"] == [])


def test_from_disk_it_is_loaded_and_then_answers(
    plane: ControlPlane, start_agent: StartAgent, two: list[Version]
) -> None:
    old, new = two
    oldest = make(number=7)
    plane.publish(model(champion=new, hold=[old, oldest]), versions=[*two, oldest])
    agent = start_agent()
    plane.wait_report(lambda r: len(r["held"]) == 3)
    cut_off(plane)

    assert ask(agent, "rollback", "credit").returncode == 0
    assert answering(agent) == old.digest
    assert ask(agent, "rollback", "credit", "--to", "7").returncode == 0
    assert answering(agent) == oldest.digest
    assert ask(agent, "resume", "credit").returncode == 0
    wait_answering(agent, new)

    reach(plane)
    report = plane.wait_report(lambda r: bool(r["overrides"]), seconds=60)
    said = [(one["version"], one["ended"]) for one in report["overrides"]]
    assert said == [(1, "replaced"), (7, "resumed")]


def test_an_older_document_from_disk_does_not_end_it(
    plane: ControlPlane, start_agent: StartAgent, two: list[Version]
) -> None:
    old, new = two
    third = make(number=3)
    plane.publish(model(champion=third), versions=[third])
    agent = start_agent()
    plane.wait_champion(third)
    plane.publish(model(champion=new, bake=old, hold=[third]), versions=two)
    plane.wait_champion(new)
    plane.wait_report(lambda r: len(r["held"]) == 3)
    cut_off(plane)
    assert ask(agent, "rollback", "credit").returncode == 0
    agent.kill()
    current = agent.home / "state" / "envelope.json"
    current.write_bytes(current.read_bytes()[:-20])

    again = start_agent()
    again.wait_ready()

    wait_answering(again, old)


def test_it_waits_for_nothing_else_that_is_under_way(
    plane: ControlPlane, start_agent: StartAgent, two: list[Version]
) -> None:
    old, new = two
    other = make("other", 1)
    plane.publish(model(champion=new, hold=[old]), versions=two)
    agent = start_agent()
    plane.wait_report(lambda r: len(r["held"]) == 2)
    plane.faults["GET /api/v1/blobs"] = lambda: time.sleep(20)  # type: ignore[func-returns-value]
    plane.publish(model(champion=new, hold=[old]), model("other", champion=other))
    plane.wait_report(lambda r: r["observed_generation"] == 2)

    started = time.monotonic()
    done = ask(agent, "rollback", "credit")

    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 10
    assert answering(agent) == old.digest


def test_what_fails_its_golden_transactions_or_changed_on_disk_answers_nobody(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    wrong, changed, new = make(number=1, off=0.5), make(number=2), make(number=3)
    plane.publish(model(champion=new, hold=[wrong, changed]), versions=[wrong, changed, new])
    agent = start_agent()
    plane.wait_report(lambda r: len(r["held"]) == 3)
    cut_off(plane)
    flip(agent.home, changed.files["model"])

    for number, why in ((1, "GOLDEN_MISMATCH"), (2, "changed on disk")):
        done = ask(agent, "rollback", "credit", "--to", str(number))
        assert done.returncode == 2
        assert why in done.stderr
        assert answering(agent) == new.digest
    assert "ROLLED BACK" not in ask(agent, "status").stdout


def test_it_refuses_what_is_not_there_and_hears_only_its_owner(
    plane: ControlPlane, start_agent: StartAgent, two: list[Version], tmp_path: Path
) -> None:
    plane.publish(model(champion=two[0]), versions=two)
    agent = start_agent()
    plane.wait_champion(two[0])

    for words, why in (
        (["rollback", "nothing"], "no champion"),
        (["rollback", "credit"], "no former champion"),
        (["rollback", "credit", "--to", "1"], "is what was decided"),
        (["rollback", "credit", "--to", "9"], "version 9 is no former champion"),
        (["rollback", "credit", "--to", "0"], ">= 1"),
        (["resume", "credit"], "not rolled back"),
    ):
        done = ask(agent, *words)
        assert (done.returncode, why in done.stderr) == (2, True), done.stderr
    assert answering(agent) == two[0].digest

    path = agent.home / "control.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for line in (b"\n", b"{" * 9000, b"\xff\xfe\n", b'{"action": "stop"}\n', b"[]\n"):
        assert b'"done":false' in speak(path, line)
    assert agent.terminate() == 0
    assert not path.exists()
    assert "no agent" in ask(agent, "status").stderr


def speak(path: Path, line: bytes) -> bytes:
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(f"/proc/self/fd/{handle}/{path.name}")
            connection.sendall(line)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(10_000)
    finally:
        os.close(handle)
