"""What an approver is asked to judge: what differs, and only that."""

from collections.abc import Mapping

import pytest

from promotion.comparison import Change, compare, features

FILE = {"path": "model.onnx", "size": 10, "sha256": "a" * 64}


def inputs(*names: str, **feature: object) -> list[dict[str, object]]:
    return [{"name": "X", "datatype": "FP32", "features": [{"name": n, **feature} for n in names]}]


def test_the_same_twice_differs_in_nothing() -> None:
    manifest = {"metrics": {"auc": 0.7}, "inputs": inputs("age"), "files": [FILE], "authors": []}
    found = compare(manifest, manifest)

    assert found.is_empty()
    assert ("auc", 0.7) in found.same


def test_features_come_and_go_by_name() -> None:
    found = compare({"inputs": inputs("age", "pay_0")}, {"inputs": inputs("age", "tenure")})

    assert (found.features_added, found.features_removed) == (["tenure"], ["pay_0"])
    assert found.same[0] == ("age", "FP32 any")


def test_a_feature_of_another_range_has_changed() -> None:
    found = compare({"inputs": inputs("age", min=18)}, {"inputs": inputs("age", min=0)})

    assert found.features_changed == [Change("age", "FP32 18 to None", "FP32 0 to None")]


@pytest.mark.parametrize(
    ("before", "after", "higher", "better"),
    [(0.7, 0.8, True, True), (0.8, 0.7, True, False), (0.8, 0.7, False, True)],
)
def test_the_metric_a_model_is_judged_by_gets_a_verdict(
    before: float, after: float, *, higher: bool, better: bool
) -> None:
    found = compare(
        {"metrics": {"auc": before, "rows": 1}},
        {"metrics": {"auc": after, "rows": 2}},
        optimising="auc",
        higher_is_better=higher,
    )
    auc, rows = found.metrics

    assert auc.better is better
    assert auc.delta == pytest.approx(after - before)
    assert rows.better is None


def test_files_differ_by_size_or_bytes() -> None:
    found = compare({"files": [FILE]}, {"files": [{**FILE, "sha256": "b" * 64}]})

    assert [(one.name, one.delta) for one in found.files] == [("model.onnx", None)]


def test_what_is_absent_on_one_side_is_none_there() -> None:
    found = compare({}, {"training": {"commit": "abc", "parameters": {"trees": 9}}})

    assert Change("commit", None, "abc") in found.training
    assert Change("trees", None, 9) in found.training


@pytest.mark.parametrize(
    "odd", [{}, {"inputs": 7}, {"inputs": [7]}, {"files": {}}, {"metrics": []}]
)
def test_a_manifest_of_another_form_is_read_as_far_as_it_goes(odd: Mapping[str, object]) -> None:
    assert compare(odd, odd).is_empty()
    assert features(odd) == {}
