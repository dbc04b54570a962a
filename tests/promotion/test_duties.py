from itertools import combinations

import pytest

from promotion import duties
from promotion.duties import Overlap, overlaps

NOBODY: dict[str, list[str]] = {
    "requesters": [],
    "authors": [],
    "approvers": [],
    "executors": [],
    "waivers": [],
    "reviewers": [],
}
BY_DUTY = dict(
    zip(
        duties.DUTIES,
        ("requesters", "authors", "approvers", "waivers", "executors", "reviewers"),
        strict=True,
    )
)
KEPT_APART = {
    ("requester", "approver"),
    ("author", "approver"),
    ("requester", "waiver"),
    ("author", "waiver"),
    ("requester", "reviewer"),
    ("author", "reviewer"),
    ("executor", "reviewer"),
}


def test_persons_with_one_duty_each_overlap_nowhere() -> None:
    found = overlaps(
        requesters=["asha"],
        authors=["ines"],
        approvers=["bram", "cleo"],
        executors=["omar"],
        waivers=["rosa"],
        reviewers=["dina"],
    )
    assert found == ()


@pytest.mark.parametrize("pair", list(combinations(duties.DUTIES, 2)))
def test_each_pair_is_told_and_a_breach_where_four_eyes_keep_it_apart(
    pair: tuple[str, str],
) -> None:
    (found,) = overlaps(**{**NOBODY, **{BY_DUTY[duty]: ["asha"] for duty in pair}}, request="r-1")
    assert found == Overlap("asha", pair, "r-1")
    assert found.is_breach is (pair in KEPT_APART)


def test_somebody_who_did_it_all_is_named_once_with_every_breach() -> None:
    (found,) = overlaps(**{duty: ["asha"] for duty in NOBODY})
    assert found.duties == tuple(duties.DUTIES)
    assert set(found.breaches) == KEPT_APART


def test_machines_have_no_person_and_overlap_with_nobody() -> None:
    found = overlaps(requesters=[""], authors=[], approvers=["", "bram"], executors=[""])
    assert found == ()


def test_people_come_by_name_whatever_the_order_they_are_given_in() -> None:
    found = overlaps(
        requesters=["bram", "asha"], authors=["asha", "bram"], approvers=[], executors=[]
    )
    assert [one.person for one in found] == ["asha", "bram"]
    assert found[0].words == "asked for it and made the version"
    assert not any(one.is_breach for one in found)
