"""Exact intervals agree with the beta quantiles of SciPy."""

import pytest
from scipy.stats import beta

from promotion.proportions import exact

CASES = [(1, 10), (5, 10), (9, 10), (149, 48_201), (3, 2_000_000), (999_999, 2_000_000), (1, 1)]


@pytest.mark.parametrize(("count", "total"), CASES)
def test_bounds_are_the_quantiles_of_the_beta_distribution(count: int, total: int) -> None:
    share = exact(count, total)

    assert share is not None
    assert share.low == pytest.approx(beta.ppf(0.025, count, total - count + 1), rel=1e-9)
    if count < total:
        assert share.high == pytest.approx(beta.ppf(0.975, count + 1, total - count), rel=1e-9)


def test_none_at_all_has_a_lower_bound_of_zero() -> None:
    share = exact(0, 100)

    assert share is not None
    assert share.low == 0.0
    assert share.high == pytest.approx(1 - 0.025 ** (1 / 100), rel=1e-9)


def test_all_of_them_have_an_upper_bound_of_one() -> None:
    share = exact(50, 50)

    assert share is not None
    assert (share.value, share.high) == (1.0, 1.0)


def test_a_share_of_nothing_is_none() -> None:
    assert exact(0, 0) is None


@pytest.mark.parametrize(("count", "total"), [(-1, 10), (11, 10)])
def test_an_impossible_share_is_refused(count: int, total: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        exact(count, total)
