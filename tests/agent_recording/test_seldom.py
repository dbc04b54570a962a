"""It is true that one repeated trouble makes few log lines, and another one is still heard."""

from serving_agent import seldom
from serving_agent.seldom import Seldom


def test_each_subject_is_due_once_in_a_while() -> None:
    now = [0.0]
    worth = Seldom(seconds=30, clock=lambda: now[0])

    assert [worth.due("a"), worth.due("a"), worth.due("b")] == [True, False, True]
    now[0] = 29.9
    assert not worth.due("a")
    now[0] = 30.0
    assert worth.due("a")


def test_subjects_without_number_cost_no_memory_without_end() -> None:
    worth = Seldom()
    for subject in range(10 * seldom.MAX_SUBJECTS):
        assert worth.due(str(subject))

    assert len(worth._next) <= seldom.MAX_SUBJECTS
