from datetime import date, timedelta

import pytest

from promotion import charts
from promotion.charts import Chart

DAY = date(2026, 3, 2)


def drawn(days: dict[int, dict[str, int]], span: int = 30) -> Chart:
    counts = {DAY + timedelta(days=place): count for place, count in days.items()}
    return charts.by_day(counts, first=DAY, last=DAY + timedelta(days=span - 1))


def test_heights_are_to_scale_and_stand_on_each_other() -> None:
    chart = drawn({0: {"request": 3, "role": 1}, 1: {"request": 2}})
    first, second, third = chart.pieces
    assert chart.most == 4
    assert first.height == charts.HEIGHT * 3 / 4
    assert second.y == charts.TOP
    assert first.y == second.y + second.height
    assert third.y + third.height == chart.floor


def test_the_numbers_beside_are_those_of_the_picture() -> None:
    chart = drawn({0: {"request": 3, "role": 1}, 5: {"role": 4}})
    assert chart.series == (("role", 5), ("request", 3))
    assert [(c.label, c.counts, c.total) for c in chart.columns if c.total] == [
        ("2026-03-02", (1, 3), 4),
        ("2026-03-07", (4, 0), 4),
    ]


def test_all_but_the_largest_sorts_are_one() -> None:
    chart = drawn({0: {f"sort-{n}": n for n in range(1, 10)}})
    assert [name for name, _ in chart.series][-1] == "other"
    assert sum(total for _, total in chart.series) == sum(range(1, 10))
    assert chart.series[-1] == ("other", 1 + 2 + 3 + 4)


@pytest.mark.parametrize(
    ("span", "each"),
    [(1, "day"), (62, "day"), (63, "week"), (430, "week"), (431, "month"), (70_000, "year")],
)
def test_a_bar_is_as_long_as_keeps_them_few(span: int, each: str) -> None:
    chart = drawn({0: {"request": 1}}, span)
    assert chart.each == each
    assert len(chart.columns) <= 200
    assert sum(column.total for column in chart.columns) == 1
    assert all(0 <= x <= chart.width for x, _ in chart.ticks)


def test_nothing_is_drawn_of_nothing() -> None:
    chart = drawn({})
    assert (chart.most, chart.pieces, chart.series) == (0, (), ())
