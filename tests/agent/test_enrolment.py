"""Joining, and whom an agent will not join."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import StartAgent
from .control_plane import ControlPlane, Key, model
from .process import joining
from .versions import make, rows


def serving_agent(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "serving_agent", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def enrol(plane: ControlPlane, home: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    arguments = joining(plane)
    for name, value in changed.items():
        arguments[arguments.index(f"--{name}") + 1] = value
    return serving_agent("enrol", *arguments, "--home", str(home), "--label", "zone=a")


def test_enrolling_keeps_the_token_where_only_the_owner_reads_it(
    plane: ControlPlane, tmp_path: Path
) -> None:
    done = enrol(plane, tmp_path / "home")

    assert done.returncode == 0, done.stderr
    assert "qa/live" in done.stdout
    assert plane.token not in done.stdout + done.stderr
    identity = tmp_path / "home" / "state" / "identity.json"
    assert stat.S_IMODE(identity.stat().st_mode) == 0o600
    content = json.loads(identity.read_bytes())
    assert content["token"] == plane.token
    assert content["labels"] == {"zone": "a"}


def test_an_enrolled_agent_runs_without_being_told_again(
    plane: ControlPlane, tmp_path: Path, start_agent: StartAgent
) -> None:
    assert enrol(plane, tmp_path / "agent").returncode == 0
    version = make()
    plane.publish(model(champion=version), versions=[version])

    start_agent("agent")
    plane.wait_champion(version)

    assert [path for _, path, _ in plane.calls].count("/api/v1/agents/enrol") == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"key": "0" * 64}, "not the one this agent was told to expect"),
        ({"key": "abcd"}, "64 hexadecimal digits"),
        ({"token": "wrong"}, "will not have this agent"),
        ({"url": "ftp://x"}, "http"),
    ],
)
def test_an_agent_refuses_to_join(
    changed: dict[str, str], said: str, plane: ControlPlane, tmp_path: Path
) -> None:
    done = enrol(plane, tmp_path / "home", **changed)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "home" / "state" / "identity.json").exists()


def test_only_the_expected_key_is_trusted_not_what_comes_with_it(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    stranger = Key()
    plane.enrolment_keys = [stranger, plane.key]
    start_agent()
    plane.key, ours = stranger, plane.key
    plane.publish()
    plane.wait_refusal("BAD_SIGNATURE")

    plane.key = ours
    plane.publish()
    plane.wait_report(lambda r: r["observed_generation"] == 2)


def test_two_agents_do_not_share_a_home(start_agent: StartAgent) -> None:
    agent = start_agent("agent")

    second = serving_agent("run", "--home", str(agent.home))

    assert second.returncode == 2
    assert "another agent" in second.stderr


def test_an_agent_that_never_enrolled_says_what_it_needs(tmp_path: Path) -> None:
    done = serving_agent("run", "--home", str(tmp_path / "home"))

    assert done.returncode == 2
    assert "--url" in done.stderr


def test_beyond_loopback_a_token_is_required(plane: ControlPlane, tmp_path: Path) -> None:
    arguments = ["run", "--home", str(tmp_path / "home"), *joining(plane)]

    done = serving_agent(*arguments, LOCKGATE_AGENT_HOST="0.0.0.0")

    assert done.returncode == 2
    assert "INFERENCE_TOKEN" in done.stderr


def test_a_caller_needs_the_token_where_one_is_set(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent(inference_token="s3cret")
    plane.wait_champion(version)
    assert agent.infer(rows(1)).status_code == 401
    assert agent.http.get("/metrics").status_code == 401
    for open_path in ("/v2/health/live", "/v2/health/ready", "/v2/models/credit/ready"):
        assert agent.http.get(open_path).status_code == 200
    agent.http.headers["authorization"] = "Bearer s3cret"
    assert agent.infer(rows(1)).status_code == 200
