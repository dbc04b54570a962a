"""A converted model answers as its estimator did, or is not handed out."""

import json

import numpy as np
import onnxruntime
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC, OneClassSVM

from lockgate import convert as package
from lockgate.convert import convert, general, to_onnx
from lockgate.errors import BadEstimator, BadSample, NotConvertible, NotEqual

RANDOM = np.random.default_rng(7)
SAMPLE = RANDOM.normal(size=(400, 5)).round(1).astype(np.float32)
LABELS = (SAMPLE[:, 0] + SAMPLE[:, 1] * SAMPLE[:, 2] > 0.1).astype(int)

CLASSIFIERS = [
    RandomForestClassifier(20, random_state=7, n_jobs=1),
    GradientBoostingClassifier(n_estimators=20, random_state=7),
    LogisticRegression(),
    make_pipeline(StandardScaler(), LogisticRegression()),
]


@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=lambda e: type(e).__name__)
def test_a_classifier_answers_the_same(estimator):
    estimator.fit(SAMPLE, LABELS)

    model = to_onnx(estimator, SAMPLE)

    session = onnxruntime.InferenceSession(model)
    (probabilities,) = session.run(["probabilities"], {"X": SAMPLE})
    assert np.abs(probabilities - estimator.predict_proba(SAMPLE)).max() <= 1e-5
    types = {output.name: output.type for output in session.get_outputs()}
    assert types["probabilities"] == "tensor(double)"  # Whatever it was converted from.


def test_a_regression_answers_the_same():
    target = 1e6 * SAMPLE[:, 0] + SAMPLE[:, 1]
    converted = convert(LinearRegression().fit(SAMPLE, target), SAMPLE, threshold=None)

    assert converted.signature.score.output == "variable"
    assert converted.signature.outputs[0]["shape"] == [-1, 1]
    golden = json.loads(converted.golden)
    assert golden["transactions"][0]["outputs"][0]["name"] == "variable"


def test_a_pipeline_whose_forest_learned_from_missing_values_is_refused_naming_rows():
    """skl2onnx converts it, and is silently wrong."""
    holes = SAMPLE.copy()
    holes[RANDOM.random(holes.shape) < 0.2] = np.nan
    forest = RandomForestClassifier(20, random_state=7, n_jobs=1)
    pipeline = make_pipeline(FunctionTransformer(), forest).fit(holes, LABELS)

    with pytest.raises(NotEqual) as refusal:
        to_onnx(pipeline, holes)

    rows = refusal.value.rows
    assert rows
    assert all(np.isnan(holes[row]).any() for row in rows)
    assert refusal.value.largest > 1e-3
    assert str(rows[0]) in str(refusal.value)


def test_rows_the_estimator_refuses_are_named():
    estimator = LogisticRegression().fit(SAMPLE, LABELS)
    holes = SAMPLE.copy()
    holes[17, 2] = np.nan
    with pytest.raises(BadSample, match=r"missing in rows 17\)"):
        to_onnx(estimator, holes)


def test_a_tolerance_is_kept_to():
    estimator = LogisticRegression().fit(SAMPLE, LABELS)
    with pytest.raises(NotEqual):
        to_onnx(estimator, SAMPLE, tolerance=1e-12)


@pytest.mark.parametrize("estimator", [KMeans(2), OneClassSVM()], ids=lambda e: type(e).__name__)
def test_what_gives_no_score_is_refused(estimator):
    estimator.fit(SAMPLE)
    with pytest.raises(NotConvertible):
        to_onnx(estimator, SAMPLE)


@pytest.mark.parametrize(
    "sample", [[], [[]], [1.0, 2.0], [[1e39, 0, 0, 0, 0]], [[np.inf, 0, 0, 0, 0]]]
)
def test_a_sample_that_is_none_is_refused(sample):
    estimator = LogisticRegression().fit(SAMPLE, LABELS)
    with pytest.raises(NotConvertible):
        to_onnx(estimator, sample)


@pytest.mark.parametrize(
    ("estimator", "code"),
    [
        (RandomForestClassifier(), "was not fitted"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "was not fitted"),
        ({"a": "dict"}, "no estimator: dict"),
        (LogisticRegression, "no estimator: type"),
    ],
)
def test_what_is_no_fitted_estimator_is_refused(estimator, code):
    with pytest.raises(BadEstimator, match=f"^bad_estimator: .*{code}"):
        to_onnx(estimator, SAMPLE)


def test_an_ensemble_beyond_the_converter_is_refused_at_once(monkeypatch):
    monkeypatch.setattr(general, "MOST_NODES", 100)
    boosted = GradientBoostingClassifier(n_estimators=20, random_state=7).fit(SAMPLE, LABELS)
    with pytest.raises(NotConvertible, match="nodes"):
        package.to_onnx(boosted, SAMPLE)


def test_the_profile_tells_each_feature_and_the_score():
    holes = SAMPLE.copy()
    holes[:100, 1] = np.nan
    holes[:, 2] = holes[:, 2] > 0
    estimator = RandomForestClassifier(5, random_state=1).fit(holes, LABELS)

    profile = json.loads(convert(estimator, holes).profile)

    assert (profile["schema"], profile["rows"]) == ("lockgate.profile/1", 400)
    first, second, third, *_ = profile["features"]
    assert first["quantiles"]["0.5"] == pytest.approx(np.median(holes[:, 0]))
    assert sum(first["histogram"]["counts"]) == 400
    assert len(first["histogram"]["edges"]) == len(first["histogram"]["counts"]) + 1
    assert (second["missing"], sum(second["histogram"]["counts"])) == (0.25, 300)
    assert {each["value"] for each in third["categories"]} == {0.0, 1.0}
    assert sum(each["count"] for each in third["categories"]) == 400
    assert 0 <= profile["score"]["min"] <= profile["score"]["max"] <= 1


def test_golden_transactions_span_the_scores():
    estimator = LogisticRegression().fit(SAMPLE, LABELS)
    names = ["a", "b", "c", "d", "e"]
    converted = convert(estimator, SAMPLE, features=names, golden=10)

    golden = json.loads(converted.golden)
    scores = [each["outputs"][0]["data"][1] for each in golden["transactions"]]
    all_scores = estimator.predict_proba(SAMPLE)[:, 1]
    assert len(scores) == 10
    assert min(scores) == pytest.approx(all_scores.min(), abs=1e-6)
    assert max(scores) == pytest.approx(all_scores.max(), abs=1e-6)
    features = converted.signature.inputs[0]["features"]
    assert [feature["name"] for feature in features] == names
    assert features[0]["min"] == pytest.approx(float(SAMPLE[:, 0].min()))
    assert not any(feature["missing"] for feature in features)


def test_names_and_columns_must_agree():
    estimator = LogisticRegression().fit(SAMPLE, LABELS)
    with pytest.raises(NotConvertible, match="2 names for 5 columns"):
        convert(estimator, SAMPLE, features=["a", "b"])


@pytest.mark.parametrize(
    "estimator", [LinearSVC(), StandardScaler()], ids=lambda e: type(e).__name__
)
def test_what_is_asked_otherwise_is_refused_with_a_code(estimator):
    """Its ONNX model has an output of that name all the same."""
    estimator.fit(SAMPLE, LABELS)
    with pytest.raises(NotConvertible, match=r"^not_convertible: .* gives neither"):
        to_onnx(estimator, SAMPLE)


@pytest.mark.parametrize("forest", [RandomForestClassifier, RandomForestRegressor])
def test_a_forest_behind_a_scaler_answers_the_same(forest):
    """A scaler that multiplies is a bit off, and that is the other side of a threshold."""
    rows = RANDOM.normal(size=(2_000, 6)).round(2).astype(np.float32)
    target = (rows[:, 0] * 3 + rows[:, 1] ** 2).round(0)
    pipeline = make_pipeline(StandardScaler(), forest(20, random_state=7, n_jobs=1))
    pipeline.fit(rows.astype(np.float64), target)
    assert to_onnx(pipeline, rows)


def test_the_estimator_wonders_about_no_names_aloud(recwarn):
    estimator = LogisticRegression().fit(SAMPLE, LABELS)
    estimator.feature_names_in_ = np.array(list("abcde"), dtype=object)
    to_onnx(estimator, SAMPLE)
    assert [each for each in recwarn if "feature names" in str(each.message)] == []
