"""Whatever a caller sends, the answer is a reason and never a 500."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from .process import AgentProcess
from .protocol import SAMPLES, TYPES, X, call, infer, of_type
from .versions import rows, tensor

BAD: list[tuple[str, Any]] = [
    ("empty", b""),
    ("not JSON", b"hello"),
    ("half of it", b'{"inputs": [{"name": "X"'),
    ("not UTF-8", b'{"id": "\xff", "inputs": []}'),
    ("a lone surrogate", b'{"id": "\\ud800", "inputs": []}'),
    ("something after it", json.dumps(call()).encode() + b"{}"),
    ("a list", []),
    ("null", None),
    ("no inputs", {}),
    ("inputs null", {"inputs": None}),
    ("inputs empty", {"inputs": []}),
    ("inputs an object", {"inputs": {"X": [1]}}),
    ("an input twice", {"inputs": [X, X]}),
    ("an unknown input", call(name="Y")),
    ("one too many", {"inputs": [X, {**X, "name": "Y"}]}),
    ("another type", call(datatype="FP64")),
    ("an unknown type", call(datatype="FP128")),
    ("a type that is a number", call(datatype=32)),
    ("one dimension short", call(shape=[4])),
    ("one dimension more", call(shape=[1, 1, 4])),
    ("a column short", call(shape=[1, 3], data=[1, 2, 3])),
    ("shape and data disagree", call(shape=[2, 4])),
    ("no rows", call(shape=[0, 4], data=[])),
    ("a negative size", call(shape=[-1, 4])),
    ("sizes whose product overflows", call(shape=[2**62, 4])),
    ("a size beyond 64 bits", call(shape=[2**70, 4])),
    ("a fractional size", call(shape=[1.5, 4])),
    ("no shape", {"inputs": [{k: v for k, v in X.items() if k != "shape"}]}),
    ("no data", {"inputs": [{k: v for k, v in X.items() if k != "data"}]}),
    ("data null", call(data=None)),
    ("data text", call(data="1,2,3,4")),
    ("data an object", call(data={"0": 1})),
    ("text among numbers", call(data=[1, "2", 3, 4])),
    ("true among numbers", call(data=[1, True, 3, 4])),
    ("an object among numbers", call(data=[1, {}, 3, 4])),
    ("null where none may be missing", call(data=[1, None, 3, 4])),
    ("NaN", json.dumps(call()).encode().replace(b"2.5", b"NaN")),
    ("Infinity", json.dumps(call()).encode().replace(b"2.5", b"Infinity")),
    ("minus Infinity", json.dumps(call()).encode().replace(b"2.5", b"-Infinity")),
    ("too large for JSON", json.dumps(call()).encode().replace(b"2.5", b"1e999")),
    ("too large for the type", call(data=[1, 1e39, 3, 4])),
    ("an integer too large for the type", call(data=[1, 10**40, 3, 4])),
    ("an integer of many digits", json.dumps(call()).encode().replace(b"2.5", b"9" * 5000)),
    ("nested deeply", json.dumps(call()).encode().replace(b"2.5", b"[" * 20000 + b"]" * 20000)),
    ("nested deeply in parameters", b'{"inputs": [], "parameters": ' + b'{"a":' * 9000),
    ("an unknown output", {**call(), "outputs": [{"name": "nothing"}]}),
    ("outputs of text", {**call(), "outputs": ["probabilities"]}),
    ("an id of its own kind", {**call(), "id": 7}),
    ("an id without end", {**call(), "id": "x" * 1000}),
    ("parameters that are a list", {**call(), "parameters": []}),
]


@pytest.mark.parametrize("body", [b[1] for b in BAD], ids=[b[0] for b in BAD])
def test_refused_with_a_reason(body: Any, agent: AgentProcess) -> None:
    response = infer(agent, body)

    assert response.status_code == 400, response.text
    assert set(response.json()) == {"error"}
    assert infer(agent, call()).status_code == 200


def test_a_body_too_large_is_413(agent: AgentProcess) -> None:
    assert infer(agent, b" " * 100_001).status_code == 413

    def chunks() -> Iterator[bytes]:
        for _ in range(200):
            yield b" " * 1000

    response = agent.http.post("/v2/models/credit/infer", content=chunks())
    assert response.status_code == 413
    assert set(response.json()) == {"error"}
    assert infer(agent, call()).status_code == 200


PATHS = [
    ("GET", "/", 404),
    ("GET", "/v2/nothing", 404),
    ("GET", "/v2/models/unknown", 404),
    ("GET", "/v2/models/unknown/ready", 404),
    ("POST", "/v2/models/unknown/infer", 404),
    ("POST", "/v2/models/credit/versions/99/infer", 404),
    ("POST", "/v2/models/credit/versions/01/infer", 404),
    ("POST", "/v2/models/credit/versions/x/infer", 404),
    ("POST", "/v2/models/credit/versions", 404),
    ("POST", "/v2/models/credit/versions//infer", 404),
    ("POST", "/v2/models//infer", 404),
    ("POST", "/v2/models/%2e%2e/infer", 404),
    ("GET", "/v2/models/credit/infer", 405),
    ("POST", "/v2/models/credit", 405),
    ("POST", "/v2/health/live", 405),
    ("DELETE", "/v2", 405),
    ("GET", "/v2/models/credit/infer/more", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), PATHS)
def test_paths_that_are_not(method: str, path: str, status: int, agent: AgentProcess) -> None:
    response = agent.http.request(method, path, content=json.dumps(call()))

    assert response.status_code == status
    assert set(response.json()) == {"error"}


def test_a_head_without_end_is_cut_off(agent: AgentProcess) -> None:
    host, port = agent.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as caller:
        caller.sendall(b"GET /v2 HTTP/1.1\r\n")
        sent = 0
        try:
            while sent < 10_000_000:
                caller.sendall(b"x-more: " + b"y" * 8000 + b"\r\n")
                sent += 8000
        except OSError:
            pass
    assert sent < 5_000_000
    assert agent.http.get("/v2/health/live").status_code == 200


def test_every_type_goes_in_and_comes_back(agent: AgentProcess) -> None:
    body = {"inputs": [of_type("i", name) for name in TYPES]}

    answer = infer(agent, body, "echo").json()

    assert {o["name"]: (o["datatype"], o["data"]) for o in answer["outputs"]} == {
        f"o_{name}": (name, SAMPLES[name]) for name in TYPES
    }


OVERFLOWS = [(name, value) for name in TYPES if "INT" in name for value in (-(2**63) - 1, 2**64)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *OVERFLOWS,
        ("INT8", 128),
        ("UINT8", -1),
        ("UINT64", -1),
        ("INT32", 1.5),
        ("INT32", True),
        ("BOOL", 1),
        ("BOOL", "true"),
        ("BYTES", 5),
        ("BYTES", None),
        ("INT32", None),
        ("FP16", 70000),
    ],
)
def test_values_that_do_not_fit_their_type(name: str, value: Any, agent: AgentProcess) -> None:
    inputs = [of_type("i", one) for one in TYPES]
    place = list(TYPES).index(name)
    inputs[place] = {**inputs[place], "data": [value, value]}

    response = infer(agent, {"inputs": inputs}, "echo")

    assert response.status_code == 400, response.text


def test_nested_and_flat_data_are_the_same(agent: AgentProcess) -> None:
    flat = infer(agent, call(shape=[2, 4], data=[1, 2, 3, 4, 5, 6, 7, 8])).json()
    nested = infer(agent, call(shape=[2, 4], data=[[1, 2, 3, 4], [5, 6, 7, 8]])).json()

    assert flat["outputs"] == nested["outputs"]
    assert flat["outputs"][0]["shape"] == [2, 2]


def test_a_feature_with_gaps_may_be_null_and_no_other(agent: AgentProcess) -> None:
    missing = infer(agent, call(data=[1, None, 3, 4]), "gaps")
    assert missing.status_code == 200, missing.text
    assert missing.json()["outputs"][0]["data"] == [None, None]

    response = infer(agent, call(data=[1, None, 3, None]), "gaps")
    assert response.status_code == 400
    assert "'d'" in response.json()["error"]


def test_an_answer_has_an_id_and_only_the_outputs_asked_for(agent: AgentProcess) -> None:
    own = infer(agent, call()).json()
    assert len(own["id"]) == 36

    body = {
        **call(),
        "id": "t-9",
        "parameters": {"anything": [1, {"x": None}]},
        "outputs": [{"name": "probabilities", "parameters": {"binary_data": False}}],
    }
    answer = infer(agent, body).json()
    assert answer["id"] == "t-9"
    assert [output["name"] for output in answer["outputs"]] == ["probabilities"]

    inputs = [of_type("i", name) for name in TYPES]
    chosen = {"inputs": inputs, "outputs": [{"name": "o_BYTES"}, {"name": "o_BOOL"}]}
    names = [output["name"] for output in infer(agent, chosen, "echo").json()["outputs"]]
    assert names == ["o_BYTES", "o_BOOL"]


def test_what_the_protocol_tells_of_server_and_models(agent: AgentProcess) -> None:
    http = agent.http
    assert http.get("/v2").json()["name"] == "lockgate-serving-agent"
    assert http.get("/v2/health/live").json() == {"live": True}
    assert http.get("/v2/health/ready").json() == {"ready": True}
    about = http.get("/v2/models/credit").json()
    assert about["versions"] == ["1"]
    assert about["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, 4]}]
    assert about["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}]
    assert http.get("/v2/models/credit/versions/1").json() == about
    config = http.get("/v2/models/credit/config").json()
    assert config["input"] == [{"name": "X", "data_type": "TYPE_FP32", "dims": [-1, 4]}]
    stats = http.get("/v2/models/credit/stats").json()["model_stats"][0]
    assert (stats["name"], stats["version"]) == ("credit", "1")
    assert http.get("/v2/models/credit/ready").json() == {"name": "credit", "ready": True}
    assert http.get("/v2/models/credit/versions/1/ready").status_code == 200
    for body in (b"", b"{}", b'{"ready": true}'):
        index = http.post("/v2/repository/index", content=body).json()
        assert {(one["name"], one["state"]) for one in index} == {
            ("credit", "READY"),
            ("echo", "READY"),
            ("gaps", "READY"),
        }


def test_many_rows_at_once(agent: AgentProcess) -> None:
    many = rows(5, count=300)
    answer = infer(agent, {"inputs": [tensor("X", many)]}).json()
    single = [
        infer(agent, {"inputs": [tensor("X", many[place : place + 1])]}).json()
        for place in (0, 299)
    ]

    data = np.array(answer["outputs"][0]["data"]).reshape(300, 2)
    assert np.allclose(data[0], single[0]["outputs"][0]["data"])
    assert np.allclose(data[299], single[1]["outputs"][0]["data"])
