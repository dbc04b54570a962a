"""Exact confidence intervals for a share, such as decisions that flipped.

Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the
case of the binomial", Biometrika 26 (1934): the bounds are quantiles of the beta
distribution, found here by bisection of its distribution function, which is the
continued fraction of Abramowitz and Stegun 26.5.8.
"""

from dataclasses import dataclass
from math import exp, lgamma, log, log1p

_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Share:
    """``count`` of ``total``, and between which shares the true one lies."""

    count: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.count / self.total


def exact(count: int, total: int, *, alpha: float = 0.05) -> Share | None:
    """Return a share with its exact interval, or None of nothing.

    Raises:
        ValueError: a count below zero or above the total.
    """
    if not 0 <= count <= total:
        message = f"{count} of {total} is no share"
        raise ValueError(message)
    if not total:
        return None
    low = _quantile(alpha / 2, count, total - count + 1) if count else 0.0
    high = _quantile(1 - alpha / 2, count + 1, total - count) if count < total else 1.0
    return Share(count, total, low, high)


def _quantile(probability: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(64):
        middle = (low + high) / 2
        if _beta(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), for 0 < x < 1."""
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """Evaluate the continued fraction by Lentz's method."""
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 500):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = value
        for term in (even, odd):
            c, d = _away(1 + term / c), 1 / _away(1 + term * d)
            value *= c * d
        if abs(value - before) <= 1e-15 * abs(value):
            break
    return value


def _away(value: float) -> float:
    """Keep a divisor away from zero."""
    return value if abs(value) > _TINY else _TINY
