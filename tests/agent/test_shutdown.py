"""SIGTERM: say so, finish what is under way, go."""

import threading
import time

import httpx
import numpy as np

from .conftest import StartAgent
from .control_plane import ControlPlane, model
from .versions import make, rows, tensor


def test_sigterm_finishes_what_is_in_flight_and_exits_clean(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    slow = make(depth=200)
    plane.publish(model(champion=slow), versions=[slow])
    agent = start_agent()
    plane.wait_champion(slow, seconds=30)
    many = np.repeat(rows(1), 400, axis=0)
    statuses: list[int] = []
    asked = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=agent.url, timeout=30, trust_env=False) as http:
            asked.set()
            body = {"inputs": [tensor("X", many)]}
            statuses.append(http.post("/v2/models/credit/infer", json=body).status_code)

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    asked.wait()
    time.sleep(0.15)

    started = time.monotonic()
    assert agent.terminate() == 0
    for caller in callers:
        caller.join()

    assert statuses == [200] * 4
    assert time.monotonic() - started < 8
    assert plane.left == 1


def test_while_it_drains_it_says_it_is_not_ready(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent()
    plane.wait_champion(version)
    agent.wait_ready()
    seen: list[tuple[int, str | None]] = []
    stop = threading.Event()

    def watch() -> None:
        with httpx.Client(base_url=agent.url, timeout=5, trust_env=False) as http:
            while not stop.is_set():
                try:
                    response = http.get("/v2/health/ready")
                except httpx.HTTPError:
                    return
                seen.append((response.status_code, response.headers.get("connection")))

    watcher = threading.Thread(target=watch)
    watcher.start()
    while not seen:
        time.sleep(0.01)
    assert agent.terminate() == 0
    stop.set()
    watcher.join()

    assert seen[0] == (200, None)
    assert seen[-1] == (503, "close")


def test_sigterm_with_the_control_plane_gone_is_as_quick(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent()
    plane.wait_champion(version)
    plane.stop()

    started = time.monotonic()
    assert agent.terminate() == 0
    assert time.monotonic() - started < 8
