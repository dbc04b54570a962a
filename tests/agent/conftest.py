from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .control_plane import ControlPlane, model
from .process import AgentProcess, joining
from .protocol import echo, gaps
from .versions import make

FAST = {
    "LOCKGATE_AGENT_POLL_SECONDS": "0.3",
    "LOCKGATE_AGENT_REPORT_SECONDS": "0.5",
    "LOCKGATE_AGENT_DRAIN_SECONDS": "5",
}
StartAgent = Callable[..., AgentProcess]


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    plane = ControlPlane()
    yield plane
    plane.stop()


@pytest.fixture
def start_agent(plane: ControlPlane, tmp_path: Path) -> Iterator[StartAgent]:
    """Start an agent that enrols with ``plane``, or finds its home from before."""
    started: list[AgentProcess] = []

    def start(name: str = "agent", *, full_disk: bool = False, **environment: str) -> AgentProcess:
        settings = {f"LOCKGATE_AGENT_{key.upper()}": value for key, value in environment.items()}
        agent = AgentProcess(
            tmp_path / name,
            arguments=joining(plane),
            environment={**FAST, **settings},
            full_disk=full_disk,
        )
        started.append(agent)
        return agent

    yield start
    for agent in started:
        agent.close()


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    """One agent for all tests of a file that only ask it things."""
    home: Path = tmp_path_factory.mktemp("inputs") / "agent"
    plane = ControlPlane()
    versions = [make(), echo(), gaps()]
    documents = [model(one.model, champion=one) for one in versions]
    plane.publish(*documents, versions=versions)
    limits = {"LOCKGATE_AGENT_BODY_BYTES": "100000"}
    process = AgentProcess(home, arguments=joining(plane), environment={**FAST, **limits})
    try:
        plane.wait_report(lambda r: len([m for m in r["models"] if m["phase"] == "ready"]) == 3)
        yield process
    finally:
        process.close()
        plane.stop()
