import json

from lockgate.demo.tally import KEPT_FAILURES, Tally


def test_the_gap_is_between_answers_and_a_failure_does_not_end_it():
    tally = Tally()

    tally.answered("eu-1", "1", now=10.0)
    tally.answered("eu-2", "1", now=10.2)
    tally.missed("eu-1", "500", now=10.5)
    tally.answered("eu-1", "1", now=11.0)
    tally.answered("eu-2", "1", now=11.1)

    assert round(tally.gap, 3) == 0.8
    assert (tally.sent, tally.failed) == (5, 1)


def test_all_answer_only_once_the_last_agent_has_changed_over():
    tally = Tally()
    for agent in ("eu-1", "eu-2"):
        tally.answered(agent, "1", now=1.0)

    tally.answered("eu-1", "2", now=2.0)
    assert tally.all_answer("2") is None

    tally.answered("eu-2", "2", now=2.5)
    assert tally.all_answer("2") == 2.5
    assert tally.all_answer("1") is None


def test_a_late_answer_of_the_old_version_starts_the_count_anew():
    tally = Tally()

    tally.answered("eu-1", "2", now=2.0)
    tally.answered("eu-1", "1", now=2.1)
    tally.answered("eu-1", "2", now=2.2)

    assert tally.all_answer("2") == 2.2


def test_nobody_answers_before_the_first_answer():
    assert Tally().all_answer("1") is None


def test_the_first_failures_are_kept_in_words_and_no_more():
    tally = Tally()

    for number in range(KEPT_FAILURES + 5):
        tally.missed("eu-1", f"reason {number}", now=0.0)

    assert tally.failed == KEPT_FAILURES + 5
    assert len(tally.failures) == KEPT_FAILURES
    assert tally.failures[0].endswith("eu-1: reason 0")


def test_a_tally_survives_the_pipe():
    tally = Tally()
    tally.answered("eu-1", "2", now=2.0)
    tally.missed("eu-2", "ReadTimeout", now=3.0)

    read = Tally.read(json.loads(json.dumps(tally.document())))

    assert read.document() == tally.document()
    assert read.all_answer("2") == 2.0
