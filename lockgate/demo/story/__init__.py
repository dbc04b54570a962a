"""The story, act by act. Each act sees to it that what it tells is so."""

from collections.abc import Callable

from lockgate.demo.story import opening, proof, successor, trials
from lockgate.demo.story.stage import Stage

Act = tuple[str, Callable[[Stage], None]]

ACTS: tuple[Act, ...] = (
    ("The system comes up", opening.come_up),
    ("People and rules", opening.people_and_rules),
    ("Version 1: through qa, and dark first in prod-eu", opening.first_version),
    ("Callers arrive", opening.callers_arrive),
    ("Version 2: better, dark beside version 1", successor.goes_dark),
    ("Version 2: compared, approved by a second person, switched in", successor.switches_in),
    ("Version 1: retired, drained, unloaded", successor.first_is_unloaded),
    ("Version 3: its golden transactions do not match", trials.bad_version),
    ("Back to version 1, and return", trials.back_and_return),
    ("What an auditor takes away", proof.take_away),
    ("Version 4 waits for you", proof.next_version),
)


def play(stage: Stage) -> None:
    """Play every act.

    Raises:
        StoryError: something did not come out as the story tells it.
    """
    for name, act in ACTS:
        with stage.tell.step(name):
            act(stage)
