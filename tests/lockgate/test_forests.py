"""A forest written as ONNX answers as scikit-learn does, whatever it was trained on."""

import warnings
from dataclasses import dataclass

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from lockgate.convert import forests, to_onnx, trees
from lockgate.convert.proof import open_model
from lockgate.errors import NotConvertible, NotEqual
from registry.inspecting import graphs
from registry.inspecting.findings import Findings

ROWS = 10_000
CLASSIFIERS = (RandomForestClassifier, ExtraTreesClassifier)
REGRESSORS = (RandomForestRegressor, ExtraTreesRegressor)
TREES = (DecisionTreeClassifier, ExtraTreeClassifier, DecisionTreeRegressor, ExtraTreeRegressor)


@dataclass(frozen=True)
class Case:
    kind: type
    seed: int
    columns: int
    rows: int
    decimals: int
    classes: int
    holes: float
    later_holes: float
    constant: bool
    options: dict
    weighted: bool

    def data(self, random: np.random.Generator, rows: int, *, holes: float) -> np.ndarray:
        values = random.normal(size=(rows, self.columns)).round(self.decimals)
        if self.constant:
            values[:, 0] = 3.0
        values[random.random(values.shape) < holes] = np.nan
        return values

    def fitted(self):
        random = np.random.default_rng(self.seed)
        given = self.data(random, self.rows, holes=self.holes)
        signal = np.nan_to_num(given).sum(axis=1) + random.normal(size=self.rows)
        target = signal * 1000
        if "Classifier" in self.kind.__name__:
            target = np.digitize(signal, np.linspace(-1.5, 1.5, self.classes + 1)[1:-1])
        many = {} if self.kind in TREES else {"n_estimators": 1 + self.seed % 9}
        estimator = self.kind(random_state=self.seed, **many, **self.options)
        weights = random.integers(0, 4, self.rows) + 1e-3 if self.weighted else None
        estimator.fit(given, target, sample_weight=weights)
        holes = max(self.holes, self.later_holes)
        return estimator, self.data(random, ROWS, holes=holes).astype(np.float32)


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "max_depth": st.sampled_from([1, 2, 6]),
        "min_samples_leaf": st.sampled_from([1, 5]),
        "max_leaf_nodes": st.sampled_from([2, 30]),
        "max_features": st.sampled_from([1, "sqrt"]),
    },
)
CASES = st.builds(
    Case,
    kind=st.sampled_from([*CLASSIFIERS, *REGRESSORS, *TREES]),
    seed=st.integers(0, 2**16),
    columns=st.integers(1, 6),
    rows=st.sampled_from([2, 30, 400]),
    decimals=st.sampled_from([0, 1, 6]),
    classes=st.integers(1, 5),
    holes=st.sampled_from([0.0, 0.0, 0.3]),
    later_holes=st.sampled_from([0.0, 0.3]),
    constant=st.booleans(),
    options=OPTIONS,
    weighted=st.booleans(),
)


def answers(model: bytes, rows: np.ndarray) -> np.ndarray:
    return np.asarray(open_model(model).run(None, {"X": rows})[0])


def asked(estimator, rows: np.ndarray) -> np.ndarray:
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(rows)
    return estimator.predict(rows).reshape(len(rows), -1)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(CASES)
def test_it_answers_10_000_rows_as_scikit_learn_does(case):
    estimator, rows = case.fitted()
    model = forests.write(estimator)

    found, expected = answers(model, rows), asked(estimator, rows)

    assert found.dtype == np.float64
    assert found.shape == expected.shape
    apart = np.abs(found - expected) / np.maximum(1.0, np.abs(expected))
    assert apart.max() <= 1e-6
    onnx.checker.check_model(onnx.load_from_string(model))
    assert not _complaints(model)


def _complaints(model: bytes) -> list:
    """What the control plane's inspection has against its graph."""
    loaded, findings = onnx.load_from_string(model), Findings()
    opsets = {entry.domain: entry.version for entry in loaded.opset_import}
    graphs.GraphWalk(opsets=opsets, findings=findings).visit(loaded.graph)
    return findings.reasons


def _data(rows: int = 3_000):
    random = np.random.default_rng(11)
    values = random.normal(size=(rows, 6)).round(1)
    return values, (values[:, 0] + values[:, 1] * values[:, 2] > 0.1).astype(int)


@pytest.mark.parametrize("parts", [1, 4, 40])
def test_pure_leaves_are_equal_to_the_last_bit_in_any_number_of_parts(parts, monkeypatch):
    values, labels = _data()
    estimator = RandomForestClassifier(30, random_state=1).fit(values, labels)
    monkeypatch.setattr(forests, "SMALL", 1)
    monkeypatch.setattr(forests, "PARTS", parts)
    rows = np.random.default_rng(5).normal(size=(ROWS, 6)).round(1).astype(np.float32)

    model = forests.write(estimator)

    made = [node.op_type for node in onnx.load_from_string(model).graph.node]
    assert min(parts, 20) <= made.count("TreeEnsemble") <= parts
    assert (answers(model, rows) == estimator.predict_proba(rows)).all()


def test_three_classes_with_mixed_leaves_are_equal_in_parts_too(monkeypatch):
    values, _ = _data()
    classes = np.digitize(values[:, 0] + values[:, 1], [-0.5, 0.5])
    estimator = ExtraTreesClassifier(12, max_depth=5, random_state=1).fit(values, classes)
    monkeypatch.setattr(forests, "SMALL", 1)
    rows = values.astype(np.float32)

    found = answers(forests.write(estimator), rows)

    assert np.abs(found - estimator.predict_proba(rows)).max() < 1e-14


def test_missing_values_go_where_training_sent_them():
    values, labels = _data()
    values[np.random.default_rng(3).random(values.shape) < 0.2] = np.nan
    estimator = RandomForestClassifier(20, random_state=1).fit(values, labels)
    rows = values.astype(np.float32)

    found = answers(to_onnx(estimator, rows), rows)

    assert (found == estimator.predict_proba(rows)).all()


def test_a_forest_that_never_saw_a_missing_value_answers_one_as_it_does():
    values, labels = _data()
    estimator = RandomForestClassifier(5, random_state=1).fit(values, labels)
    values[::3, 2] = np.nan
    rows = values.astype(np.float32)
    assert (answers(to_onnx(estimator, rows), rows) == estimator.predict_proba(rows)).all()


@pytest.mark.parametrize("estimator", [RandomForestClassifier(5), RandomForestRegressor(5)])
def test_one_answer_for_everybody_needs_no_split(estimator):
    values, _ = _data(50)
    estimator.fit(values, np.ones(50))
    assert (answers(forests.write(estimator), values.astype(np.float32)) == 1.0).all()


def test_several_numbers_at_once_are_regressed():
    values, labels = _data(500)
    targets = np.column_stack([values[:, 0] * 1e6, labels])
    estimator = ExtraTreesRegressor(5, random_state=1, min_samples_leaf=3).fit(values, targets)
    rows = values.astype(np.float32)

    found = answers(to_onnx(estimator, rows), rows)

    np.testing.assert_allclose(found, estimator.predict(rows), rtol=1e-14, atol=1e-9)


def test_several_labels_at_once_are_refused():
    values, labels = _data(200)
    both = np.column_stack([labels, 1 - labels])
    estimator = RandomForestClassifier(3).fit(values, both)
    with pytest.raises(NotConvertible, match="several labels at once"):
        to_onnx(estimator, values)


def test_classes_may_have_any_names():
    values, labels = _data(200)
    estimator = RandomForestClassifier(3).fit(values, np.array(["no", "yes"])[labels])
    rows = values.astype(np.float32)
    assert (answers(to_onnx(estimator, rows), rows) == estimator.predict_proba(rows)).all()


@given(
    st.lists(st.floats(allow_nan=False, width=64), min_size=1, max_size=50),
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=50),
)
def test_a_threshold_divides_float32_as_it_did_in_float64(thresholds, values):
    asked_for = np.array(thresholds)
    rounded = trees.largest_float32(asked_for)
    inputs = np.array(values, dtype=np.float32)
    near = np.concatenate([inputs, rounded[np.isfinite(rounded)]])
    expected = near[:, None].astype(np.float64) <= asked_for
    assert ((near[:, None] <= rounded) == expected).all()


def test_a_wrong_conversion_is_found_row_by_row(monkeypatch):
    """A plain cast of thresholds is such a mistake: it is what makes 3 % of rows wrong."""
    values, labels = _data()
    estimator = RandomForestClassifier(20, random_state=1).fit(values, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        monkeypatch.setattr(
            trees, "largest_float32", lambda found: (found - 0.04).astype(np.float32)
        )
        with pytest.raises(NotEqual) as refusal:
            to_onnx(estimator, values)
    assert 0 < len(refusal.value.rows) <= len(values)
    assert str(refusal.value).startswith("not_equal: ")
