"""Distributions that agents can add up, and where a request is scored."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serving_agent.cost import OUTLIER, Cost
from serving_agent.latency import SIZE, Latency, bucket, edge

WIDTH = 2 ** (1 / 8)
durations = st.floats(min_value=0.01, max_value=100_000)


@given(st.lists(durations, min_size=1, max_size=200))
def test_a_quantile_is_within_a_bucket_of_the_right_one(taken: list[float]) -> None:
    latency = Latency(clock=lambda: 0.0)
    for milliseconds in taken:
        latency.add(milliseconds)

    minute, _, hour = latency.windows()

    assert (minute.count, hour.count) == (len(taken), len(taken))
    assert np.isclose(minute.mean_ms, np.mean(taken))
    assert np.isclose(minute.sd_ms**2, np.var(taken), rtol=1e-6, atol=1e-6 * max(taken) ** 2)
    for share, found in ((50, minute.p50_ms), (95, minute.p95_ms), (99, minute.p99_ms)):
        right = float(np.percentile(taken, share, method="inverted_cdf"))
        assert right / WIDTH * 0.999 <= found <= right * WIDTH * 1.001


@given(st.floats(min_value=0, max_value=1e9))
def test_every_duration_has_a_bucket(milliseconds: float) -> None:
    place = bucket(milliseconds)

    assert 0 <= place < SIZE
    if 0.01 < milliseconds < 100_000:
        assert edge(place) * 0.999 <= milliseconds <= edge(place + 1) * 1.001


def test_windows_slide() -> None:
    now = [0.0]
    latency = Latency(clock=lambda: now[0])
    for second in range(4_000):
        now[0] = float(second)
        latency.add(1.0 if second < 3_900 else 8.0)

    minute, ten, hour = latency.windows()

    assert 60 <= minute.count <= 70
    assert 600 <= ten.count <= 660
    assert 3_600 <= hour.count <= 3_900
    assert minute.p50_ms > 7
    assert ten.p50_ms < 1.1
    assert ten.p95_ms > 7
    assert sum(latency.counts) == 4_000

    now[0] += 71
    assert [one.count > 0 for one in latency.windows()] == [False, True, True]
    now[0] += 5_000
    assert [one.count for one in latency.windows()] == [0, 0, 0]


def test_a_pause_loses_nothing_and_keeps_nothing_too_long() -> None:
    now = [0.0]
    latency = Latency(clock=lambda: now[0])
    latency.add(1.0)
    now[0] = 500.0
    latency.add(1.0)

    assert [one.count for one in latency.windows()] == [1, 2, 2]
    now[0] = 700.0
    assert [one.count for one in latency.windows()] == [0, 1, 2]


def test_prometheus_gets_cumulated_buckets_with_an_end() -> None:
    latency = Latency(clock=lambda: 0.0)
    for milliseconds in (0.01, 0.4, 3.0, 60_000.0):
        latency.add(milliseconds)

    buckets = dict(latency.cumulated())

    assert list(buckets.values()) == sorted(buckets.values())
    assert buckets["+Inf"] == 4
    assert (buckets["0.0005"], buckets["0.002"], buckets["0.004"]) == (2, 2, 3)


def test_a_model_changes_sides_after_many_answers_and_not_after_one() -> None:
    cost = Cost(limit_ms=0.5)
    cost.begin(0.1)
    assert not cost.is_dear(1)

    cost.note(500.0, rows=1)
    assert not cost.is_dear(1)
    for _ in range(40):
        cost.note(1.0, rows=1)
    assert cost.is_dear(1)

    for _ in range(100):
        cost.note(0.4, rows=1)
    assert cost.is_dear(1), "between the two limits it stays where it is"
    for _ in range(100):
        cost.note(0.2, rows=1)
    assert not cost.is_dear(1)
    assert OUTLIER > 1


def test_many_rows_of_a_cheap_model_are_dear() -> None:
    cost = Cost(limit_ms=0.5)
    cost.begin(0.01)

    assert not cost.is_dear(20)
    assert cost.is_dear(1_000)
    for _ in range(200):
        cost.note(0.1, rows=1_000)  # Together they take hardly longer than one.
    assert not cost.is_dear(1_000)
