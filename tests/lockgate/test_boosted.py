"""Histogram gradient boosting answers as scikit-learn does, with missing values and without."""

import numpy as np
import onnxruntime
import pytest
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.model_selection import GridSearchCV

from lockgate.convert import general, to_onnx
from lockgate.errors import NotConvertible

RANDOM = np.random.default_rng(7)
ROWS = RANDOM.normal(size=(1_500, 5)).round(1).astype(np.float32)
HOLES = np.where(RANDOM.random(ROWS.shape) < 0.1, np.float32(np.nan), ROWS)
TWO = (ROWS[:, 0] + ROWS[:, 1] * ROWS[:, 2] > 0).astype(int)
THREE = np.digitize(ROWS[:, 0], [-0.5, 0.5])
VALUES = (ROWS[:, 0] - ROWS[:, 0].min() + ROWS[:, 1] ** 2 + 1).astype(np.float64)


def _asked(model, rows):
    return onnxruntime.InferenceSession(model).run(None, {"X": rows})[0]


@pytest.mark.parametrize("target", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("rows", [ROWS, HOLES], ids=["whole", "holes"])
def test_a_classifier_answers_the_same(rows, target):
    estimator = HistGradientBoostingClassifier(max_iter=15).fit(rows, target)
    model = to_onnx(estimator, rows)
    # Also what is missing where training never saw that.
    for asked in (rows, HOLES):
        apart = np.abs(_asked(model, asked) - estimator.predict_proba(asked))
        assert apart.max() <= 1e-14


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "poisson", "gamma"])
def test_a_regression_answers_the_same(loss):
    estimator = HistGradientBoostingRegressor(loss=loss, max_iter=15).fit(HOLES, VALUES)
    model = to_onnx(estimator, HOLES)
    apart = np.abs(_asked(model, HOLES)[:, 0] - estimator.predict(HOLES))
    assert apart.max() <= 1e-12


def test_trees_of_single_leaves_answer_the_first_guess():
    estimator = HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=1_499).fit(ROWS, TWO)
    model = to_onnx(estimator, ROWS)
    assert np.abs(_asked(model, ROWS) - estimator.predict_proba(ROWS)).max() <= 1e-14


def test_splits_on_categories_are_refused_with_a_remedy():
    rows = np.column_stack([ROWS[:, :4], RANDOM.integers(0, 4, len(ROWS))])
    estimator = HistGradientBoostingClassifier(max_iter=2, categorical_features=[4]).fit(rows, TWO)
    with pytest.raises(NotConvertible, match="splits on categories: encode them"):
        to_onnx(estimator, rows)


@pytest.mark.parametrize(
    "estimator",
    [HistGradientBoostingClassifier(max_iter=3), RandomForestClassifier(5, random_state=7)],
    ids=lambda each: type(each).__name__,
)
def test_a_search_is_written_as_what_it_found(estimator, monkeypatch):
    """Not by the general converter, which is limited to small trees."""
    monkeypatch.setattr(general, "MOST_NODES", 0)
    search = GridSearchCV(estimator, {"max_depth": [2, 3]}, cv=2).fit(ROWS, TWO)
    model = to_onnx(search, ROWS)
    assert np.abs(_asked(model, ROWS) - search.predict_proba(ROWS)).max() <= 1e-6
