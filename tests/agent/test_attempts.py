"""When something that did not work is tried again."""

import itertools

import pytest

from serving_agent import backoff
from serving_agent.attempts import FINAL, TRIES, Attempts
from serving_agent.errors import Reason


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("reason", sorted(FINAL))
def test_what_will_be_just_as_wrong_waits_for_another_generation(reason: Reason) -> None:
    clock = Clock()
    attempts = Attempts(clock)

    attempts.failed("d", reason)
    clock.now = 1e9

    assert attempts.blocked() == {"d"}
    attempts.forget()
    assert attempts.blocked() == frozenset()


def test_three_failed_validations_are_enough() -> None:
    clock = Clock()
    attempts = Attempts(clock)

    for _ in range(TRIES):
        assert attempts.blocked() == frozenset()
        attempts.failed("d", Reason.LOAD_FAILED)
        clock.now += 100

    assert attempts.blocked() == {"d"}
    assert attempts.wait() == float("inf")


def test_the_network_is_tried_for_as_long_as_it_takes() -> None:
    clock = Clock()
    attempts = Attempts(clock)

    for _ in range(1000):
        attempts.failed("d", Reason.FETCH_FAILED)
        assert attempts.wait() <= 30
        clock.now += 31
        assert attempts.blocked() == frozenset()


def test_success_wipes_the_slate() -> None:
    attempts = Attempts(Clock())
    attempts.failed("d", Reason.TIMEOUT)
    attempts.failed("d", Reason.TIMEOUT)

    attempts.succeeded("d")
    attempts.failed("d", Reason.TIMEOUT)

    assert attempts.wait() < 30


def test_waits_are_drawn_from_nothing_to_a_bound_that_doubles() -> None:
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    waits = list(itertools.islice(backoff.delays(base=1, cap=10, draw=draw), 6))

    assert waits == [1, 2, 4, 8, 10, 10]
    assert all(low == 0 for low, _ in drawn)
