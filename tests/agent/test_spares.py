"""The spare answers where the champion cannot, says so, and never for a caller's mistake."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from serving_agent.loaded import Loaded
from serving_agent.manifests import parse_golden, parse_manifest
from serving_agent.metrics import Metrics
from serving_agent.onnx_session import Session
from serving_agent.plan import Role, Wanted
from serving_agent.ports import Answer, MirrorSettings
from serving_agent.reports import of_loaded
from serving_agent.routing import Rule
from serving_agent.runtime import Runtime
from serving_agent.self_check import SelfCheck
from serving_agent.v2.admission import Bounds
from serving_agent.v2.app import App, Gate, Options

from .conftest import StartAgent
from .control_plane import ControlPlane, model
from .test_self_check import Faulty, forget
from .versions import Version, expected, golden, make, network, pack, rows, tensor

INFER = "/v2/models/credit/infer"
ROW = rows(7)


class Kept:
    """Keeps what would be logged."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def start(self) -> None: ...

    def answered(self, answer: Answer) -> None:
        self.answers.append(answer)

    def configure(self, mirror: MirrorSettings | None) -> None: ...

    def counters(self) -> dict[str, int]:
        return {}

    def close(self, *, timeout: float) -> None: ...


class Pair:
    """An agent's inference side with a champion and its spare, each in a faulty runtime."""

    def __init__(self, champion: Version, spare: Version, *, dear: bool) -> None:
        self.versions = champion, spare
        self.runtime, self.kept = Runtime(), Kept()
        self.champion, self.first = _load(champion, dear=dear)
        self.spare, self.second = _load(spare, dear=dear)
        self.runtime.known = frozenset({"credit"})
        for one in (self.champion, self.spare):
            one.budget_ms = 25.0
            self.runtime.add(one)
        roles = {champion.digest: Role.CHAMPION, spare.digest: Role.SPARE}
        self.runtime.switch("credit", roles, rule=Rule(spare=spare.digest))
        self.metrics = Metrics(
            loaded=self.runtime.loaded,
            generation=lambda: 1,
            token_ends=lambda: 0.0,
            clock_offset=lambda: 0.0,
            mirror=dict,
            dark=dict,
        )
        self.check = SelfCheck(self.runtime.loaded, seconds=60.0, patience=0.2)
        self.app = App(
            self.runtime,
            gate=Gate(started=lambda: True, wedged=self.check.is_wedged),
            options=Options(
                software="test",
                answers=True,
                token=None,
                bounds=Bounds(concurrency=100, body_bytes=10**6, bodies_bytes=10**7),
                threads=2,
                spare_deadline_factor=4.0,
            ),
            recorder=self.kept,
            metrics=self.metrics,
        )

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
                return await client.request(method, path, **more)

        return asyncio.run(go())

    def infer(self, path: str = INFER, *, inputs: np.ndarray = ROW, **more: Any) -> httpx.Response:
        return self.ask("POST", path, json={"inputs": [tensor("X", inputs)], **more})

    def is_of(self, version: Version, answer: httpx.Response, *, why: str | None) -> bool:
        said = answer.json()
        data = np.array(said["outputs"][0]["data"], dtype=np.float32)
        assert np.allclose(data, expected(version, ROW).ravel(), atol=1e-6)
        assert said["parameters"].get("spare") == answer.headers.get("lockgate-spare") == why
        assert said["model_version"] == answer.headers["lockgate-version"] == str(version.number)
        assert self.kept.answers[-1].digest == version.digest
        return bool(
            said["parameters"]["digest"] == answer.headers["lockgate-digest"] == version.digest
        )


def _load(version: Version, *, dear: bool) -> tuple[Loaded, Faulty]:
    manifest = parse_manifest(version.blobs[version.digest])
    runtime = Faulty(version.blobs[manifest.only("model").sha256])
    loaded = Loaded(
        Wanted("credit", version.number, version.digest, "champion"),
        manifest=manifest,
        session=Session(runtime, manifest),
        golden=parse_golden(version.blobs[manifest.only("golden").sha256]),
        dear_ms=1e-6 if dear else 1_000.0,
    )
    loaded.warm_up()
    return loaded, runtime


@pytest.fixture(params=[False, True], ids=["event loop", "workers"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    made = Pair(make(number=2), make(number=1), dear=request.param)
    yield made
    made.first.goes_on.set()


@pytest.fixture
def dear() -> Iterator[Pair]:
    made = Pair(make(number=2), make(number=1), dear=True)
    yield made
    made.first.goes_on.set()


def test_while_the_champion_answers_nobody_asks_the_spare(pair: Pair) -> None:
    asked = pair.second.asked
    assert pair.is_of(pair.versions[0], pair.infer(), why=None)
    assert pair.second.asked == asked
    assert of_loaded(pair.champion).spare_answers is None
    assert set((of_loaded(pair.spare).spare_answers or {}).values()) == {0}


def test_an_error_of_the_champion_is_answered_by_the_spare_and_counted(pair: Pair) -> None:
    pair.first.fails = True
    assert pair.is_of(pair.versions[1], pair.infer(id="t-1"), why="error")
    assert pair.kept.answers[-1].transaction_id == "t-1"
    assert (of_loaded(pair.spare).spare_answers or {})["error"] == 1
    assert (pair.champion.errors, pair.spare.errors, pair.spare.requests) == (1, 0, 1)
    counted = 'lockgate_agent_spare_answers_total{model="credit",reason="error",version="1"} 1.0'
    assert counted in pair.metrics.text().decode()

    pair.first.fails = False
    assert pair.is_of(pair.versions[0], pair.infer(), why=None)


def test_where_both_fail_the_champions_error_stands(pair: Pair) -> None:
    pair.first.fails = pair.second.fails = True
    assert pair.infer().status_code == 500
    assert (pair.champion.errors, pair.spare.errors) == (1, 1)
    assert sum(pair.spare.spare_answers.values()) == 0


def test_a_callers_mistake_never_reaches_the_spare(pair: Pair) -> None:
    pair.first.fails, asked = True, pair.second.asked
    wrong = pair.infer(inputs=np.zeros((1, 3), dtype=np.float32))
    assert (wrong.status_code, pair.second.asked) == (400, asked)


def test_a_call_by_number_never_reaches_the_spare(pair: Pair) -> None:
    pair.first.fails, asked = True, pair.second.asked
    assert pair.infer("/v2/models/credit/versions/2/infer").status_code == 500
    assert pair.infer("/v2/models/credit/versions/1/infer").status_code == 404
    assert pair.second.asked == asked


def test_inputs_in_bytes_are_read_again(pair: Pair) -> None:
    pair.first.fails = True
    head = b'{"inputs":[{"name":"X","datatype":"FP32","shape":[1,4],"parameters":'
    head += b'{"binary_data_size":16}}]}'
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = pair.ask("POST", INFER, content=head + ROW.tobytes(), headers=headers)
    assert pair.is_of(pair.versions[1], answer, why="error")


def test_a_wrong_golden_transaction_sends_calls_to_the_spare_until_it_is_right(pair: Pair) -> None:
    pair.first.off = 0.5
    pair.check.look()
    asked = pair.first.asked
    assert pair.is_of(pair.versions[1], pair.infer(), why="golden")
    assert pair.first.asked == asked, "the champion is not asked"
    assert not pair.check.is_wedged()

    pair.first.off = 0.0
    forget(pair.champion)
    pair.check.look()
    assert pair.is_of(pair.versions[0], pair.infer(), why=None)


def test_ready_is_what_answers(pair: Pair) -> None:
    ready = "/v2/models/credit/ready"
    assert pair.ask("GET", ready).headers["lockgate-version"] == "2"
    pair.first.off = 0.5
    forget(pair.champion)
    answer = pair.ask("GET", ready)
    assert (answer.status_code, answer.headers["lockgate-version"]) == (200, "1")
    assert pair.ask("GET", "/v2/models/credit/versions/2/ready").status_code == 503
    # Whoever is told that this agent is ready is answered by who is, without another look.
    assert pair.is_of(pair.versions[1], pair.infer(), why="golden")

    pair.second.off = 0.5
    forget(pair.spare)
    pair.check.look()
    assert pair.ask("GET", ready).status_code == 503
    assert pair.check.is_wedged()


def test_a_champion_over_its_deadline_is_left_alone(dear: Pair) -> None:
    dear.first.goes_on.clear()
    assert dear.is_of(dear.versions[1], dear.infer(), why="deadline")
    assert dear.ask("GET", "/v2/models/credit/ready").headers["lockgate-version"] == "1"
    assert dear.champion.in_flight > 0, "its worker is not done"
    # Both of its workers hang by now, and hold up none of the spare's.
    assert dear.is_of(dear.versions[1], dear.infer(), why="deadline")
    assert dear.champion.over_deadline == 2
    assert dear.champion.errors == 2

    dear.check.look()
    assert dear.is_of(dear.versions[1], dear.infer(), why="golden")


def test_on_the_event_loop_the_deadline_is_only_counted() -> None:
    cheap = Pair(make(number=2), make(number=1), dear=False)
    cheap.champion.budget_ms = 1e-6
    assert cheap.is_of(cheap.versions[0], cheap.infer(), why=None)
    assert cheap.champion.over_deadline == 1


def test_inputs_that_do_not_fit_the_spare_leave_it_with_the_champion() -> None:
    content, narrow = network(1), {"min": -1e-9, "max": 1e-9, "guard": "refuse"}
    features = [{"name": f"f{place}", **narrow} for place in range(4)]
    signature = {"name": "X", "datatype": "FP32", "shape": [-1, 4], "features": features}
    spare = pack("credit", 1, content, golden(content), inputs=[signature])
    pair = Pair(make(number=2), spare, dear=False)
    pair.first.fails = True
    assert pair.infer().status_code == 500
    pair.first.fails, pair.first.off = False, 0.5
    pair.check.look()
    assert pair.infer().status_code == 503


def test_after_a_stop_the_spare_answers_and_says_so(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    old, new = make(number=1), make(number=2)
    plane.publish(model(champion=new, spare=old), versions=[old, new])
    agent = start_agent()
    plane.wait_champion(new)
    plane.wait_report(lambda r: any(one["role"] == "spare" for one in r["models"]))
    assert "lockgate-spare" not in agent.infer(ROW).headers

    plane.publish(model(spare=old), may_remove=["credit"])
    plane.wait_champion(old)
    answer = agent.infer(ROW)
    assert answer.json()["parameters"] == {"digest": old.digest, "spare": "stopped"}
    assert answer.headers["lockgate-spare"] == "stopped"
    assert agent.http.get("/v2/models/credit/ready").status_code == 200
    plane.wait_report(
        lambda r: any((one["spare_answers"] or {}).get("stopped") == 1 for one in r["models"])
    )


def test_while_the_champion_is_not_in_memory_the_spare_answers_and_says_so(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    old, broken = make(number=1), make(number=2, off=0.5)
    plane.publish(model(champion=broken, spare=old), versions=[old, broken])
    agent = start_agent()
    plane.wait_champion(old)
    assert agent.infer(ROW).headers["lockgate-spare"] == "missing"
