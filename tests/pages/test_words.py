"""How numbers, sizes and times are written."""

from datetime import timedelta

import pytest
from django.utils import timezone

from promotion.templatetags import lockgate


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (48_201, "48,201"),
        (0.00309123, "0.003091"),
        (12_345.6, "12,346"),
        (0, "0"),
        (None, "not supplied"),
        (True, "True"),
        ("as it is", "as it is"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_a_number_is_written_to_be_read(value: object, text: str) -> None:
    assert lockgate.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"qa": 0, "prod-eu": 2}, "qa 0, prod-eu 2"),
        ({}, "none"),
        ([], "none"),
        (["limit_bal", "age"], "limit_bal; age"),
        ([{"title": "Bias", "blocks": True}], "title Bias, blocks yes"),
        (0.123456789, "0.123457"),
        (None, "not supplied"),
        ("trained", "trained"),
    ],
)
def test_a_fact_is_written_without_brackets(value: object, text: str) -> None:
    assert lockgate.fact(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (1_240_000, "1.2 MB"), (4_300_000_000_000, "4,300.0 GB")],
)
def test_bytes_are_written_in_the_unit_that_fits(value: int, text: str) -> None:
    assert lockgate.size(value) == text
    assert lockgate.size(None) == "not supplied"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12, "12 s ago"),
        (190, "3 min ago"),
        (7_500, "2 h 5 min ago"),
        (40_000, "11 h ago"),
        (259_200, "3 days ago"),
        (-90, "in 1 min"),
        (0, "now"),
    ],
)
def test_a_moment_is_so_long_ago(seconds: int, text: str) -> None:
    half = timedelta(milliseconds=500 if seconds < 0 else 0)

    assert lockgate.ago(timezone.now() - timedelta(seconds=seconds) + half) == text


def test_a_difference_always_has_its_sign() -> None:
    assert lockgate.signed(0.0041) == "+0.0041"
    assert lockgate.signed(-3) == "\N{MINUS SIGN}3"
    assert lockgate.signed(0) == "0"
    assert lockgate.grown(5, 2_005) == "+2.0 kB"


def test_what_changes_by_itself_does_not_count_as_a_change() -> None:
    one = lockgate.fingerprint('<b>1</b><span class="ago">2 s ago</span>')

    assert one == lockgate.fingerprint('<b>1</b><span class="ago">9 s ago</span>')
    assert one != lockgate.fingerprint('<b>2</b><span class="ago">2 s ago</span>')
