"""Segregation of duties: which person did more than one thing about the same change.

A function of names alone. Whoever gathers them says where from: the audit log, for what
happened, or a request as it stands. Persons count and not accounts, so somebody with two
accounts is still one; a machine has no person and overlaps with nobody.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

REQUESTER = "requester"
AUTHOR = "author"
APPROVER = "approver"
WAIVER = "waiver"
EXECUTOR = "executor"
REVIEWER = "reviewer"
DUTIES: Mapping[str, str] = {
    REQUESTER: "asked for it",
    AUTHOR: "made the version",
    APPROVER: "signed it",
    WAIVER: "waived a gate for it",
    EXECUTOR: "carried it out by hand",
    REVIEWER: "reviewed it afterwards",
}
"""What each duty is, in words; in the order in which they come up."""
APART = frozenset(
    {
        frozenset({REQUESTER, APPROVER}),
        frozenset({AUTHOR, APPROVER}),
        frozenset({REQUESTER, WAIVER}),
        frozenset({AUTHOR, WAIVER}),
        frozenset({REQUESTER, REVIEWER}),
        frozenset({AUTHOR, REVIEWER}),
        frozenset({EXECUTOR, REVIEWER}),
    }
)
"""Duties that four eyes keep apart. Of all others an overlap is told, and breaks no rule."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """One person with several duties in one change."""

    person: str
    duties: tuple[str, ...]
    request: str = ""

    @property
    def breaches(self) -> tuple[tuple[str, str], ...]:
        """The pairs of these duties that one person may not have."""
        return tuple(
            (one, other)
            for place, one in enumerate(self.duties)
            for other in self.duties[place + 1 :]
            if frozenset({one, other}) in APART
        )

    @property
    def is_breach(self) -> bool:
        return bool(self.breaches)

    @property
    def words(self) -> str:
        """What this person did: "asked for it and signed it"."""
        return " and ".join(DUTIES[duty] for duty in self.duties)


def overlaps(
    *,
    requesters: Iterable[str],
    authors: Iterable[str],
    approvers: Iterable[str],
    executors: Iterable[str],
    waivers: Iterable[str] = (),
    reviewers: Iterable[str] = (),
    request: str = "",
) -> tuple[Overlap, ...]:
    """Return who had more than one duty in one change, by name.

    Args:
        requesters: who asked for it, and the owner of the token that did.
        authors: who made the version.
        approvers: who signed for it.
        executors: who carried it out or steered it by hand; nobody when the system did.
        waivers: who waived a gate that it was judged by.
        reviewers: who reviewed afterwards what one person did alone.
        request: its id, kept with what is found.
    """
    by_duty = {
        REQUESTER: frozenset(requesters),
        AUTHOR: frozenset(authors),
        APPROVER: frozenset(approvers),
        WAIVER: frozenset(waivers),
        EXECUTOR: frozenset(executors),
        REVIEWER: frozenset(reviewers),
    }
    found = []
    for person in sorted(frozenset().union(*by_duty.values()) - {""}):
        duties = tuple(duty for duty in DUTIES if person in by_duty[duty])
        if len(duties) > 1:
            found.append(Overlap(person, duties, request))
    return tuple(found)
