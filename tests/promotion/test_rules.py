"""The rules, as whole tables."""

import itertools

import pytest

from promotion import rules

STATES = ("trained", "dark", "production", "retired")
KINDS = ("deploy_dark", "promote", "retire")


@pytest.mark.parametrize(("state", "kind"), list(itertools.product(STATES, KINDS)))
def test_only_the_drawn_ways_may_be_asked_for(state, kind):
    verdict = rules.may_ask(state=state, kind=kind)

    assert bool(verdict) is ((state, kind) in rules.LEGAL)
    if not verdict:
        assert verdict.rule == "illegal_transition"
        assert verdict.reason


APPROVERS = [
    ("bram", {"asha"}, set(), ""),
    ("", {"asha"}, set(), "a_person"),
    ("asha", {"asha"}, set(), "four_eyes"),
    ("author", {"asha", "author"}, set(), "four_eyes"),
    ("bram", {"asha"}, {"bram"}, "one_vote"),
    ("asha", {"asha"}, {"asha"}, "four_eyes"),
]


@pytest.mark.parametrize(("approver", "involved", "earlier", "rule"), APPROVERS)
def test_four_eyes_are_four_eyes_of_persons(approver, involved, earlier, rule):
    verdict = rules.may_approve(
        approver=approver, involved=frozenset(involved), earlier_approvers=frozenset(earlier)
    )

    assert getattr(verdict, "rule", "") == rule


STANDING = {
    "approvers": frozenset({"bram"}),
    "valid_approvers": frozenset({"bram"}),
    "needed": 1,
    "champion_asked": "a" * 64,
    "champion_now": "a" * 64,
    "policy_asked": 1,
    "policy_now": 1,
    "state_asked": "trained",
    "state_now": "trained",
}


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({}, ""),
        ({"champion_now": "b" * 64}, "another_champion"),
        ({"champion_now": None}, "another_champion"),
        ({"champion_asked": None}, "another_champion"),
        ({"champion_asked": None, "champion_now": None}, ""),
        ({"policy_now": 2}, "another_policy"),
        ({"state_now": "dark"}, "another_state"),
        ({"valid_approvers": frozenset()}, "approvals_lapsed"),
        ({"valid_approvers": frozenset({"eve"})}, "approvals_lapsed"),
        ({"needed": 2}, "approvals_lapsed"),
        ({"needed": 0, "approvers": frozenset()}, ""),
    ],
)
def test_approvals_carry_only_what_they_were_given_for(changed, rule):
    verdict = rules.still_stands(**{**STANDING, **changed})

    assert getattr(verdict, "rule", "") == rule
