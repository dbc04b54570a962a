"""A message only saves time: agents converge with the worker alone, and without it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent import versions
from tests.system.conftest import System, answering, wait

pytestmark = pytest.mark.timeout(240)
STUCK_SECONDS = 15.0
"""Well above the two polls of two seconds that are promised: a busy machine is no defect."""


def running_system(home: Path, *only: str, **environ: str) -> Iterator[System]:
    system = System(home, LOCKGATE_PG_FSYNC="off", **environ)
    try:
        system.up(*only)
        system.make_people()
        yield system
    finally:
        system.down()


@pytest.fixture
def told(tmp_path: Path) -> Iterator[System]:
    """Agents that would poll once an hour, and a worker that tells them."""
    yield from running_system(tmp_path, LOCKGATE_AGENT_POLL_SECONDS="3600")


@pytest.fixture
def polling(tmp_path: Path) -> Iterator[System]:
    """Agents that poll, no worker, and a broker that takes connections and answers nothing."""
    yield from running_system(tmp_path, "web", "agents")


def switch_seconds(system: System, model: str) -> float:
    """Promote a second version whose files are cached; time decision to last agent's switch."""
    first, second = versions.make(model, 1), versions.make(model, 2)
    system.promote(first)
    system.promote(second)
    body = {"reason": "a test"}
    urls = [system.agent_url(name) for name in ("eu-1", "eu-2")]
    rolled = system.call("omar", "POST", f"environments/prod-eu/models/{model}/rollback", json=body)
    assert rolled.status_code == 201, rolled.text
    return wait(
        lambda: all(answering(url, model) == "1" for url in urls),
        seconds=30,
        what="both agents to switch",
    )


def test_with_polling_at_an_hour_the_worker_is_enough(told: System) -> None:
    seconds = switch_seconds(told, "told")

    print(f"told by the worker: {seconds:.2f} s from decision to the last agent's switch")
    assert seconds < STUCK_SECONDS  # By polling it would take up to an hour.


def test_with_worker_and_broker_dead_agents_converge_by_polling(polling: System) -> None:
    broker = polling.server_pid("broker")
    os.kill(broker, signal.SIGSTOP)
    try:
        seconds = switch_seconds(polling, "polled")
    finally:
        os.kill(broker, signal.SIGCONT)

    print(f"by polling: {seconds:.2f} s from decision to the last agent's switch")
    assert seconds < STUCK_SECONDS
