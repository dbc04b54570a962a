"""Who runs at the moment, as ``run/up.json`` in the home tells it."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Self

from governance.embedded.child import Child


@dataclass(frozen=True, slots=True)
class RunningProgram:
    """One child. ``pid`` is None while it waits for its next start."""

    pid: int | None
    state: str
    ready: bool
    starts: int


@dataclass(frozen=True, slots=True)
class RunningAgent(RunningProgram):
    inference_url: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """The supervisor's process, where the control plane answers, and every child."""

    pid: int
    url: str
    ready: bool
    programs: Mapping[str, RunningProgram] = field(default_factory=dict)
    agents: Mapping[str, RunningAgent] = field(default_factory=dict)

    def text(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def read(cls, record: Mapping[str, object]) -> Self:
        found = json.loads(json.dumps(record))
        programs = {name: RunningProgram(**each) for name, each in found["programs"].items()}
        agents = {name: RunningAgent(**each) for name, each in found["agents"].items()}
        return cls(found["pid"], found["url"], found["ready"], programs, agents)


def describe(
    children: Mapping[str, Child], *, url: str, agents: Iterable[str], complete: bool
) -> Standing:
    """Tell who runs. ``complete``: everybody who is to run has been taken on."""
    named = set(agents)
    ready = complete and all(each.ready for each in children.values())
    return Standing(
        pid=os.getpid(),
        url=url,
        ready=ready,
        programs={
            name: RunningProgram(child.pid, child.state, child.ready, child.starts)
            for name, child in children.items()
            if name not in named
        },
        agents={
            name: RunningAgent(child.pid, child.state, child.ready, child.starts, child.program.url)
            for name, child in children.items()
            if name in named
        },
    )
