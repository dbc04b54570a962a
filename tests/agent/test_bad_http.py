"""Requests that are none, lie about their length, come too slowly, or try to be two."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator

import pytest

from .control_plane import ControlPlane, model
from .process import AgentProcess, joining
from .protocol import call, infer
from .raw import GOOD, PATH, Answer, Caller, chunked, head, resident_bytes, whole
from .versions import make

MB = 1024 * 1024
HEAD_SECONDS, BODY_SECONDS = 1.0, 1.5
SETTINGS = {
    "LOCKGATE_AGENT_POLL_SECONDS": "0.3",
    "LOCKGATE_AGENT_REPORT_SECONDS": "0.5",
    "LOCKGATE_AGENT_HEAD_SECONDS": str(HEAD_SECONDS),
    "LOCKGATE_AGENT_BODY_SECONDS": str(BODY_SECONDS),
    "LOCKGATE_AGENT_CONNECTIONS": "700",
    "LOCKGATE_AGENT_CONCURRENCY": "64",
}


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    plane, version = ControlPlane(), make()
    plane.publish(model(champion=version), versions=[version])
    home = tmp_path_factory.mktemp("bad_http") / "agent"
    process = AgentProcess(home, arguments=joining(plane), environment=SETTINGS)
    try:
        plane.wait_champion(version)
        yield process
    finally:
        process.close()
        plane.stop()


def still_answers(agent: AgentProcess) -> None:
    assert infer(agent, GOOD).status_code == 200


SMUGGLED = b"GET /v2/smuggled HTTP/1.1\r\nhost: agent\r\n\r\n"
LENGTH = f"content-length: {len(GOOD)}"
CHUNKED = "transfer-encoding: chunked"

# Answered once, and then the connection is over: whatever follows was meant for two readers.
TWO_READINGS: dict[str, bytes] = {
    "a length and chunks": head(LENGTH, CHUNKED) + chunked(GOOD) + SMUGGLED,
    "chunks and a length": head(CHUNKED, LENGTH) + chunked(GOOD) + SMUGGLED,
    "a short length and chunks": head("content-length: 4", CHUNKED) + chunked(GOOD) + SMUGGLED,
    "two lengths": head(LENGTH, "content-length: 4") + GOOD + SMUGGLED,
    "the same length twice": head(LENGTH, LENGTH) + GOOD + SMUGGLED,
    "lengths in a list": head(f"{LENGTH}, {len(GOOD)}") + GOOD + SMUGGLED,
    "a length with a sign": head(f"content-length: +{len(GOOD)}") + GOOD + SMUGGLED,
    "a negative length": head("content-length: -1") + GOOD + SMUGGLED,
    "a hexadecimal length": head("content-length: 0x4") + GOOD + SMUGGLED,
    "a length that is text": head("content-length: four") + GOOD + SMUGGLED,
    "a length beyond 64 bits": head("content-length: " + "9" * 30) + GOOD + SMUGGLED,
    "a length of many digits": head("content-length: " + "9" * 9000) + GOOD,
    "an empty length": head("content-length: ") + GOOD + SMUGGLED,
    "chunks that are not last": head("transfer-encoding: chunked, identity") + chunked(GOOD),
    "another coding": head("transfer-encoding: xchunked") + chunked(GOOD) + SMUGGLED,
    "a space before the colon": head("content-length : 4") + GOOD + SMUGGLED,
    "a folded line": head("x: y", " content-length: 4") + GOOD + SMUGGLED,
    "a line feed alone": head("x: y\ncontent-length: 4") + GOOD + SMUGGLED,
    "a carriage return alone": head("x: y\rcontent-length: 4") + GOOD + SMUGGLED,
    "a NUL in a line": head("x: y\x00z", LENGTH) + GOOD + SMUGGLED,
    "a name with a space": head("x y: z", LENGTH) + GOOD + SMUGGLED,
    "a line without a colon": head("nonsense", LENGTH) + GOOD + SMUGGLED,
    "a chunk of a size beyond counting": head(CHUNKED) + b"F" * 17 + b"\r\n" + SMUGGLED,
    "a chunk of negative size": head(CHUNKED) + b"-1\r\n" + GOOD + SMUGGLED,
    "a chunk whose size is no number": head(CHUNKED) + b"4 x\r\n" + GOOD + SMUGGLED,
    "a chunk that is longer than it says": head(CHUNKED) + b"4\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "a length too small": head("content-length: 10") + GOOD + b"\r\n" + SMUGGLED,
}


def answers(agent: AgentProcess, sent: bytes) -> list[Answer]:
    """Send these bytes, and read all that comes until the connection ends."""
    found = []
    with Caller(agent, seconds=20) as caller:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            caller.send(sent)
        while (one := caller.answer()) is not None:
            found.append(one)
    return found


@pytest.mark.parametrize("sent", TWO_READINGS.values(), ids=TWO_READINGS)
def test_a_request_with_two_readings_is_answered_once_or_not_at_all(
    sent: bytes, agent: AgentProcess
) -> None:
    found = answers(agent, sent)

    assert {one.status for one in found} <= {400}
    assert all(one.error for one in found)
    assert b"smuggled" not in b"".join(one.body for one in found)
    assert not any(one.status == 404 for one in found)
    assert found
    assert found[-1].headers["connection"] == "close"
    still_answers(agent)


NO_REQUESTS: dict[str, bytes] = {
    "nonsense": b"hello\r\n\r\n",
    "binary nonsense": bytes(range(256)) * 4,
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3.7": b"GET /v2 HTTP/3.7\r\nhost: a\r\n\r\n",
    "no version": b"GET /v2\r\nhost: a\r\n\r\n",
    "a method of its own": b"BREW /v2 HTTP/1.1\r\nhost: a\r\n\r\n",
    "a path with a space": b"GET /v2/a b HTTP/1.1\r\nhost: a\r\n\r\n",
    "a path that is not ASCII": "GET /v2/modéls HTTP/1.1\r\nhost: a\r\n\r\n".encode(),
    "a tunnel": b"CONNECT elsewhere:443 HTTP/1.1\r\nhost: elsewhere\r\n\r\n",
    "a redis command": b"*1\r\n$4\r\nPING\r\n",
    "a proxy's greeting": b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nGET /v2 HTTP/1.1\r\nhost: a\r\n\r\n",
}


@pytest.mark.parametrize("sent", NO_REQUESTS.values(), ids=NO_REQUESTS)
def test_what_is_no_request_is_told_so(sent: bytes, agent: AgentProcess) -> None:
    found = answers(agent, sent)

    assert [one.status for one in found] == [400]
    assert found[0].error == "this is not a request in HTTP/1.1"
    assert found[0].headers["connection"] == "close"
    still_answers(agent)


LONG = "x" * (70 * 1024)
LONG_HEADS = {
    "a long path": head(path=f"/v2/models/{LONG}/infer"),
    "a long version": head(path=f"/v2/models/credit/versions/{'1' * len(LONG)}/infer"),
    "a long query": head(path=f"{PATH}?{LONG}"),
    "a long line": head(f"x: {LONG}"),
    "many lines": head(*(f"x-{place}: {place}" for place in range(9000))),
    "a 10 MB model": head(path="/v2/models/" + "x" * (10 * MB) + "/infer"),
}


@pytest.mark.parametrize("sent", LONG_HEADS.values(), ids=LONG_HEADS)
def test_a_head_is_not_endless(sent: bytes, agent: AgentProcess) -> None:
    found = answers(agent, sent + whole(GOOD))

    assert [one.status for one in found] in ([431], [])  # Who goes on sending may not hear it.
    if len(sent) < MB:
        assert found
        assert found[0].error == "the head of the request is too long"
    still_answers(agent)


UNKNOWN = [
    ("/v2/models/nobody/infer", 404),
    ("/v2/models/credit/versions/2/infer", 404),
    ("/v2/models/credit/versions/0/infer", 404),
    ("/v2/models/credit/versions/-1/infer", 404),
    ("/v2/models/credit/versions/1.0/infer", 404),
    ("/v2/models/credit/versions/%31%30/infer", 404),
    ("/v2/models/credit/versions/" + "9" * 5000 + "/infer", 404),
    ("/v2/models/" + "x" * 5000 + "/infer", 404),
    ("/v2/models/credit%00/infer", 404),
    ("/v2/models/credit%0d%0aset-cookie:x/infer", 404),
    ("/v2/models/%ff%fe/infer", 404),
    ("/v2/models/../../etc/passwd/infer", 404),
    ("/v2/models/credit%2finfer", 404),
    ("/v2/models%2Fcredit/infer", 404),
    ("/v2/models/CREDIT/infer", 404),
    ("//v2/models/credit/infer", 404),
    ("/v2/repository/models/credit/unload", 404),
    ("/v2/repository/models/credit/load", 404),
    ("/v2/systemsharedmemory/status", 404),
    ("/v2/logging", 404),
    ("/v2/models/credit/trace/setting", 404),
]


@pytest.mark.parametrize(("path", "status"), UNKNOWN, ids=[one[0][:50] for one in UNKNOWN])
def test_what_is_not_there_is_told_so(path: str, status: int, agent: AgentProcess) -> None:
    with Caller(agent) as caller:
        caller.send(whole(GOOD, path=path))
        found = caller.answer()
        assert found is not None
        assert found.status == status
        assert 0 < len(found.error) < 300
        assert "set-cookie" not in found.headers
        caller.send(whole(GOOD))  # It was a whole request: the connection goes on.
        following = caller.answer()
    assert following is not None
    assert following.status == 200


LIES = ["-1", "x", "99999", "", "0", "+10", "1e2", "0x10", "9" * 5000, "1_0", "٣", "16, 16"]


@pytest.mark.parametrize("lie", LIES, ids=[lie[:10] or "empty" for lie in LIES])
def test_a_lie_about_where_the_json_ends(lie: str, agent: AgentProcess) -> None:
    line = f"inference-header-content-length: {lie}"

    with Caller(agent) as caller:
        caller.send(whole(GOOD, line))
        found = caller.answer()

    assert found is not None
    assert found.status == 400
    assert found.error
    still_answers(agent)


def test_a_length_that_is_never_reached_has_a_deadline(agent: AgentProcess) -> None:
    for lie in (
        head(f"content-length: {len(GOOD) + 1}") + GOOD,
        head(CHUNKED) + b"%x\r\n" % (len(GOOD) + 9) + GOOD,
        head(CHUNKED) + chunked(GOOD).removesuffix(b"0\r\n\r\n"),
        head(LENGTH),
        head(LENGTH, "expect: 100-continue"),
    ):
        with Caller(agent) as caller:
            started = time.monotonic()
            caller.send(lie)
            if b"100-continue" in lie:
                assert caller.socket.recv(100).startswith(b"HTTP/1.1 100 ")
            found = caller.answer()
            waited = time.monotonic() - started
        assert found is not None
        assert (found.status, found.error) == (408, "the body did not arrive in time")
        assert BODY_SECONDS * 0.9 < waited < BODY_SECONDS + 3
    still_answers(agent)


UPGRADES = ["websocket", "h2c", "TLS/1.0", "anything"]


@pytest.mark.parametrize("other", UPGRADES)
def test_nothing_is_upgraded_and_what_follows_is_not_read(other: str, agent: AgentProcess) -> None:
    lines = (f"upgrade: {other}", "connection: upgrade")

    asked = answers(agent, head(*lines, method="GET", path="/v2") + SMUGGLED)
    assert [one.status for one in asked] == [200]
    assert asked[0].headers["connection"] == "close"
    posted = answers(agent, head(LENGTH, *lines) + GOOD + SMUGGLED)
    assert [one.status for one in posted] == [200]
    assert json.loads(posted[0].body)["model_name"] == "credit"
    with Caller(agent) as caller:  # The body comes later, and in pieces.
        caller.send(head(CHUNKED, *lines))
        for piece in (chunked(GOOD[:20], GOOD[20:])[:9], chunked(GOOD[:20], GOOD[20:])[9:]):
            time.sleep(0.05)
            caller.send(piece)
        found = caller.answer()
        assert found is not None
        assert found.status == 200
        assert caller.is_over()
    still_answers(agent)


def test_a_trailer_is_passed_over(agent: AgentProcess) -> None:
    sent = head(CHUNKED) + chunked(GOOD).removesuffix(b"\r\n") + b"x-more: y\r\n\r\n"
    with Caller(agent) as caller:
        caller.send(sent)
        found = caller.answer()

    assert found is not None
    assert found.status == 200


def trickle(caller: Caller, content: bytes, *, every: float, seconds: float) -> None:
    ends = time.monotonic() + seconds
    with contextlib.suppress(OSError):
        for byte in content:
            caller.send(bytes([byte]))
            time.sleep(every)
            if time.monotonic() > ends:
                return


def test_a_head_that_comes_by_the_byte_has_a_deadline(agent: AgentProcess) -> None:
    for beginning in (b"", b"POST /", head("x: y")[:-2]):
        with Caller(agent) as caller:
            started = time.monotonic()
            caller.send(beginning)
            if beginning:
                trickle(caller, b"x-more-" + b"y" * 90, every=0.05, seconds=HEAD_SECONDS * 3)
            found = caller.answer()
            assert time.monotonic() - started < HEAD_SECONDS + 4
            assert caller.is_over()
        if found is not None:  # A caller who goes on sending may not hear it.
            assert found.status == 408
            assert found.error == "the head of the request did not arrive in time"
        else:
            assert beginning
    still_answers(agent)


def test_a_second_head_on_the_same_connection_has_one_too(agent: AgentProcess) -> None:
    with Caller(agent) as caller:
        caller.send(whole(GOOD) + b"POST ")
        first, second = caller.answer(), caller.answer()
        assert first is not None
        assert second is not None
        assert (first.status, second.status) == (200, 408)
        assert caller.is_over()


def test_a_body_that_goes_on_after_its_answer_ends_the_connection(agent: AgentProcess) -> None:
    with Caller(agent, seconds=20) as caller:
        caller.send(head("content-length: 100000", path="/v2/models/nobody/infer"))
        found = caller.answer()
        assert found is not None
        assert found.status == 404
        trickle(caller, b"x" * 1000, every=0.1, seconds=8)
        assert caller.is_over()


def test_a_caller_who_leaves_in_the_middle_is_no_news(agent: AgentProcess) -> None:
    for _ in range(50):
        for part in (b"POST", head(LENGTH), head(LENGTH) + GOOD[:20], whole(GOOD)):
            with Caller(agent) as caller:
                caller.send(part)
    still_answers(agent)
    assert "Traceback" not in agent.log()


def test_hundreds_of_slow_callers_keep_nobody_else_out(agent: AgentProcess) -> None:
    """Far more of them than requests may wait, and each with most of a body."""
    before = resident_bytes(agent)
    slow: list[Caller] = []
    stop = threading.Event()

    def hold() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                caller = Caller(agent)
                slow.append(caller)
                caller.send(head(LENGTH) + GOOD[:50] if len(slow) % 2 else b"POST /v2 HTT")
            if len(slow) > 600:
                return

    hold()
    stop.set()
    spent = []
    for _ in range(50):
        started = time.monotonic()
        still_answers(agent)
        spent.append(time.monotonic() - started)
    assert sorted(spent)[25] < 0.5
    assert resident_bytes(agent) - before < 100 * MB
    deadline = time.monotonic() + 10
    text = ""
    while time.monotonic() < deadline:
        text = agent.http.get("/metrics").text
        if 'turned_away_total{limit="body_seconds"}' in text and "head_seconds" in text:
            break
        time.sleep(0.2)
    assert 'lockgate_agent_turned_away_total{limit="head_seconds"}' in text
    assert 'lockgate_agent_turned_away_total{limit="body_seconds"}' in text
    for caller in slow:
        caller.socket.close()


def test_one_connection_too_many_is_told_so_and_the_others_go_on(agent: AgentProcess) -> None:
    callers = []
    refused = None
    with contextlib.suppress(OSError):
        callers.extend(Caller(agent) for _ in range(750))
    for caller in callers[::-1][:40]:
        found = caller.answer()
        if found is not None and found.status == 503:
            refused = found
            break
    for caller in callers:
        caller.socket.close()

    assert refused is not None
    assert refused.error == "too many connections"
    assert refused.headers["retry-after"] == "1"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(Exception):
            still_answers(agent)
            break
        time.sleep(0.1)
    still_answers(agent)


def test_many_requests_on_one_connection_at_once_are_answered_in_order(
    agent: AgentProcess,
) -> None:
    bodies = [json.dumps({**call(), "id": f"t-{place}"}).encode() for place in range(200)]
    with Caller(agent, seconds=20) as caller:
        caller.send(b"".join(map(whole, bodies)))
        found = [caller.answer() for _ in bodies]

    ids = [json.loads(one.body)["id"] for one in found if one is not None]
    assert ids == [f"t-{place}" for place in range(200)]
