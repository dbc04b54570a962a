"""What answers goes on answering, whatever else is gone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent import versions
from tests.system.conftest import System, answer, answering, wait

pytestmark = pytest.mark.timeout(240)


class Outside:
    """An agent that is nobody's child but ours, so that it outlives the rest."""

    def __init__(self, system: System, home: Path) -> None:
        self.home = home
        issued = system.call(
            "omar", "POST", "join-tokens", json={"environment": "prod-eu", "tier": "live"}
        ).json()
        self.arguments = ["--url", system.url, "--token", issued["token"], "--key", issued["key"]]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "serving_agent", "run", "--home", str(self.home)]
        command += ["--name", "outside", *self.arguments]
        environ = {k: v for k, v in os.environ.items() if not k.startswith("LOCKGATE")}
        with (self.home.parent / "outside.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environ)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(20)

    def leave(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(40)

    @property
    def url(self) -> str:
        import json

        file = self.home / "address.json"
        return str(json.loads(file.read_text())["inference_url"]) if file.exists() else ""


def heard(system: System) -> list[tuple[str, bool]]:
    state = system.call("ada", "GET", "environments/prod-eu/state").json()
    return [(agent["agent"], agent["heard"]) for agent in state["agents"]]


@pytest.fixture
def outside(system: System, tmp_path: Path) -> Iterator[Outside]:
    agent = Outside(system, tmp_path / "outside")
    agent.start()
    yield agent
    agent.leave()  # In order: others use the system, and a silent agent is not theirs.


def test_an_agent_answers_with_everything_down_also_after_a_restart(
    system: System, outside: Outside
) -> None:
    wait(lambda: ("outside", True) in heard(system), seconds=30, what="the agent to be known")
    made = versions.make("steady", 1)
    number = system.promote(made)
    assert answering(outside.url, "steady") == str(number)

    system.down()  # Web, worker, database, both Valkeys and the store's process: all of it.
    first = answer(outside.url, "steady")
    outside.stop()
    outside.start()
    back = wait(
        lambda: answering(outside.url, "steady") == str(number), seconds=20, what="a restart"
    )
    after = answer(outside.url, "steady")

    assert first.status_code == after.status_code == 200
    assert first.json()["outputs"] == after.json()["outputs"]
    print(f"answers {back:.1f} s after its start, from disk alone")
    system.up()
    wait(lambda: ("outside", True) in heard(system), seconds=60, what="the agent to be heard again")
