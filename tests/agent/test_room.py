"""Who leaves when not all fit, who never does, and who is told that it does not fit."""

from pathlib import Path

import pytest

from serving_agent.errors import Reason, VersionFailure
from serving_agent.plan import HOLD, Role, Wanted
from serving_agent.room import Room, Tenant, leaving
from serving_agent.validate import Finding

from .conftest import StartAgent
from .control_plane import ControlPlane, model
from .test_validation import LIMITS, always, files, validate
from .versions import Version, expected, make, rows

GUEST = Wanted("m", 9, "guest", "champion")


def tenant(name: str, role: Role, *, slot: str | None = None, size: int = 100) -> Tenant:
    """Somebody in memory; the later in the alphabet, the later used."""
    return Tenant(("m", name), role, slot or role.value, size, 2 * size, float(ord(name)))


def test_the_least_recently_used_leaves_first_and_no_more_than_must() -> None:
    there = [tenant("c", Role.DARK), tenant("a", Role.SPARE), tenant("b", Role.LOAD)]

    def chosen(lacking: int) -> str:
        found = leaving(there, lacking=lacking)
        return "nobody can" if found is None else " ".join(one.key[1] for one in found)

    assert [chosen(lacking) for lacking in (0, 1, 100, 101, 300, 301)] == [
        "", "a", "a", "a b", "a b c", "nobody can",
    ]  # fmt: skip


@pytest.mark.parametrize("role", [Role.CHAMPION, Role.CANDIDATE, Role.BAKE])
def test_what_answers_or_may_have_to_never_leaves(role: Role) -> None:
    assert leaving([tenant("a", role)], lacking=1) is None
    # Neither does what will be that in a moment, nor a spare that answers.
    assert leaving([tenant("a", Role.LOAD, slot=role.value)], lacking=1) is None
    assert leaving([tenant("a", role, slot="spare")], lacking=1) is None


def test_who_left_is_wanted_on_disk_and_comes_back_when_there_is_room() -> None:
    room = Room(1_000)
    dark = Wanted("m", 1, "a", "dark")
    there = [tenant("a", Role.DARK, size=300), tenant("b", Role.CHAMPION, size=300)]

    assert not room.make(400, resident=800, tenants=there, guest=GUEST)

    assert [one.slot for one in room.without([dark, GUEST])] == [HOLD, "champion"]
    assert not room.readmit(resident=500), "it needs 600 for a moment"
    assert room.readmit(resident=400)
    assert room.without([dark]) == [dark]


def test_those_on_their_way_out_are_waited_for_and_nobody_else_is_sent() -> None:
    room = Room(1_000)
    there = [tenant("a", Role.LEAVING, size=300), tenant("b", Role.DARK, size=300)]

    assert not room.make(400, resident=800, tenants=there, guest=GUEST)
    assert room.evicted(("m", "b")) is None
    assert room.make(400, resident=500, tenants=there[1:], guest=GUEST)


def test_who_can_not_fit_is_told_and_drives_nobody_out() -> None:
    room = Room(1_000)

    with pytest.raises(VersionFailure, match="nobody else may leave") as failure:
        room.make(800, resident=800, tenants=[tenant("a", Role.DARK, size=300)], guest=GUEST)

    assert failure.value.reason is Reason.OUT_OF_MEMORY
    assert room.evicted(("m", "a")) is None


def test_what_is_wanted_for_something_else_counts_anew() -> None:
    room = Room(1_000)
    room.make(600, resident=800, tenants=[tenant("a", Role.DARK, size=500)], guest=GUEST)

    room.forget([Wanted("m", 1, "a", "dark")])
    assert room.evicted(("m", "a")) is not None
    room.forget([Wanted("m", 1, "a", "candidate")])
    assert room.evicted(("m", "a")) is None


def test_without_a_budget_there_is_always_room() -> None:
    assert Room(0).make(2**40, resident=2**40, tenants=[], guest=GUEST)


HEAVY = 2_000_000


def need(version: Version, folder: Path) -> Finding:
    return validate(files(version, folder), limits=LIMITS, wanted=always)


def test_a_spare_makes_room_and_comes_back(
    plane: ControlPlane, start_agent: StartAgent, tmp_path: Path
) -> None:
    champion, spare = make(), make(number=2, ballast=HEAVY)
    ahead, giant = make(number=3, ballast=HEAVY), make(number=4, ballast=3 * HEAVY)
    plane.publish(model(champion=champion), versions=[champion, spare, ahead, giant])
    first = start_agent()
    resident = plane.wait_champion(champion)["resident_bytes"]
    first.terminate()
    took = need(spare, tmp_path)
    budget = resident + took.peak_bytes + took.memory_bytes // 2
    agent = start_agent(memory_budget_bytes=str(budget))

    plane.publish(model(champion=champion, spare=spare))
    plane.wait_report(lambda r: phases(r).get(2) == ("ready", None))
    plane.publish(model(champion=champion, spare=spare, load=[ahead]))
    full = plane.wait_report(lambda r: phases(r).get(3) == ("ready", None))

    assert phases(full) == {
        1: ("ready", None),
        2: ("failed", "EVICTED_MEMORY"),
        3: ("ready", None),
    }
    assert full["resident_bytes"] < full["memory_budget_bytes"] == budget
    assert plane.wait_report(lambda r: any(e["kind"] == "evicted" for e in r["events"]))

    plane.publish(model(champion=champion, spare=spare, load=[giant]))
    refused = plane.wait_report(lambda r: phases(r).get(4) == ("failed", "OUT_OF_MEMORY"))
    assert phases(refused)[1] == ("ready", None)
    assert agent.infer(rows(1)).json()["outputs"][0]["data"] == pytest.approx(
        expected(champion, rows(1)).ravel()
    )
    plane.wait_report(lambda r: phases(r).get(2) == ("ready", None))


def phases(report: dict) -> dict[int, tuple[str, str | None]]:
    """What a report says of each version, by number."""
    return {one["version"]: (one["phase"], one["reason"]) for one in report["models"]}


def test_a_hundred_small_models_share_one_process(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    versions = [make(f"model-{number}", number) for number in range(1, 101)]
    plane.publish(*(model(one.model, champion=one) for one in versions), versions=versions)
    agent = start_agent()

    report = plane.wait_report(
        lambda r: sum(one["phase"] == "ready" for one in r["models"]) == 100, seconds=60
    )

    assert report["resident_bytes"] < 400_000_000
    for number in (1, 50, 100):
        answer = agent.infer(rows(number), model=f"model-{number}").json()
        assert answer["outputs"][0]["data"] == pytest.approx(
            expected(versions[number - 1], rows(number)).ravel(), abs=1e-6
        )
