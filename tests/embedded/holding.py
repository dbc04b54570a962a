"""Processes that hold embedded servers, and a look at what runs."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from governance.embedded.processes import start_time
from governance.embedded.programs import SECRETS

ROOT = Path(__file__).resolve().parents[2]
HOLDER = Path(__file__).with_name("holder.py")


def clean_environ(home: Path, **more: str) -> dict[str, str]:
    """Our environment without servers: a test brings its own."""
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
    kept |= {"LOCKGATE_HOME": str(home), "LOCKGATE_PG_FSYNC": "off", "PYTHONPATH": str(ROOT)}
    return kept | more


class Holder:
    """A process that has called ``provide_missing`` and holds what it started until let go."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *arguments: str,
        python: str = sys.executable,
        user: int | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            [python, str(HOLDER), *arguments],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        self.home = Path(environ["LOCKGATE_HOME"])
        self.given: dict[str, str] = {}

    def urls(self) -> dict[str, str]:
        """Wait for what it was given."""
        assert self.process.stdout
        assert select.select([self.process.stdout], [], [], 60)[0], "no word within 60 s"
        line = self.process.stdout.readline()
        assert line, self.error()
        found: dict[str, str] = json.loads(line)
        return found

    def error(self) -> str:
        """Wait for its end, and give what it said of it."""
        return self.process.communicate(timeout=60)[1].decode()

    def record(self, name: str) -> Any:
        found: dict[str, Any] = json.loads((self.home / "run" / f"{name}.json").read_text())
        return found

    def servers(self) -> dict[str, int]:
        """Process numbers of the servers on record."""
        found = {}
        for name in ("postgres", "broker", "mirror"):
            if (self.home / "run" / f"{name}.json").exists():
                pid = self.record(name)["pid"]
                assert isinstance(pid, int)
                found[name] = pid
        return found

    def let_go(self) -> None:
        """Let it end as programs end."""
        self.process.communicate(timeout=60)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def gone(pids: Mapping[str, int] | list[int], seconds: float = 10) -> list[int]:
    """Wait for processes to end, and give those that did not."""
    numbers = list(pids.values()) if isinstance(pids, Mapping) else pids
    until = time.monotonic() + seconds
    while left := [pid for pid in numbers if start_time(pid)]:
        if time.monotonic() > until:
            break
        time.sleep(0.02)
    return left


def children_of(pid: int) -> set[int]:
    """Every process below one, at any depth."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(entry.parent.name)] = int(fields[1])
    found: set[int] = set()
    while more := {each for each, parent in parents.items() if parent in found | {pid}} - found:
        found |= more
    return found
