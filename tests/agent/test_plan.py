"""The order of steps, as tables, and what holds at every moment between them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_agent.plan import (
    HOLD,
    LAST,
    Drop,
    Fetch,
    Load,
    Observed,
    Role,
    Step,
    Switch,
    Unload,
    Wanted,
    after,
    answering,
    next_steps,
    plan,
)

M = "m"


def wants(**slots: str) -> list[Wanted]:
    """Name slots and digests: ``champion="a", load="b c"``."""
    return [
        Wanted(M, ord(digest), digest, slot)
        for slot, digests in slots.items()
        for digest in digests.split()
    ]


def there(**roles: str) -> Observed:
    """Say what is loaded, by role; all of it is on disk."""
    loaded = {(M, d): Role(role) for role, digests in roles.items() for d in digests.split()}
    digests = frozenset(digest for _, digest in loaded)
    return Observed(held=digests, on_disk=digests, roles=loaded)


def said(steps: list[Step]) -> list[str]:
    """Put steps into words that a table can hold."""
    words = []
    for step in steps:
        match step:
            case Fetch(wanted):
                words.append(f"fetch {wanted.digest}")
            case Load(wanted):
                words.append(f"load {wanted.digest}")
            case Switch(_, roles):
                words.append("switch " + " ".join(f"{d}={role.value}" for d, role in roles))
            case Unload(_, digest):
                words.append(f"unload {digest}")
            case Drop(keep):
                words.append("keep " + " ".join(sorted(keep)))
    return words


TABLE = [
    ("nothing to do", wants(), there(), []),
    ("as it should be", wants(champion="a"), there(champion="a"), []),
    (
        "a first version",
        wants(champion="a"),
        Observed(),
        ["fetch a", "load a", "switch a=champion"],
    ),
    (
        "a load beside the champion switches nothing",
        wants(champion="a", load="b"),
        there(champion="a"),
        ["fetch b", "load b"],
    ),
    (
        "champion and bake exchange roles in one step",
        wants(champion="b", bake="a"),
        there(champion="a", load="b"),
        ["switch a=bake b=champion"],
    ),
    (
        "a new champion that was never loaded: the old one answers until it is",
        wants(champion="b", bake="a"),
        there(champion="a"),
        ["fetch b", "load b", "switch a=bake b=champion"],
    ),
    (
        "the old one is not named any more: it goes last, and its files after it",
        wants(champion="b"),
        there(champion="a"),
        ["fetch b", "load b", "switch a=leaving b=champion", "unload a", "keep b"],
    ),
    (
        "held on disk only: unloaded, not dropped",
        wants(champion="b", hold="a"),
        there(champion="a", load="b"),
        ["switch a=leaving b=champion", "unload a"],
    ),
    (
        "a held version is fetched and never loaded",
        wants(champion="a", hold="b"),
        there(champion="a"),
        ["fetch b"],
    ),
    (
        "memory is given back before more is taken",
        wants(champion="a", load="c"),
        there(champion="a", load="b"),
        ["switch a=champion b=leaving", "unload b", "fetch c", "load c", "keep a c"],
    ),
    (
        "everything is removed",
        wants(),
        there(champion="a", bake="b"),
        ["switch a=leaving b=leaving", "unload a", "unload b", "keep "],
    ),
    (
        "a spare steps in once there is no champion",
        wants(spare="b"),
        there(champion="a", spare="b"),
        ["switch a=leaving b=champion", "unload a", "keep b"],
    ),
    (
        "a spare steps back once the champion is there",
        wants(champion="a", spare="b"),
        there(champion="b"),
        ["fetch a", "load a", "switch a=champion b=spare"],
    ),
    (
        "champions come before the rest, and what is on disk before what is not",
        wants(dark="d", bake="b", champion="a"),
        Observed(held=frozenset("bd"), on_disk=frozenset("bd")),
        [
            "fetch a",
            "load a",
            "switch a=champion",
            "load b",
            "switch a=champion b=bake",
            "load d",
            "switch a=champion b=bake d=dark",
        ],
    ),
    (
        "wanted again while leaving",
        wants(champion="a", bake="b"),
        there(champion="a", leaving="b"),
        ["switch a=champion b=bake"],
    ),
]


@pytest.mark.parametrize(
    ("desired", "observed", "steps"), [t[1:] for t in TABLE], ids=[t[0] for t in TABLE]
)
def test_the_steps_are(desired: list[Wanted], observed: Observed, steps: list[str]) -> None:
    assert said(plan(desired, observed)) == steps


def test_what_does_not_work_now_is_passed_over() -> None:
    observed = Observed(
        held=frozenset("a"),
        on_disk=frozenset("a"),
        roles={(M, "a"): Role.CHAMPION},
        blocked=frozenset("b"),
    )

    assert said(plan(wants(champion="b", bake="a", load="c"), observed)) == ["fetch c", "load c"]


def test_a_restart_in_a_swap_answers_with_what_answered_before() -> None:
    """The new champion is not on disk and cannot be fetched; the old one is only held."""
    last = {M: Wanted(M, ord("a"), "a", LAST)}
    desired = wants(champion="b", hold="a")
    observed = Observed(
        held=frozenset("a"), on_disk=frozenset("a"), blocked=frozenset("b"), last=last
    )
    assert said(plan(desired, observed)) == ["load a", "switch a=champion"]

    # Once it can be fetched, the swap is made to its end.
    answered = there(champion="a")
    assert said(plan(desired, replace(answered, last=last))) == [
        "fetch b",
        "load b",
        "switch a=leaving b=champion",
        "unload a",
    ]


@pytest.mark.parametrize(
    ("desired", "steps"),
    [
        (wants(champion="b"), ["load a", "switch a=champion"]),
        (wants(champion="b", bake="a"), ["load a", "switch a=champion"]),
        (wants(spare="b"), ["keep b"]),
        (wants(), ["keep "]),
    ],
)
def test_what_answered_before_steps_in_only_for_a_champion_that_is_wanted(
    desired: list[Wanted], steps: list[str]
) -> None:
    last = {M: Wanted(M, ord("a"), "a", LAST)}
    observed = Observed(
        held=frozenset("a"), on_disk=frozenset("a"), blocked=frozenset("b"), last=last
    )

    assert said(plan(desired, observed)) == steps


def test_what_answered_before_is_not_fetched_for_that() -> None:
    last = {M: Wanted(M, ord("a"), "a", LAST)}
    observed = Observed(blocked=frozenset("b"), last=last)

    assert plan(wants(champion="b"), observed) == []


def test_what_can_answer_is_loaded_before_anything_is_fetched() -> None:
    last = {M: Wanted(M, ord("a"), "a", LAST)}
    observed = Observed(held=frozenset("ac"), on_disk=frozenset("ac"), last=last)

    first = said(next_steps(wants(champion="b", bake="c"), observed))
    assert first[:2] == ["load a", "fetch b"]


def test_a_busy_version_is_not_unloaded() -> None:
    observed = Observed(
        held=frozenset("a"),
        on_disk=frozenset("a"),
        roles={(M, "a"): Role.LEAVING},
        busy=frozenset({(M, "a")}),
    )

    assert next_steps([], observed) == []


DIGESTS = "abcdef"
SLOTS = ("champion", "candidate", "bake", "spare", "dark", "load", HOLD)


@st.composite
def documents(draw: st.DrawFn) -> list[Wanted]:
    slots: dict[str, str] = {}
    for digest in draw(st.permutations(DIGESTS)):
        slot = draw(st.sampled_from((*SLOTS, None)))
        if slot in ("champion", "candidate", "bake", "spare") and slot in slots:
            continue
        if slot is not None:
            slots[slot] = f"{slots.get(slot, '')} {digest}"
    return wants(**slots)


@given(st.lists(documents(), min_size=1, max_size=5))
def test_there_is_an_answer_at_every_moment(wanted: list[list[Wanted]]) -> None:
    """From one document to the next, a model that has a champion never loses its answer."""
    observed = Observed()
    for desired in wanted:
        champion = next((w.digest for w in desired if w.slot == "champion"), None)
        for step in plan(desired, observed):
            if isinstance(step, Unload):
                assert observed.roles[M, step.digest] is Role.LEAVING
            answered = Role.CHAMPION in observed.roles.values()
            observed = after(step, observed)
            if answered and champion is not None:
                assert Role.CHAMPION in observed.roles.values()
            assert list(observed.roles.values()).count(Role.CHAMPION) <= 1
        slots = {w.digest: w.slot for w in desired if w.slot != HOLD}
        assert {digest for _, digest in observed.roles} == set(slots)
        assert observed.held == {w.digest for w in desired}
        assert answering(slots, {d: r for (_, d), r in observed.roles.items()}) == (
            champion or next((w.digest for w in desired if w.slot == "spare"), None)
        )
