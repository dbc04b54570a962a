"""What becomes of values that a version was not trained on, feature by feature."""

import json
from typing import Any

import numpy as np
import pytest

from serving_agent.errors import BadRequest
from serving_agent.guard import Count, Guard, InputGuard, Kind, few
from serving_agent.manifests import Manifest, TensorSpec, parse_manifest
from serving_agent.ports import Tensor
from serving_agent.tensors import DTYPES

from .versions import manifest

FILES = [("model.onnx", "model", b"m"), ("golden.json", "golden", b"g")]


def spec(*features: dict[str, Any], datatype: str = "FP32", **more: Any) -> TensorSpec:
    about = [{"name": f"f{place}", **one} for place, one in enumerate(features)]
    tensor = {"name": "X", "datatype": datatype, "shape": [-1, len(features) or 2], **more}
    raw = manifest("m", FILES, inputs=[{**tensor, **({"features": about} if about else {})}])
    return parse_manifest(raw).inputs[0]


def given(*rows: list[Any], datatype: str = "FP32") -> Tensor:
    data = np.array(rows, dtype=DTYPES[datatype])
    return Tensor("X", datatype, data.shape, data)


def seen(guard: InputGuard) -> dict[tuple[str, str, str], int]:
    return {(one.feature, one.kind.value, one.did): one.values for one in guard.counts()}


def test_what_training_held_passes_as_it_is_and_counts_for_nothing() -> None:
    guard = InputGuard(spec({"min": 0, "max": 1, "guard": "refuse"}, {"categories": [1, 2]}))
    sent = given([0, 1], [1, 2], [0.5, 1])

    data, clipped = guard.admit(sent)

    assert data is sent.data
    assert clipped == 0
    assert seen(guard) == {}


def test_a_value_outside_passes_and_is_counted_unless_the_manifest_says_more() -> None:
    guard = InputGuard(spec({"min": 0, "max": 1}, {"min": 0, "max": 1, "guard": "pass"}))
    sent = given([-1, 2], [5, 0.5])

    data, clipped = guard.admit(sent)

    assert data is sent.data
    assert clipped == 0
    assert seen(guard) == {
        ("f0", "below", "passed"): 1,
        ("f0", "above", "passed"): 1,
        ("f1", "above", "passed"): 1,
    }


def test_a_value_outside_is_refused_by_feature_and_row() -> None:
    guard = InputGuard(spec({}, {"min": 0, "max": 1, "guard": "refuse"}))

    with pytest.raises(BadRequest, match=r"'X': feature 'f1' in row 2 is above its range \(1.5\)"):
        guard.admit(given([9, 0], [9, 1], [9, 1.5]))
    with pytest.raises(BadRequest, match="feature 'f1' in row 0 is below its range"):
        guard.admit(given([9, -0.5]))

    assert seen(guard) == {("f1", "above", "refused"): 1, ("f1", "below", "refused"): 1}


def test_a_value_outside_is_clipped_to_the_range_and_the_caller_s_own_stays() -> None:
    guard = InputGuard(
        spec({"min": 0, "max": 1, "guard": "clip"}, {"max": 9}, {"min": 3, "guard": "clip"})
    )
    sent = given([-1, 10, 2], [7, 9, 4], [0.5, 0, 3])

    data, clipped = guard.admit(sent)

    assert data.tolist() == [[0, 10, 3], [1, 9, 4], [0.5, 0, 3]]
    assert data.dtype == np.float32
    assert clipped == 3
    assert sent.data[0].tolist() == [-1, 10, 2]
    assert seen(guard) == {
        ("f0", "below", "clipped"): 1,
        ("f0", "above", "clipped"): 1,
        ("f1", "above", "passed"): 1,
        ("f2", "below", "clipped"): 1,
    }


MISSING = [
    ({"missing": True, "guard": "refuse", "max": 1}, None, {}),
    ({"missing": False}, "may not be null", {("f0", "missing", "refused"): 1}),
    ({"guard": "refuse"}, "may not be null", {("f0", "missing", "refused"): 1}),
    ({"guard": "clip", "min": 0}, "may not be null", {("f0", "missing", "refused"): 1}),
    ({"guard": "pass"}, None, {("f0", "missing", "passed"): 1}),
    ({"guard": "pass", "categories": [1]}, None, {("f0", "missing", "passed"): 1}),
]


@pytest.mark.parametrize(("feature", "refused", "counted"), MISSING)
def test_a_missing_value(
    feature: dict[str, Any], refused: str | None, counted: dict[Any, int]
) -> None:
    guard = InputGuard(spec(feature))

    if refused:
        with pytest.raises(BadRequest, match=f"feature 'f0' in row 1 {refused}"):
            guard.admit(given([1], [np.nan]))
    else:
        assert np.isnan(guard.admit(given([1], [np.nan]))[0][1, 0])
    assert seen(guard) == counted


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
@pytest.mark.parametrize("features", [(), ({"guard": "pass"}, {})])
def test_infinity_is_always_refused(datatype: str, features: tuple[dict[str, Any], ...]) -> None:
    guard = InputGuard(spec(*features, datatype=datatype))

    for infinite in (np.inf, -np.inf):
        with pytest.raises(BadRequest, match=f"too large for {datatype}"):
            guard.admit(given([0, infinite], datatype=datatype))


def test_without_features_nothing_may_be_missing() -> None:
    guard = InputGuard(spec())

    with pytest.raises(BadRequest, match="feature '1' in row 0 may not be null"):
        guard.admit(given([0, np.nan]))
    assert guard.admit(given([0, 3e38]))[1] == 0


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64", "INT8", "UINT64", "INT64"])
def test_a_range_is_of_the_tensor_s_own_type(datatype: str) -> None:
    """What stood in the training data as 0.1 is in range as the nearest number of its type."""
    bounds = {"min": 0.1, "max": 1e40 if datatype != "INT8" else 99.9, "guard": "refuse"}
    guard = InputGuard(spec(bounds, datatype=datatype))
    least = DTYPES[datatype](0.1) if datatype in ("FP16", "FP32", "FP64") else 1

    guard.admit(given([least], datatype=datatype))
    with pytest.raises(BadRequest, match="below"):
        guard.admit(given([0], datatype=datatype))
    if datatype == "INT8":
        guard.admit(given([99], datatype=datatype))
        with pytest.raises(BadRequest, match="above"):
            guard.admit(given([100], datatype=datatype))


def test_categories_that_are_numbers() -> None:
    guard = InputGuard(
        spec({"categories": [1, 2]}, {"max": 0}, {"categories": [0.1, 7], "guard": "refuse"})
    )

    guard.admit(given([2, 0, 0.1], [1, 0, 7], [3, 0, 7]))
    assert seen(guard) == {("f0", "category", "passed"): 1}
    # What is a category of one feature is none of another.
    with pytest.raises(BadRequest, match="feature 'f2' in row 1 is none of its categories"):
        guard.admit(given([1, 0, 7], [1, 0, 2]))


def test_categories_that_are_texts() -> None:
    guard = InputGuard(
        spec({"categories": ["a", "b"]}, {"categories": ["c"], "guard": "refuse"}, datatype="BYTES")
    )

    guard.admit(given(["a", "c"], ["c", "c"], datatype="BYTES"))
    assert seen(guard) == {("f0", "category", "passed"): 1}
    with pytest.raises(BadRequest, match=r"feature 'f1' in row 0 is none .*\(aaaa"):
        guard.admit(given(["a", "a" * 9000], datatype="BYTES"))


def test_a_single_feature_may_lie_along_the_rows() -> None:
    guard = InputGuard(spec({"max": 1, "guard": "clip"}, shape=[-1]))

    assert guard.admit(given(1, 2, 3))[0].tolist() == [1, 1, 1]  # type: ignore[arg-type]


def test_another_number_of_features_is_refused() -> None:
    guard = InputGuard(spec({}, {}, shape=[-1, -1]))

    with pytest.raises(BadRequest, match="has 2 features, not 3"):
        guard.admit(given([1, 2, 3]))


def test_a_guard_of_a_later_release_is_no_manifest_of_ours() -> None:
    from serving_agent.errors import VersionFailure

    with pytest.raises(VersionFailure, match="INVALID"):
        spec({"guard": "quarantine"})


def test_only_so_many_series_come_of_any_number_of_features() -> None:
    guard = InputGuard(spec(*({"max": 0} for _ in range(500))))
    guard.admit(given(list(range(500)), [1] * 500))

    kept = few(guard.counts(), most=10)

    assert len(kept) == 11
    assert sum(one.values for one in kept) == 499 + 500
    assert kept[-1] == Count("X", "", Kind.ABOVE, "passed", 999 - sum(o.values for o in kept[:-1]))


def whole(**changes: Any) -> Manifest:
    return parse_manifest(manifest("m", FILES, **changes))


def test_another_pipeline_is_refused_and_counted() -> None:
    guard = Guard(whole(pipeline_digest="ab" * 32))

    guard.check_pipeline("ab" * 32)
    with pytest.raises(BadRequest, match=f"takes {'ab' * 32}") as refusal:
        guard.check_pipeline("cd" * 32)
    assert refusal.value.status == 409
    with pytest.raises(BadRequest, match="64 lower-case") as refusal:
        guard.check_pipeline("AB" * 32)
    assert refusal.value.status == 400
    assert guard.sums()["other_pipelines"] == 1
    Guard(whole()).check_pipeline("cd" * 32)  # The version names none to compare with.


def test_sums_are_of_all_inputs() -> None:
    one = {"datatype": "FP32", "shape": [-1, 1]}
    feature = {"name": "a", "max": 0}
    inputs = [
        {"name": name, **one, "features": [{**feature, "guard": guard}]}
        for name, guard in (("X", "clip"), ("Y", "pass"))
    ]
    guard = Guard(whole(inputs=inputs))
    x, y = given([1], [2]), given([3])

    feeds, clipped = guard.feeds([x, Tensor("Y", y.datatype, y.shape, y.data)])

    assert (feeds["X"].tolist(), feeds["Y"].tolist(), clipped) == ([[0], [0]], [[3]], 2)
    sums = {"refused": 0, "clipped": 2, "passed": 1, "other_pipelines": 0}
    assert guard.sums() == sums
    assert json.dumps(sums)
