"""Golden transactions are of the manifest they came with, or the version is rejected."""

import pytest


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema", "lockgate.golden/2"),
        ("tolerance", -1),
        ("tolerance", 1e9),
        ("tolerance", True),
        ("transactions", []),
        ("extra", 1),
    ],
)
def test_golden_transactions_out_of_order_are_refused(codes, golden, path, value):
    assert codes(golden={**golden, path: value}) == {"golden"}


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("inputs", {"name": "Y"}),
        ("inputs", {"datatype": "FP64"}),
        ("inputs", {"shape": [1, 2], "data": [1.0, 2.0]}),
        ("inputs", {"shape": [2, 3]}),
        ("inputs", {"shape": [0, 3], "data": []}),
        ("inputs", {"data": [1.0, 2.0]}),
        ("inputs", {"data": [1.0, 2.0, "3"]}),
        ("inputs", {"data": [1.0, 2.0, True]}),
        ("inputs", {"data": [1.0, 2.0, None]}),
        ("inputs", {"data": [1.0, 2.0, 1e39]}),
        ("inputs", {"data": [[1.0, 2.0, 3.0]]}),
        ("inputs", {"data": "AAAA"}),
        ("outputs", {"name": "label"}),
        ("outputs", {"shape": [1, 3], "data": [0.1, 0.2, 0.7]}),
    ],
)
def test_golden_tensors_that_are_not_of_the_manifest_are_refused(codes, golden, part, change):
    golden["transactions"][1][part][0].update(change)
    assert codes(golden=golden) == {"golden"}


@pytest.mark.parametrize("raw", [b" ", b"[]", b"\x80\x04", b'{"schema": NaN}', b"[" * 10_000])
def test_golden_bytes_that_are_no_document_are_refused(codes, raw):
    assert codes(golden=raw) == {"golden"}


def test_missing_numbers_pass_where_a_feature_may_be_missing(codes, golden, manifest):
    golden["transactions"][0]["inputs"][0]["data"][1] = None
    manifest["inputs"][0]["features"][1]["missing"] = True
    assert codes(golden=golden) == set()


def test_doubled_transactions_are_refused(codes, golden):
    golden["transactions"][1]["id"] = "g1"
    assert codes(golden=golden) == {"golden"}
