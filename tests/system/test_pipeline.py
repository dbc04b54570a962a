"""What a pipeline runs, against a whole system: the workflow of the docs, and the doctor."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.agent import versions
from tests.system.conftest import LOCKGATE, System, answering, wait

pytestmark = pytest.mark.timeout(240)
ROOT = Path(__file__).resolve().parents[2]
FLEET = """
environments:
  - slug: qa
    kind: qa
    policy: {approvals: 0, bake_seconds: 0.5, load_seconds: 60.0}
    targets: [{tier: live, agents: [qa-1]}]
  - slug: prod-eu
    kind: production
    policy: {approvals: 1, bake_seconds: 0.5, load_seconds: 60.0, through: [qa]}
    targets: [{tier: live, agents: [eu-1]}]
"""
EXPRESSION = re.compile(r"\$\{\{\s*([\w.]+)\s*\}\}")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Two environments, of which the second wants the first."""
    made = System(tmp_path_factory.mktemp("pipeline"), LOCKGATE_PG_FSYNC="off")
    made.fleet.write_text(FLEET)
    try:
        made.up()
        made.make_people()
        yield made
    finally:
        made.down()


class Runner:
    """Runs one job's steps one after the other, as the service that has it would."""

    def __init__(self, folder: Path, known: dict[str, str]) -> None:
        self.folder, self.known = folder, known
        self.job: dict[str, Any] = yaml.safe_load(
            (ROOT / "docs" / "github-actions.yml").read_text()
        )["jobs"]["promote"]
        assert self.job["defaults"]["run"]["shell"] == "bash"
        self.steps = {step["name"]: step for step in self.job["steps"] if "run" in step}

    def start(self, name: str) -> subprocess.Popen[str]:
        step = self.steps[name]
        files = {n: str(self.folder / n.lower()) for n in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        given = {**self.job["env"], **step.get("env", {})}
        environ = {
            "PATH": tools,
            "PYTHONPATH": str(ROOT),
            "GITHUB_SHA": "4f2c9e1",
            "GITHUB_RUN_ID": "12",
            **files,
            **{key: self._filled(str(value)) for key, value in given.items()},
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        with (self.folder / "stderr").open("w") as told:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=environ,
                stdout=subprocess.PIPE,
                stderr=told,
                text=True,
                start_new_session=True,
            )

    def run(self, name: str) -> tuple[int, str]:
        step = self.start(name)
        out, _ = step.communicate(timeout=120)
        for line in self._lines("github_output"):
            key, _, value = line.partition("=")
            self.known[f"steps.{self.steps[name].get('id')}.outputs.{key}"] = value
        return step.returncode, out

    def told(self) -> str:
        return (self.folder / "stderr").read_text()

    def _lines(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []

    def _filled(self, text: str) -> str:
        return EXPRESSION.sub(lambda found: self.known[found[1]], text)


@pytest.fixture
def runner(system: System, tmp_path: Path) -> Runner:
    made = versions.make("credit-default", 1)
    pack = tmp_path / "pack"
    pack.mkdir()
    manifest = json.loads(made.blobs[made.digest])
    (pack / "manifest.json").write_bytes(made.blobs[made.digest])
    for file in manifest["files"]:
        (pack / file["path"]).write_bytes(made.blobs[file["sha256"]])
    known = {"vars.LOCKGATE_URL": system.url, "secrets.LOCKGATE_TOKEN": system.tokens["asha"]}
    return Runner(tmp_path, known)


def _waiting(system: System) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = system.call("bram", "GET", "promotions?state=open").json()[
        "items"
    ]
    return found


def test_the_workflow_brings_a_version_into_production_though_it_is_killed(
    system: System, runner: Runner
) -> None:
    assert list(runner.steps) == ["Install", "Register", "Promote", "Where it stands"]
    assert runner.steps["Install"]["run"] == "pip install lockgate"
    assert runner.run("Register") == (0, ""), runner.told()
    assert runner.run("Register") == (0, ""), "the same folder again is the same version"
    assert runner.known["steps.register.outputs.version"] == "1"

    first = runner.start("Promote")
    wait(lambda: "prod-eu: waiting for approval" in runner.told(), seconds=60, what="qa")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert answering(system.agent_url("qa-1"), "credit-default") == "1"

    again = runner.start("Promote")
    wait(lambda: "prod-eu: asked for already" in runner.told(), seconds=30, what="the second run")
    (request,) = _waiting(system)
    assert request["reason"] == "Commit 4f2c9e1, run 12"
    system.sign(request)
    out, _ = again.communicate(timeout=120)
    assert again.returncode == 0, runner.told()
    assert out.count("live, confirmed") == 2
    assert answering(system.agent_url("eu-1"), "credit-default") == "1"

    code, out = runner.run("Where it stands")
    assert code == 0
    assert "prod-eu  production champion" in out
    assert (runner.folder / "github_step_summary").read_text() == out


def _doctor(system: System) -> tuple[int, dict[str, dict[str, str]]]:
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "LOCKGATE_URL": system.url,
        "LOCKGATE_TOKEN": system.tokens["omar"],
    }
    done = subprocess.run(
        [LOCKGATE, "--json", "doctor"], env=environ, capture_output=True, text=True, check=False
    )
    return done.returncode, {c["name"]: c for c in json.loads(done.stdout)["checks"]}


def _unwell(system: System) -> list[dict[str, str]]:
    return [check for check in _doctor(system)[1].values() if check["verdict"] != "ok"]


def test_the_doctor_finds_a_whole_system_well(system: System) -> None:
    wait(lambda: _unwell(system) == [], seconds=30, what="all to be well")
    code, found = _doctor(system)
    assert code == 0
    assert found["agents prod-eu live"]["found"].startswith("1 of 1 heard")


def test_the_doctor_finds_a_broker_that_hangs(system: System) -> None:
    broker = system.server_pid("broker")
    os.kill(broker, signal.SIGSTOP)
    try:
        code, found = _doctor(system)
    finally:
        os.kill(broker, signal.SIGCONT)
    assert code == 1
    assert found["broker"]["verdict"] == "fail"
    assert "BROKER_URL" in found["broker"]["fix"]
