"""How far a clock is off is seen and told; nothing that is served depends on it."""

import time
from email.utils import formatdate

import httpx
import pytest

from serving_agent.skew import Skew

from .conftest import StartAgent
from .control_plane import ControlPlane, model
from .versions import make, rows

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("ahead", "seen"), [(0.0, 0.0), (0.9, 0.0), (-0.4, -0.4), (3600.0, 3599.0), (-3600.0, -3599.9)]
)
def test_a_clock_is_off_by_what_a_date_without_parts_of_a_second_proves(
    ahead: float, seen: float
) -> None:
    skew = Skew()
    skew.note(formatdate(NOW, usegmt=True), sent=NOW + ahead, now=NOW + ahead + 0.1)
    assert skew.seconds == pytest.approx(seen if ahead >= 0 else ahead + 0.1)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Foo 2026 99:99:99 GMT"])
def test_a_date_that_is_none_says_nothing(date: str | None) -> None:
    skew = Skew()
    skew.note(date, sent=NOW, now=NOW)
    assert skew.seconds == 0.0


def test_a_slow_answer_or_a_clock_that_jumped_meanwhile_says_nothing() -> None:
    skew = Skew()
    for sent, now in ((NOW, NOW + 60), (NOW, NOW - 60)):
        skew.note(formatdate(NOW - 3600, usegmt=True), sent=sent, now=now)
    assert skew.seconds == 0.0


def test_an_agent_whose_clock_is_an_hour_behind_says_so_and_serves(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.ahead_seconds = 3600.0
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent(report_seconds="0.2")
    plane.wait_champion(version)

    assert agent.infer(rows(1)).status_code == 200
    told = httpx.get(f"{agent.url}/metrics").text.split("agent_clock_offset_seconds ")[-1]
    assert -3602 < float(told.split()[0]) < -3597
    # Once by what enrols, once by what reports.
    assert 1 <= agent.log().count("s off the control plane's") <= 2

    plane.wait_report(lambda report: -3602 < report["clock_offset_seconds"] < -3597)

    plane.ahead_seconds = 0.0
    deadline = time.monotonic() + 20
    while "the clock agrees with the control plane's again" not in agent.log():
        assert time.monotonic() < deadline
        time.sleep(0.05)
