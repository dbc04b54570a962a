"""Trains the versions of the story with scikit-learn, and measures them on held-out clients."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import brier_score_loss, roc_auc_score

from lockgate.demo.data import Clients, Parts

SEED: Final = 7


class Classifier(Protocol):
    """What the story needs of an estimator."""

    def fit(self, features: NDArray[np.float32], labels: NDArray[np.int64], /) -> object: ...
    def predict_proba(self, features: NDArray[np.float32], /) -> NDArray[np.float64]: ...
    def get_params(self) -> dict[str, object]: ...


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a version is made: in words, its estimator, and whom it learns from."""

    words: str
    make: Callable[[], Classifier]
    part: str


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted estimator and what it is worth."""

    recipe: Recipe
    estimator: Classifier
    clients: int
    auc: float
    brier: float
    seconds: float


def _forest() -> Classifier:
    return _classifier(RandomForestClassifier(100, random_state=SEED, n_jobs=1))


def _boosted() -> Classifier:
    return _classifier(
        GradientBoostingClassifier(
            n_estimators=100,
            max_depth=4,
            learning_rate=0.08,
            subsample=0.5,
            max_features=6,
            random_state=SEED,
        )
    )


def _boosted_deeper() -> Classifier:
    return _classifier(
        GradientBoostingClassifier(
            n_estimators=120,
            max_depth=5,
            learning_rate=0.06,
            subsample=0.5,
            max_features=5,
            min_samples_leaf=30,
            random_state=SEED,
        )
    )


def _classifier(estimator: Any) -> Classifier:
    """Give scikit-learn's estimators, which carry no types, the one the story knows."""
    made: Classifier = estimator
    return made


FIRST: Final = Recipe("a random forest of 100 trees, on 8,000 clients", _forest, "first")
BETTER: Final = Recipe("gradient boosting, on 20,000 clients", _boosted, "all_known")
NEXT: Final = Recipe(
    "deeper trees in smaller steps, on 20,000 clients", _boosted_deeper, "all_known"
)


def train(recipe: Recipe, parts: Parts) -> Trained:
    """Fit a recipe and measure it on clients it has not seen."""
    part: Clients = getattr(parts, recipe.part)
    began = time.monotonic()
    estimator = recipe.make()
    estimator.fit(part.features, part.labels)
    scores = estimator.predict_proba(parts.held_out.features)[:, 1]
    return Trained(
        recipe,
        estimator,
        len(part),
        float(roc_auc_score(parts.held_out.labels, scores)),
        float(brier_score_loss(parts.held_out.labels, scores)),
        time.monotonic() - began,
    )
