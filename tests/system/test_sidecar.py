"""Callers behind a real Envoy, while agents freeze, die, and are replaced."""

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from lockgate.demo import caller_side
from lockgate.demo.system import free_port
from lockgate.sidecar import ADDRESS_HEADER
from tests.agent import versions
from tests.system.conftest import LOCKGATE, System, answer, wait

pytestmark = pytest.mark.timeout(240)
MODEL = "fronted"
CALLERS = 4
PAUSE = 0.03
LEAST = 40
"""Answers a second that the callers together must get, or nothing was shown."""
NOT_BOTH = "both agents to answer behind the sidecar"


class Callers:
    """Callers that never stop asking one address, and never ask twice."""

    def __init__(self, url: str) -> None:
        self._url, self._stop = url, threading.Event()
        self.failures: list[str] = []
        self.by_agent: Counter[str] = Counter()
        self.slowest = 0.0
        self._threads = [threading.Thread(target=self._ask) for _ in range(CALLERS)]

    def _ask(self) -> None:
        row = [float(x) for x in versions.rows(1)[0]]
        tensor = {"name": "X", "datatype": "FP32", "shape": [1, versions.FEATURES], "data": row}
        with httpx.Client(base_url=self._url, timeout=10, trust_env=False) as http:
            while not self._stop.wait(PAUSE):
                began = time.monotonic()
                try:
                    reply = http.post(f"/v2/models/{MODEL}/infer", json={"inputs": [tensor]})
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    continue
                self.slowest = max(self.slowest, time.monotonic() - began)
                if reply.status_code == 200 and reply.json()["outputs"]:
                    self.by_agent[reply.headers[ADDRESS_HEADER]] += 1
                else:
                    self.failures.append(f"{reply.status_code} {reply.text}")

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def sidecar_file(system: System, folder: Path, *arguments: str) -> Path:
    """Have ``lockgate sidecar`` write a configuration, as an operator would."""
    file = folder / "envoy.yaml"
    command = [LOCKGATE, "sidecar", "prod-eu", "--output", str(file), *arguments]
    environ = {
        **system.environ,
        "LOCKGATE_URL": system.url,
        "LOCKGATE_TOKEN": system.tokens["omar"],
    }
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return file


@contextmanager
def running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("ab") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def fronted(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A model that both agents answer, and the address of an Envoy before them."""
    system.promote(versions.make(MODEL, 1))
    folder, port = tmp_path_factory.mktemp("sidecar"), free_port()
    file = sidecar_file(system, folder, "--model", MODEL, "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    with running(caller_side.command(file), folder / "envoy.log"):
        wait(lambda: both_answer(url), seconds=30, what=NOT_BOTH)
        yield url


def both_answer(url: str, *, calls: int = 12) -> bool:
    seen = set()
    for _ in range(calls):
        with suppress(httpx.HTTPError, KeyError):
            reply = answer(url, MODEL)
            if reply.status_code == 200:
                seen.add(reply.headers[ADDRESS_HEADER])
    return len(seen) == 2


def pid(system: System, name: str) -> int:
    """The process of an agent; 0 between one and the next."""
    return int(system.running()["agents"][name]["pid"] or 0)


def is_replaced(system: System, name: str, before: int) -> bool:
    return pid(system, name) not in {0, before}


def frozen(system: System, name: str) -> None:
    os.kill(pid(system, name), signal.SIGSTOP)
    time.sleep(4)
    os.kill(pid(system, name), signal.SIGCONT)


def killed(system: System, name: str) -> None:
    before = pid(system, name)
    os.kill(before, signal.SIGKILL)
    wait(lambda: is_replaced(system, name, before), seconds=60, what="the supervisor to act")


def replaced(system: System, name: str) -> None:
    """What an upgrade does: the old process drains and goes, a new one takes its port."""
    before = pid(system, name)
    os.kill(before, signal.SIGTERM)
    wait(lambda: is_replaced(system, name, before), seconds=60, what="a new process")


@pytest.mark.parametrize("fault", [frozen, killed, replaced])
def test_no_caller_notices(
    fault: Callable[[System, str], None], system: System, fronted: str
) -> None:
    wait(lambda: both_answer(fronted), seconds=30, what=f"{NOT_BOTH}, before")
    began = time.monotonic()
    with Callers(fronted) as callers:
        time.sleep(1)
        fault(system, "eu-1")
        wait(lambda: both_answer(fronted), seconds=60, what=f"{NOT_BOTH}, after")
    seconds = time.monotonic() - began

    answered = sum(callers.by_agent.values())
    print(f"{fault.__name__}: {answered} answers, slowest {callers.slowest * 1000:.0f} ms")
    assert callers.failures == []
    assert answered / seconds >= LEAST / 4, "too little load to show anything"
    assert len(callers.by_agent) == 2


def test_a_model_that_is_not_there_is_said_by_the_sidecar_in_the_protocols_words(fronted: str):
    missing: Any = httpx.post(f"{fronted}/v2/models/unheard-of/infer", json={}, trust_env=False)

    assert missing.status_code == 404


def test_a_model_that_nobody_is_ready_for_is_a_503_with_an_error(
    system: System, fronted: str, tmp_path: Path
):
    port = free_port()
    file = sidecar_file(system, tmp_path, "--model", "not-promoted", "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    with running(caller_side.command(file), tmp_path / "envoy.log"):
        wait(lambda: _answers(url), seconds=20, what="Envoy to listen")
        found = httpx.post(f"{url}/v2/models/not-promoted/infer", json={}, trust_env=False)

    assert found.status_code == 503
    assert found.json() == {"error": "no agent is ready for this model"}


def _answers(url: str) -> bool:
    try:
        httpx.get(url, trust_env=False)
    except httpx.HTTPError:
        return False
    return True
