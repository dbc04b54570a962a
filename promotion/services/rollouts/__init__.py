"""Carries out approved requests, driven by what agents report.

``begin`` starts one, inside the transaction that decides; ``advance`` takes the
steps that agents' reports allow, in a transaction of its own. Each starts from
the rows and never from the last call's result, so a lost report, a killed
worker or a second call at the same moment need no special case.
"""

from promotion.services.rollouts.advancing import advance, advance_target
from promotion.services.rollouts.beginning import begin, begin_switched, supersede
from promotion.services.rollouts.context import load
from promotion.services.rollouts.staging import bar, step_down
from promotion.services.rollouts.steps import abort, release_beyond, release_the_oldest

__all__ = [
    "abort",
    "advance",
    "advance_target",
    "bar",
    "begin",
    "begin_switched",
    "load",
    "release_beyond",
    "release_the_oldest",
    "step_down",
    "supersede",
]
