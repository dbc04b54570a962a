"""JSON that means harm, or nothing: over a real connection, to a real agent."""

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .conftest import StartAgent
from .control_plane import ControlPlane, model
from .process import AgentProcess
from .protocol import TYPES, X, call, echo, infer, of_type
from .raw import GOOD, PATH, Caller, parameters, resident_bytes, whole
from .versions import make

MB = 1024 * 1024
TEN = "x" * (10 * MB)


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    """An agent with the limits it has when nobody sets any."""
    from .conftest import FAST
    from .process import joining

    plane = ControlPlane()
    versions = [make(), echo()]
    plane.publish(*(model(one.model, champion=one) for one in versions), versions=versions)
    home = tmp_path_factory.mktemp("bad_json") / "agent"
    process = AgentProcess(home, arguments=joining(plane), environment=FAST)
    try:
        plane.wait_report(lambda r: len([m for m in r["models"] if m["phase"] == "ready"]) == 2)
        yield process
    finally:
        process.close()
        plane.stop()


def replaced(new: bytes) -> bytes:
    """The good call, with something else for one of its numbers."""
    assert GOOD.count(b"2.5") == 1
    return GOOD.replace(b"2.5", new)


def beside(text: str) -> bytes:
    """The good call, with more members at its top."""
    return GOOD[:-1] + b", " + text.encode() + b"}"


def doubled(old: str, new: str) -> bytes:
    text = GOOD.decode()
    assert text.count(old) == 1
    return text.replace(old, new).encode()


def keys(count: int) -> str:
    return "{" + ",".join(f'"k{place}":1' for place in range(count)) + "}"


BOMBS: dict[str, Callable[[], bytes]] = {
    "depth in data": lambda: replaced(b"[" * MB + b"]" * MB),
    "depth in a member nobody knows": lambda: beside('"x":' + "[" * MB + "]" * MB),
    "depth of objects": lambda: beside('"x":' + '{"a":' * 100_000 + "1" + "}" * 100_000),
    "depth in parameters": lambda: beside('"parameters":{"a":' + "[" * MB + "]" * MB + "}"),
    "depth that never ends": lambda: b"[" * (15 * MB),
    "depth at which python gives up": lambda: beside('"x":' + "[" * 1100 + "]" * 1100),
    "white space": lambda: b" " * (15 * MB),
    "an endless number": lambda: replaced(b"1" * MB),
    "an endless fraction": lambda: replaced(b"0." + b"1" * MB + b"e"),
    "an endless shape": lambda: json.dumps(call(shape=[1] * MB)).encode(),
    "a size of many digits": lambda: doubled('"shape": [1, 4]', '"shape": [1, ' + "4" * 4000 + "]"),
    "a size of too many digits": lambda: doubled(
        '"shape": [1, 4]', '"shape": [1, ' + "4" * 9000 + "]"
    ),
    "a million parameters": lambda: beside('"parameters":' + keys(MB)),
    "a million members": lambda: beside(keys(MB)[1:-1]),
    "a million keys in a member nobody knows": lambda: beside('"x":' + keys(MB)),
    "a million parameters of an input": lambda: doubled(
        '"datatype"', '"parameters":' + keys(MB) + ',"datatype"'
    ),
    "a hundred thousand inputs": lambda: json.dumps({"inputs": [X] * 100_000}).encode(),
    "a hundred thousand outputs": lambda: json.dumps(
        {**call(), "outputs": [{"name": "probabilities"}] * 100_000}
    ).encode(),
    "a million rows announced, one sent": lambda: json.dumps(call(shape=[MB, 4])).encode(),
    "one row announced, a million sent": lambda: json.dumps(call(data=[1.5] * MB)).encode(),
    "a key twice": lambda: beside('"inputs": []'),
    "a key twice, once in disguise": lambda: beside('"\\u0069nputs": []'),
    "an id twice": lambda: beside('"id": "a", "id": "b"'),
    "a name twice": lambda: doubled('"name": "X"', '"name": "Y", "name": "X"'),
    "data twice": lambda: doubled('"data": [', '"data": [9, 9, 9, 9], "data": ['),
    "the same data twice": lambda: doubled('"data"', '"data": [1, 2.5, -3, 0], "data"'),
    "a shape twice": lambda: doubled('"shape"', '"shape": [9, 9], "shape"'),
    "a parameter twice": lambda: beside('"parameters": {"a": 1, "a": 2}'),
    "a parameter of an output twice": lambda: beside(
        '"outputs": [{"name": "probabilities", "parameters": {"a": 1, "a": 2}}]'
    ),
    "a key twice in a member nobody knows": lambda: beside('"x": {"a": 1, "a": 2}'),
    "1e400": lambda: replaced(b"1e400"),
    "-1e400": lambda: replaced(b"-1e400"),
    "1e39 in single precision": lambda: replaced(b"1e39"),
    "2 to the 70th": lambda: replaced(str(2**70).encode() + b"e300"),
    "NaN": lambda: replaced(b"NaN"),
    "nan": lambda: replaced(b"nan"),
    "Infinity": lambda: replaced(b"Infinity"),
    "-Infinity": lambda: replaced(b"-Infinity"),
    "NaN as text": lambda: replaced(b'"NaN"'),
    "a number with a plus": lambda: replaced(b"+2.5"),
    "a number with a leading zero": lambda: replaced(b"02.5"),
    "a number with nothing after its point": lambda: replaced(b"2."),
    "a hexadecimal number": lambda: replaced(b"0x2"),
    "a byte order mark": lambda: b"\xef\xbb\xbf" + GOOD,
    "UTF-16": lambda: GOOD.decode().encode("utf-16"),
    "a NUL": lambda: GOOD + b"\x00",
    "a NUL in the middle": lambda: replaced(b"2\x005"),
    "a comma too many": lambda: GOOD[:-1] + b",}",
    "a comment": lambda: GOOD + b"// more",
    "single quotes": lambda: GOOD.replace(b'"', b"'"),
    "a lone surrogate": lambda: beside('"id": "\\udfff"'),
    "a control character": lambda: beside('"id": "\x01"'),
    "not UTF-8": lambda: beside('"id": "a"').replace(b'"a"', b'"\xc3"'),
    "a packed body that does not say so": lambda: gzip.compress(GOOD),
    "form data": lambda: b"inputs=1&data=2",
    "XML": lambda: b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    "a pickle": lambda: b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os.",
    "10 MB of id": lambda: beside(f'"id": "{TEN}"'),
    "10 MB of an input's name": lambda: doubled('"name": "X"', f'"name": "{TEN}"'),
    "10 MB of a type": lambda: doubled('"FP32"', f'"{TEN}"'),
    "10 MB of text for a number": lambda: replaced(f'"{TEN}"'.encode()),
    "10 MB of an output's name": lambda: beside(f'"outputs": [{{"name": "{TEN}"}}]'),
    "10 MB of a routing key's neighbour": lambda: beside(f'"x": "{TEN}"'),
    "10 MB of a parameter that is a digest": lambda: parameters(pipeline_digest=TEN),
    "10 MB of a flag": lambda: parameters(binary_data_output=TEN),
    "10 MB of a key": lambda: beside(f'"{TEN}": 1'),
    "a flag that is a number": lambda: parameters(binary_data_output=1),
    "memory of this host's": lambda: json.dumps(
        call(parameters={"shared_memory_region": "r", "shared_memory_byte_size": 16})
    ).encode(),
    "an output twice": lambda: json.dumps(
        {**call(), "outputs": [{"name": "probabilities"}] * 2}
    ).encode(),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_answered_with_a_reason(bomb: Callable[[], bytes], agent: AgentProcess) -> None:
    body = bomb()

    response = infer(agent, body)

    assert response.status_code == 400, response.text[:300]
    assert set(response.json()) == {"error"}
    assert len(response.content) < 1000
    assert infer(agent, GOOD).status_code == 200


def test_what_is_odd_but_said_once_is_no_mistake(agent: AgentProcess) -> None:
    for odd in (
        parameters(a={"b": [1, {"c": None}]}, routing_key="a:b:c"),
        beside('"id": "urn:uuid:1:2", "x": {"inputs": []}'),
        beside('"id": null, "outputs": null, "parameters": null'),
        json.dumps({**call(), "id": "[1, 2.5, -3, 0]"}).encode(),
        replaced(b"1e-400"),
        replaced(b"-0.0"),
        b"\r\n\t " + GOOD + b" \n",
    ):
        response = infer(agent, odd)
        assert response.status_code == 200, (odd[:200], response.text)


def test_colons_in_texts_are_no_keys(agent: AgentProcess) -> None:
    inputs = [of_type("i", name) for name in TYPES]
    inputs[-1] = {**inputs[-1], "data": ['{"a": 1, "a": 2}', "::"]}

    answer = infer(agent, {"inputs": inputs}, "echo").json()

    assert answer["outputs"][-1]["data"] == ['{"a": 1, "a": 2}', "::"]


def test_a_text_of_10_mb_is_refused(agent: AgentProcess) -> None:
    inputs: list[dict[str, Any]] = [of_type("i", name) for name in TYPES]
    inputs[-1] = {**inputs[-1], "data": [TEN, ""]}

    response = infer(agent, {"inputs": inputs}, "echo")
    assert response.status_code == 400
    assert "at most 1048576 characters" in response.json()["error"]

    text = TEN.encode()
    piece = len(text).to_bytes(4, "little") + text + b"\0\0\0\0"
    inputs[-1] = {
        "name": "i_BYTES",
        "datatype": "BYTES",
        "shape": [2],
        "parameters": {"binary_data_size": len(piece)},
    }
    json_part = json.dumps({"inputs": inputs}).encode()
    response = agent.http.post(
        "/v2/models/echo/infer",
        content=json_part + piece,
        headers={"inference-header-content-length": str(len(json_part))},
    )
    assert response.status_code == 400
    assert "at most 1048576 characters" in response.json()["error"]


PACKED = [
    ("gzip", gzip.compress(GOOD)),
    ("gzip", gzip.compress(b"\0" * (64 * MB))),
    ("deflate", GOOD),
    ("br", GOOD),
    ("identity, gzip", GOOD),
    ("x" * 1000, GOOD),
]


@pytest.mark.parametrize(("encoding", "body"), PACKED, ids=[one[0][:20] for one in PACKED])
def test_a_packed_body_is_not_unpacked(encoding: str, body: bytes, agent: AgentProcess) -> None:
    response = agent.http.post(PATH, content=body, headers={"content-encoding": encoding})

    assert response.status_code == 415
    assert set(response.json()) == {"error"}


def test_a_body_that_is_not_packed_may_say_so(agent: AgentProcess) -> None:
    response = agent.http.post(PATH, content=GOOD, headers={"content-encoding": "identity"})

    assert response.status_code == 200


@pytest.mark.parametrize("size", [17 * MB, 200 * MB])
def test_a_huge_body_is_told_so_whether_or_not_it_is_announced(
    size: int, agent: AgentProcess
) -> None:
    with Caller(agent) as caller:
        caller.send(whole(b"", "x: y").replace(b"length: 0", b"length: %d" % size))
        announced = caller.answer()
    assert announced is not None
    assert (announced.status, announced.error) == (413, "a body of more than 16777216 bytes")

    def pieces() -> Iterator[bytes]:
        for _ in range(size // MB):
            yield b" " * MB

    response = agent.http.post(PATH, content=pieces())
    assert response.status_code == 413
    response = agent.http.post(PATH, content=pieces(), headers={"content-length": str(size)})
    assert response.status_code == 413
    assert infer(agent, GOOD).status_code == 200


def test_all_of_this_left_no_memory_behind(plane: ControlPlane, start_agent: StartAgent) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent()
    plane.wait_champion(version)
    largest = max((make() for make in BOMBS.values()), key=len)
    for _ in range(3):
        assert infer(agent, largest).status_code == 400
    before = resident_bytes(agent)

    for bomb in BOMBS.values():
        assert infer(agent, bomb()).status_code == 400

    assert resident_bytes(agent) - before < 200 * MB
    assert resident_bytes(agent, what="VmHWM") < 1024 * MB
