"""A whole system of real processes: servers, web, worker, agents. One for all tests here."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from governance.embedded.home import Home
from tests.agent import versions

FLEET = """
environments:
  - slug: prod-eu
    kind: production
    policy: {approvals: 1, bake_seconds: 1.0, load_seconds: 60.0}
    targets:
      - {tier: live, mirror_fraction: 0.5, agents: [eu-1, eu-2]}
      - {tier: dark, agents: [eu-dark]}
"""
LOCKGATE = str(Path(sys.executable).with_name("lockgate"))
PEOPLE = {
    "asha": ("submitter", "viewer"),
    "bram": ("approver",),
    "omar": ("operator",),
    "ada": ("auditor", "admin"),
}
PASSWORD = "a passphrase for one test run"
MAKE_PEOPLE = """
import json, django
django.setup()
from governance.actors import Actor
from governance.services import bindings, people, tokens
me, secrets = Actor.from_task("tests.set_up"), {}
for name, roles in json.loads(%r).items():
    user = people.add_person(username=name, person=name, password=%r, actor=me)
    for role in roles:
        bindings.grant_role(to=user, role=role, environment=None, group="", actor=me)
    secrets[name] = tokens.issue(name="tests", scope="personal", owner=user, actor=me).secret
print(json.dumps(secrets))
"""


class System:
    """One home, and ``lockgate up`` running on it."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.home = home
        outer = {
            name: value
            for name, value in os.environ.items()
            if not name.endswith(("_URL", "_KEY_FILE")) and name != "DJANGO_SETTINGS_MODULE"
        }
        often = {"WATCH_SECONDS": "5"}  # What nobody has looked at yet is not well.
        self.environ = {**outer, "LOCKGATE_HOME": str(home), **often, **environ}
        self.tokens: dict[str, str] = {}
        self.fleet = home / "fleet.yaml"
        self.fleet.write_text(FLEET)
        self._process: subprocess.Popen[bytes] | None = None

    def up(self, *only: str) -> None:
        ready = self.home / "ready"
        ready.unlink(missing_ok=True)
        command = [LOCKGATE, "up", "--fleet-file", str(self.fleet)]
        command += ["--once-ready-file", str(ready)]
        if only:
            command += ["--only", ",".join(only)]
        with (self.home / "up.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=self.environ, stdout=log, stderr=log)
        wait(ready.exists, seconds=90, what="the system to be ready")

    def down(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(60)
        self._process = None

    def make_people(self) -> None:
        script = MAKE_PEOPLE % (json.dumps(PEOPLE), PASSWORD)
        environ = {**self.environ, "DJANGO_SETTINGS_MODULE": "governance.settings"}
        code = f"from governance import embedded; embedded.provide_missing()\n{script}"
        done = subprocess.run(
            [sys.executable, "-c", code], env=environ, capture_output=True, check=False, text=True
        )
        assert done.returncode == 0, done.stderr
        self.tokens = json.loads(done.stdout.strip().splitlines()[-1])

    def running(self) -> dict[str, Any]:
        """What ``lockgate up`` says is running: processes and their addresses."""
        found: dict[str, Any] = json.loads((self.home / "run" / "up.json").read_text())
        return found

    def server_pid(self, name: str) -> int:
        """The process of an embedded server."""
        record = Home.of(self.environ).record(name)
        assert record, f"{name} does not run"
        return int(record["pid"])

    @property
    def url(self) -> str:
        return str(self.running()["url"])

    def agent_url(self, name: str) -> str:
        return str(self.running()["agents"][name]["inference_url"])

    def call(
        self,
        who: str,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.tokens[who]}", **(headers or {})}
        url = f"{self.url}/api/v1/{path}"
        return httpx.request(method, url, headers=headers, timeout=30, **options)

    def register(self, made: versions.Version) -> int:
        """Upload a version's files as a pipeline would; return its number."""
        described = {"name": made.model, "owner": "tests", "purpose": "a test"}
        self.call("asha", "POST", "models", json=described)
        for digest, content in made.blobs.items():
            if digest != made.digest:
                put = self.call("asha", "PUT", f"blobs/sha256:{digest}", content=content)
                assert put.status_code in {200, 201}, put.text
        posted = self.call(
            "asha",
            "POST",
            f"models/{made.model}/versions",
            content=made.blobs[made.digest],
            headers={"Content-Type": "application/json"},
        )
        assert posted.status_code == 201, posted.text
        number = int(posted.json()["number"])
        path = f"models/{made.model}/versions/{number}"
        wait(
            lambda: self.call("asha", "GET", path).json()["status"] == "ready",
            seconds=30,
            what="the inspection",
        )
        return number

    def ask(self, model: str, number: int, to: str = "production") -> dict[str, Any]:
        body = {"model": model, "version": number, "environment": "prod-eu", "to": to}
        opened = self.call("asha", "POST", "promotions", json={**body, "reason": "a test"})
        assert opened.status_code == 201, opened.text
        document: dict[str, Any] = opened.json()
        return document

    def sign(self, request: dict[str, Any]) -> None:
        signature = {
            "decision": "approve",
            "meaning": "approval",
            "content_hash": request["content_hash"],
            "password": PASSWORD,
        }
        path = f"promotions/{request['id']}/approvals"
        signed = self.call("bram", "POST", path, json=signature)
        assert signed.status_code == 201, signed.text

    def promotion(self, request: dict[str, Any]) -> dict[str, Any]:
        document: dict[str, Any] = self.call("asha", "GET", f"promotions/{request['id']}").json()
        return document

    def promote(self, made: versions.Version) -> int:
        number = self.register(made)
        request = self.ask(made.model, number)
        self.sign(request)
        wait(
            lambda: self.promotion(request)["state"] == "done",
            seconds=60,
            what=f"version {number} to be live",
        )
        return number


def answer(url: str, model: str, *, timeout: float = 5.0) -> httpx.Response:
    """Ask an agent for one prediction."""
    row = [float(x) for x in versions.rows(1)[0]]
    tensor = {"name": "X", "datatype": "FP32", "shape": [1, versions.FEATURES], "data": row}
    return httpx.post(f"{url}/v2/models/{model}/infer", json={"inputs": [tensor]}, timeout=timeout)


def answering(url: str, model: str) -> str:
    """The version that answers there now; empty when none does."""
    try:
        return str(answer(url, model).json().get("model_version", ""))
    except httpx.HTTPError:
        return ""


def wait(done: Callable[[], object], *, seconds: float, what: str) -> float:
    """Wait until something is so; return how long that took."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if done():
            return time.monotonic() - began
        time.sleep(0.02)
    message = f"waited {seconds} s for {what}"
    raise AssertionError(message)


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The whole system, with people, and nothing promoted yet."""
    made = System(tmp_path_factory.mktemp("system"), LOCKGATE_PG_FSYNC="off")
    try:
        made.up()
        made.make_people()
        yield made
    finally:
        made.down()
