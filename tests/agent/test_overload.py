"""Beyond its bounds an agent says so at once, answers the rest, and recovers by itself."""

import contextlib
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx

from .conftest import StartAgent
from .control_plane import ControlPlane, model
from .process import AgentProcess
from .protocol import X, call
from .raw import GOOD, Caller, head, whole
from .versions import make


def posted(agent: AgentProcess, name: str = "credit") -> httpx.Response:
    url = f"{agent.url}/v2/models/{name}/infer"
    return httpx.post(url, content=GOOD, timeout=30, trust_env=False)


def turned_away(agent: AgentProcess) -> Counter[str]:
    lines = agent.http.get("/metrics").text.splitlines()
    about = [line for line in lines if line.startswith("lockgate_agent_turned_away_total")]
    return Counter({line.split('"')[1]: int(float(line.split()[-1])) for line in about})


def test_a_queue_has_an_end_and_empties_again(plane: ControlPlane, start_agent: StartAgent) -> None:
    slow, quick = make("slow", depth=400), make()
    plane.publish(
        model("slow", champion=slow), model("credit", champion=quick), versions=[slow, quick]
    )
    agent = start_agent(threads="1", concurrency="8", dear_ms="1")
    plane.wait_champion(slow)
    plane.wait_champion(quick)

    for _ in range(2):  # It recovers, and does the same again.
        with ThreadPoolExecutor(80) as callers:
            asked = [callers.submit(posted, agent, "slow") for _ in range(80)]
            while not all(one.done() for one in asked):
                assert agent.http.get("/v2/health/ready").status_code == 200
                assert agent.http.get("/v2/models/credit/ready").status_code == 200
                time.sleep(0.05)
        answers = [one.result() for one in asked]
        found = Counter(one.status_code for one in answers)
        assert found.keys() == {200, 503}, found
        assert found[200] >= 8
        for one in answers:
            if one.status_code == 503:
                assert one.headers["retry-after"] == "1"
                assert one.json() == {"error": "too many requests at once"}
        for name in ("slow", "credit"):
            assert posted(agent, name).status_code == 200
    assert turned_away(agent)["requests"] + turned_away(agent)["queue"] > 0


@contextlib.contextmanager
def held_up(agent: AgentProcess) -> Iterator[None]:
    """Let the agent find all that happens meanwhile at once."""
    agent.process.send_signal(signal.SIGSTOP)
    try:
        yield
        time.sleep(0.2)
    finally:
        agent.process.send_signal(signal.SIGCONT)


def test_only_whole_requests_count_however_many_come_or_leave_at_once(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent(concurrency="8")
    plane.wait_champion(version)
    part = head(f"content-length: {len(GOOD)}") + GOOD[:20]
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(Caller(agent)) for _ in range(200)]
        payer = stack.enter_context(Caller(agent))
        with held_up(agent):
            for caller in slow:
                caller.send(part)
            payer.send(whole(GOOD))
        came = payer.answer()
        with held_up(agent):
            for caller in slow[:150]:
                caller.socket.close()
            payer.send(whole(GOOD))
        left = payer.answer()
        assert turned_away(agent)["requests"] == 0
        for caller in slow[150:]:
            caller.send(GOOD[20:] + b"".join(map(whole, [GOOD] * 20)))  # The rest, and 20 more.
        answered = [caller.answer() for caller in slow[150:154] for _ in range(21)]
    assert came is not None
    assert came.status == 200
    assert left is not None
    assert left.status == 200
    assert {one.status for one in answered if one is not None} <= {200, 503}
    assert None not in answered
    for _ in range(30):  # Whoever left or was told to come back is counted no more.
        assert posted(agent).status_code == 200


def test_a_burst_on_the_event_loop_is_shed_too(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make(depth=20)
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent(concurrency="8", dear_ms="1000")
    plane.wait_champion(version)
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(Caller(agent, seconds=30)) for _ in range(300)]
        for caller in callers:
            caller.send(whole(GOOD))
        answers = [caller.answer() for caller in callers]

        found = Counter(one.status for one in answers if one is not None)
        assert sum(found.values()) == 300
        assert found[503] > 0, found
        assert found[200] >= 8
        assert found.keys() == {200, 503}
        callers[0].send(whole(GOOD))  # On the same connection, a moment later.
        again = callers[0].answer()
    assert again is not None
    assert again.status == 200
    assert turned_away(agent)["requests"] == found[503]


def test_large_bodies_share_one_bound_and_small_ones_need_none(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent(bodies_bytes=str(1024**2), body_seconds="60")
    plane.wait_champion(version)
    large = json.dumps(call(shape=[20_000, 4], data=[*X["data"]] * 20_000)).encode()  # type: ignore[list-item]
    assert 300_000 < len(large) < 500_000

    with contextlib.ExitStack() as stack:
        for _ in range(4):
            caller = stack.enter_context(Caller(agent))
            caller.send(head(f"content-length: {len(large)}") + large[:-1])
        deadline = time.monotonic() + 10
        refused = None
        while refused is None and time.monotonic() < deadline:
            response = agent.http.post("/v2/models/credit/infer", content=large)
            refused = response if response.status_code == 503 else None
        assert refused is not None
        assert refused.json() == {"error": "too many large bodies at once"}
        assert refused.headers["retry-after"] == "1"
        assert posted(agent).status_code == 200

    deadline = time.monotonic() + 10
    while (response := agent.http.post("/v2/models/credit/infer", content=large)).is_error:
        assert time.monotonic() < deadline, response.text
        time.sleep(0.05)
    assert turned_away(agent)["bodies"] > 0


def test_a_flood_of_refusals_is_no_flood_of_log_lines(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent()
    plane.wait_champion(version)
    before = len(agent.log())

    def bother() -> None:
        for _ in range(50):
            with Caller(agent) as caller:
                caller.send(b"nonsense\r\n\r\n")
                caller.answer()
                assert agent.http is not None

    threads = [threading.Thread(target=bother) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert turned_away(agent)["malformed"] == 200
    assert len(agent.log()) - before < 2000
    assert posted(agent).status_code == 200
