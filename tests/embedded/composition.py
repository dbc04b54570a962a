"""Reads ``compose.yaml``, and runs its services as processes of this machine.

Nothing of a service is replaced but where things lie: names of hosts, ports, folders.
Its command, its environment (and only that) and its health check are run as written.
"""

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.embedded.holding import ROOT

VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?:(:?[-?])([^}]*))?\}")


def read() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


def ours(services: Mapping[str, Any]) -> dict[str, Any]:
    """Give the services that run images of our own."""
    return {name: each for name, each in services.items() if "build" in each}


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Fill in variables as compose does.

    Raises:
        KeyError: one that is required is missing.
    """

    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        if found[2] in (":-", "-"):
            return variables.get(found[1], found[3])
        return variables[found[1]]

    return VARIABLE.sub(value, text)


def variables_of(document: Any) -> Iterator[tuple[str, str]]:
    """Give each variable with what stands behind it (``:?`` or ``:-``)."""
    for found in VARIABLE.finditer(yaml.safe_dump(document)):
        if found[1]:
            yield found[1], found[2] or ""


@dataclass
class Stage:
    """Services as processes, started in the order their dependencies ask for."""

    services: Mapping[str, Any]
    variables: Mapping[str, str]
    moved: Mapping[str, str]
    """Where things lie here: replaced in every text, longest first."""
    own: Mapping[str, Mapping[str, str]]
    """The same for one service: each container has its own ports and folders."""
    folder: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)

    def text(self, name: str, text: object) -> str:
        """One text of a service, with variables filled in and things where they lie here."""
        found = interpolate(str(text), self.variables)
        moved = {**self.moved, **self.own.get(name, {})}
        for there in sorted(moved, key=len, reverse=True):
            found = found.replace(there, moved[there])
        return found

    def environ(self, name: str) -> dict[str, str]:
        given = self.services[name]["environment"]
        programs = Path(sys.executable).parent
        return {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOSTNAME": socket.gethostname(),
            "PYTHONWARNINGS": "ignore",
            **{key: self.text(name, value) for key, value in given.items()},
            **{key: value for key, value in self.own.get(name, {}).items() if key.isupper()},
        }

    def command(self, name: str) -> list[str]:
        return [self.text(name, word) for word in self.services[name]["command"]]

    def health(self, name: str) -> list[str]:
        kind, *words = self.services[name]["healthcheck"]["test"]
        found = [self.text(name, word) for word in words]
        return found if kind == "CMD" else ["sh", "-c", *found]

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def is_healthy(self, name: str) -> bool:
        asked = subprocess.run(
            self.health(name),
            env=self.environ(name),
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
        return asked.returncode == 0

    def start(self, name: str) -> None:
        with self.log(name).open("wb") as log:
            self.running[name] = subprocess.Popen(
                self.command(name),
                env=self.environ(name),
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def bring_up(self, seconds: float = 90) -> None:
        """Start everything, each service once what it depends on is as it asks."""
        until = time.monotonic() + seconds
        waiting = list(ours(self.services))
        healthy: set[str] = set()
        while waiting or set(self.running) - healthy - self.done:
            assert time.monotonic() < until, f"waiting for {waiting}: {self.tails()}"
            for name in [name for name in waiting if self._may_start(name, healthy)]:
                waiting.remove(name)
                self.start(name)
            for name, process in self.running.items():
                code = process.poll()
                assert code in (None, 0), f"{name} ended with {code}: {self.tails(name)}"
                if code == 0:
                    assert "healthcheck" not in self.services[name], self.tails(name)
                    self.done.add(name)
                elif name not in healthy and "healthcheck" in self.services[name]:
                    healthy |= {name} if self.is_healthy(name) else set()
            time.sleep(0.5)  # A check costs a process, and takes time from what is starting.

    def _may_start(self, name: str, healthy: set[str]) -> bool:
        wanted = self.services[name].get("depends_on", {})
        needs = {
            other: each["condition"]
            for other, each in wanted.items()
            if other in ours(self.services)
        }
        met = {"service_healthy": healthy, "service_completed_successfully": self.done}
        return all(other in met[condition] for other, condition in needs.items())

    def tails(self, name: str = "") -> str:
        names = [name] if name else list(self.running)
        return "\n".join(
            f"-- {each}: {shlex.join(self.command(each))}\n{self.log(each).read_text()[-1500:]}"
            for each in names
        )

    def take_down(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()
