"""It is true that what never came is counted, in whatever order the rest came."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from serving_agent.mirror import gaps
from serving_agent.mirror.gaps import Gaps


@given(
    st.sets(st.integers(0, 60), min_size=1), st.randoms(use_true_random=False), st.integers(1, 2)
)
def test_missing_is_what_lies_between_the_first_and_the_last(
    arrived: set[int], random: Random, times: int
) -> None:
    order = list(arrived) * times
    random.shuffle(order)
    counted = Gaps()

    for seq in order:
        counted.saw("agent-1", "boot-1", seq)

    assert counted.missing() == max(arrived) - min(arrived) + 1 - len(arrived)


def test_producers_and_epochs_are_counted_apart() -> None:
    counted = Gaps()
    for producer, epoch, seq in [("a", "1", 1), ("a", "1", 3), ("a", "2", 9), ("b", "1", 5)]:
        counted.saw(producer, epoch, seq)

    assert counted.missing() == 1


def test_a_mad_number_costs_no_memory() -> None:
    counted = Gaps()
    counted.saw("a", "1", 1)
    counted.saw("a", "1", 2**63 - 1)

    assert counted.missing() == 2**63 - 3


def test_epochs_are_forgotten_but_their_gaps_are_not() -> None:
    counted = Gaps()
    for epoch in range(gaps.MAX_EPOCHS * 2):
        counted.saw("a", str(epoch), 1)
        counted.saw("a", str(epoch), 3)

    assert counted.missing() == gaps.MAX_EPOCHS * 2


def test_another_stream_starts_over_and_keeps_the_count() -> None:
    counted = Gaps()
    counted.saw("a", "1", 1)
    counted.saw("a", "1", 3)
    counted.forget()
    counted.saw("a", "1", 100)

    assert counted.missing() == 1
