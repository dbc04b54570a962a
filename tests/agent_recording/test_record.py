"""It is true that a record travels unchanged, and that nothing malformed gets in."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_agent.mirror.record import (
    MAX_BYTES,
    MirrorRecord,
    UnreadableRecord,
    UnsendableRecord,
    decode,
    encode,
)
from serving_agent.ports import Tensor

from .parts import CHAMPION, answer


def payload(**changes: Any) -> bytes:
    return encode(answer(**changes), producer="agent-1", epoch="boot-1", seq=7)


def altered(**changes: Any) -> bytes:
    return msgspec.msgpack.encode({**msgspec.msgpack.decode(payload()), **changes})


def test_the_fields_are_those_of_the_format() -> None:
    assert msgspec.msgpack.decode(payload()) == {
        "transaction_id": "tx-1",
        "at_us": 1_790_000_000_000_001,
        "model": "credit-default",
        "champion_version": 3,
        "champion_digest": CHAMPION,
        "champion_score": 0.25,
        "latency_ms": 1.5,
        "inputs": [
            {
                "name": "X",
                "datatype": "FP32",
                "shape": [1, 4],
                "data": np.ones(4, dtype="<f4").tobytes(),
            }
        ],
        "producer": "agent-1",
        "epoch": "boot-1",
        "seq": 7,
    }


@pytest.mark.parametrize(
    ("datatype", "values"),
    [
        ("BOOL", [True, False]),
        ("INT8", [-128, 127]),
        ("INT64", [-(2**63), 2**63 - 1]),
        ("UINT64", [0, 2**64 - 1]),
        ("FP16", [0.5, -2.0]),
        ("FP32", [math.nan, -math.inf]),
        ("FP64", [1e-300, 0.1]),
        ("BYTES", ["", "zażółć €"]),
    ],
)
def test_tensors_come_out_as_they_went_in(datatype: str, values: list[Any]) -> None:
    dtypes = {"BYTES": "O", "BOOL": "?", "FP16": "f2", "FP32": "f4", "FP64": "f8"}
    dtype = dtypes.get(datatype, datatype.lower())
    data = np.array([values], dtype=dtype)

    (found,) = decode(payload(inputs=(Tensor("X", datatype, (1, 2), data),))).tensors()

    assert (found.name, found.datatype, found.shape) == ("X", datatype, (1, 2))
    np.testing.assert_array_equal(found.data, data)


def test_unknown_fields_of_a_newer_producer_are_ignored() -> None:
    assert decode(altered(region="eu")).transaction_id == "tx-1"


@pytest.mark.parametrize(
    "changes",
    [
        {"champion_score": math.nan},
        {"champion_score": math.inf},
        {"champion_score": "0.5"},
        {"champion_score": None},
        {"latency_ms": math.nan},
        {"latency_ms": -1.0},
        {"transaction_id": ""},
        {"transaction_id": "x" * 1025},
        {"transaction_id": 5},
        {"at_us": -1},
        {"at_us": 2**62},
        {"at_us": 1.5},
        {"champion_version": 2**31},
        {"champion_digest": "abc"},
        {"champion_digest": "C" * 64},
        {"seq": -1},
        {"seq": True},
        {"inputs": []},
        {"inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 3], "data": b"\0" * 16}]},
        {"inputs": [{"name": "X", "datatype": "FP32", "shape": [1], "data": b"\0" * 3}]},
        {"inputs": [{"name": "X", "datatype": "FP32", "shape": [-1, 4], "data": b"\0" * 16}]},
        {"inputs": [{"name": "X", "datatype": "FP32", "shape": [2**40], "data": b""}]},
        {"inputs": [{"name": "X", "datatype": "COMPLEX", "shape": [1], "data": b"\0"}]},
        {"inputs": [{"name": "X", "datatype": "BYTES", "shape": [1], "data": b"\xff\0\0\0a"}]},
        {"inputs": [{"name": "X", "datatype": "BYTES", "shape": [1], "data": b"\x01\0"}]},
        {"inputs": [{"name": "X", "datatype": "BYTES", "shape": [1], "data": b"\x01\0\0\0\xff"}]},
        {"inputs": [{"name": "X", "datatype": "FP32", "shape": [1] * 9, "data": b"\0" * 4}]},
    ],
)
def test_a_malformed_record_is_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(UnreadableRecord):
        decode(altered(**changes))


@pytest.mark.parametrize("missing", MirrorRecord.__struct_fields__)
def test_every_field_is_required(missing: str) -> None:
    fields = msgspec.msgpack.decode(payload())
    del fields[missing]

    with pytest.raises(UnreadableRecord):
        decode(msgspec.msgpack.encode(fields))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_unreadable(noise: bytes) -> None:
    with pytest.raises(UnreadableRecord):
        decode(noise)


@given(st.data())
def test_a_flipped_byte_is_read_or_unreadable(data: st.DataObject) -> None:
    damaged = bytearray(payload())
    at = data.draw(st.integers(0, len(damaged) - 1))
    damaged[at] ^= data.draw(st.integers(1, 255))

    try:
        record = decode(bytes(damaged))
    except UnreadableRecord:
        return
    assert record.tensors()


def test_deep_nesting_is_unreadable() -> None:
    with pytest.raises(UnreadableRecord):
        decode(b"\x91" * 100_000 + b"\xc0")


def test_what_is_too_large_is_neither_sent_nor_read() -> None:
    width = MAX_BYTES // 4 + 1
    large = Tensor("X", "FP32", (1, width), np.zeros((1, width), dtype=np.float32))

    with pytest.raises(UnsendableRecord):
        payload(inputs=(large,))
    with pytest.raises(UnreadableRecord):
        decode(b"\0" * (MAX_BYTES + 1))


@pytest.mark.parametrize(
    "changes",
    [
        {"score": None},
        {"transaction_id": "lone \ud800 surrogate"},
        {"inputs": (Tensor("X", "BF16", (1,), np.zeros(1, dtype=np.float32)),)},
    ],
)
def test_an_answer_that_cannot_be_written_is_unsendable(changes: dict[str, Any]) -> None:
    with pytest.raises(UnsendableRecord):
        payload(**changes)
