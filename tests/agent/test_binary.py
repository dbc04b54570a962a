"""Tensors as raw bytes after the JSON, as some clients send them by default."""

import json
import struct
from typing import Any

import httpx
import numpy as np
import pytest

from serving_agent.tensors import DTYPES

from .process import AgentProcess
from .protocol import SAMPLES, TYPES, X, call, infer, of_type


def raw(name: str) -> bytes:
    """The samples of one type as the protocol's bytes."""
    if name == "BYTES":
        texts = [text.encode() for text in SAMPLES[name]]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return np.array(SAMPLES[name], dtype=DTYPES[name]).tobytes()


def binary(agent: AgentProcess, name: str, content: Any, tail: bytes) -> httpx.Response:
    head = json.dumps(content).encode()
    return agent.http.post(
        f"/v2/models/{name}/infer",
        content=head + tail,
        headers={"inference-header-content-length": str(len(head))},
    )


def test_every_type_goes_in_and_comes_back_as_bytes(agent: AgentProcess) -> None:
    inputs, tail = [], b""
    for name in TYPES:
        piece = raw(name)
        size = {"binary_data_size": len(piece)}
        inputs.append({"name": f"i_{name}", "datatype": name, "shape": [2], "parameters": size})
        tail += piece
    response = binary(
        agent, "echo", {"inputs": inputs, "parameters": {"binary_data_output": True}}, tail
    )

    assert response.status_code == 200, response.text
    length = int(response.headers["inference-header-content-length"])
    answer, place = json.loads(response.content[:length]), length
    for output in answer["outputs"]:
        size = output["parameters"]["binary_data_size"]
        assert response.content[place : place + size] == raw(output["datatype"])
        place += size
    assert place == len(response.content)
    assert response.headers["lockgate-version"] == "1"


def test_bytes_in_and_json_out(agent: AgentProcess) -> None:
    piece = np.array(X["data"], dtype=np.float32).tobytes()
    sent = {**X, "parameters": {"binary_data_size": 16}}
    del sent["data"]

    response = binary(agent, "credit", {"inputs": [sent]}, piece)

    assert response.json()["outputs"] == infer(agent, call()).json()["outputs"]


NAN = struct.pack("<4f", 1, float("nan"), 3, 4)
BAD_BYTES: list[tuple[str, dict[str, Any], bytes]] = [
    ("fewer than said", {"binary_data_size": 16}, b"x" * 15),
    ("more than said", {"binary_data_size": 16}, b"\0" * 17),
    ("of another size than the shape", {"binary_data_size": 12}, b"\0" * 12),
    ("no whole number", {"binary_data_size": 15}, b"\0" * 15),
    ("a size below zero", {"binary_data_size": -1}, b""),
    ("a size that is text", {"binary_data_size": "16"}, b"\0" * 16),
    ("a size that is true", {"binary_data_size": True}, b"\0"),
    ("NaN where none may be missing", {"binary_data_size": 16}, NAN),
    ("Infinity", {"binary_data_size": 16}, struct.pack("<4f", 1, float("inf"), 3, 4)),
    ("no size", {}, b"\0" * 16),
]


@pytest.mark.parametrize(
    ("size", "tail"), [b[1:] for b in BAD_BYTES], ids=[b[0] for b in BAD_BYTES]
)
def test_bytes_that_do_not_fit(size: dict[str, Any], tail: bytes, agent: AgentProcess) -> None:
    sent = {"name": "X", "datatype": "FP32", "shape": [1, 4], "parameters": size}

    response = binary(agent, "credit", {"inputs": [sent]}, tail)

    assert response.status_code == 400, response.text
    assert set(response.json()) == {"error"}


@pytest.mark.parametrize("announced", ["-1", "x", "99999", "", "0"])
def test_a_length_that_does_not_fit_the_body(announced: str, agent: AgentProcess) -> None:
    response = agent.http.post(
        "/v2/models/credit/infer",
        content=json.dumps(call()),
        headers={"inference-header-content-length": announced},
    )

    assert response.status_code == 400


def test_texts_as_bytes_that_are_cut_off(agent: AgentProcess) -> None:
    whole = raw("BYTES")
    inputs = [of_type("i", name) for name in TYPES]
    for piece in (whole[:-2], whole[:2], b"\xff\xff\xff\xff", struct.pack("<I", 1) + b"\xff"):
        size = {"binary_data_size": len(piece)}
        inputs[-1] = {"name": "i_BYTES", "datatype": "BYTES", "shape": [2], "parameters": size}
        response = binary(agent, "echo", {"inputs": inputs}, piece)
        assert response.status_code == 400, piece
