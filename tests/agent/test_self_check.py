"""A runtime that hangs or turns to wrong answers is told of, and holds up nothing else."""

import threading
from collections.abc import Iterator
from typing import Any

import onnxruntime
import pytest

from serving_agent.loaded import READY_SECONDS, Loaded
from serving_agent.manifests import parse_golden, parse_manifest
from serving_agent.onnx_session import Session
from serving_agent.plan import Role, Wanted
from serving_agent.reports import of_loaded
from serving_agent.self_check import SelfCheck

from .conftest import StartAgent
from .control_plane import ControlPlane, model
from .versions import make


class Faulty:
    """ONNX Runtime with a version in it, and switches: to hang, to fail, to answer wrongly."""

    def __init__(self, content: bytes) -> None:
        self._inference = onnxruntime.InferenceSession(content)
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.off = 0.0
        self.fails = False
        self.asked = 0

    def run(self, names: list[str], inputs: dict[str, Any]) -> list[Any]:
        self.asked += 1
        self.goes_on.wait(60)
        if self.fails:
            raise RuntimeError("the runtime is broken")
        return [output + self.off for output in self._inference.run(names, inputs)]


@pytest.fixture
def versions() -> Iterator[list[tuple[Loaded, Faulty]]]:
    """Two champions in memory, each in a runtime of its own."""
    made = [_load(name) for name in ("credit", "fraud")]
    yield made
    for _, runtime in made:
        runtime.goes_on.set()


def _load(name: str) -> tuple[Loaded, Faulty]:
    version = make(name)
    manifest = parse_manifest(version.blobs[version.digest])
    runtime = Faulty(version.blobs[manifest.only("model").sha256])
    loaded = Loaded(
        Wanted(name, 1, version.digest, "champion"),
        manifest=manifest,
        session=Session(runtime, manifest),
        golden=parse_golden(version.blobs[manifest.only("golden").sha256]),
        dear_ms=1_000.0,
    )
    loaded.set_role(Role.CHAMPION)
    return loaded, runtime


def checks(versions: list[tuple[Loaded, Faulty]], *, patience: float = 0.2) -> SelfCheck:
    return SelfCheck(lambda: [one for one, _ in versions], seconds=60.0, patience=patience)


def forget(loaded: Loaded) -> None:
    """Let the cached answer of a second ago count no more."""
    loaded._checked_at -= READY_SECONDS


def said(versions: list[tuple[Loaded, Faulty]]) -> list[bool | None]:
    return [of_loaded(one).answers for one, _ in versions]


def test_nothing_is_said_before_the_first_look(versions: list[tuple[Loaded, Faulty]]) -> None:
    check = checks(versions)
    assert said(versions) == [None, None]
    assert not check.is_wedged()
    check.look()
    assert said(versions) == [True, True]


def test_one_that_hangs_is_told_of_and_holds_up_no_other(
    versions: list[tuple[Loaded, Faulty]],
) -> None:
    check, (first, runtime) = checks(versions), versions[0]
    runtime.goes_on.clear()
    check.look()
    assert said(versions) == [False, True]
    assert not check.is_wedged(), "the other one answers"

    check.look()
    assert runtime.asked == 1, "it is not asked again while it owes an answer"
    runtime.goes_on.set()
    for thread in list(check._hanging.values()):
        thread.join(10)
    forget(first)
    check.look()
    assert said(versions) == [True, True]


def test_wrong_answers_are_told_of(versions: list[tuple[Loaded, Faulty]]) -> None:
    check, (first, runtime) = checks(versions), versions[0]
    runtime.off = 0.5
    check.look()
    assert said(versions) == [False, True]
    runtime.off = 0.0
    forget(first)
    check.look()
    assert said(versions) == [True, True]


def test_an_agent_of_whose_champions_none_answers_is_wedged(
    versions: list[tuple[Loaded, Faulty]],
) -> None:
    check = checks(versions)
    for _, runtime in versions:
        runtime.off = 0.5
    check.look()
    assert check.is_wedged()


def test_one_that_leaves_is_left_alone(versions: list[tuple[Loaded, Faulty]]) -> None:
    check, (first, runtime) = checks(versions), versions[0]
    first.set_role(Role.LEAVING)
    check.look()
    assert (runtime.asked, said(versions)) == (0, [None, True])


def test_an_agent_says_so_in_its_report(plane: ControlPlane, start_agent: StartAgent) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent(check_seconds="0.2")
    plane.wait_report(lambda r: any(one.get("answers") is True for one in r["models"]))
    assert agent.http.get("/v2/health/ready").status_code == 200
