"""The rule behind *live (confirmed)*, as a table."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from promotion.confirmation import AgentFacts, Standing, Verdict, confirm

NOW = datetime(2026, 11, 5, 14, 2, 11, tzinfo=UTC)
LEASE = timedelta(seconds=15)
NEW, OLD = "b" * 64, "a" * 64
GOOD = AgentFacts("eu-1", reported_at=NOW, generation=12, champion=NEW)


def verdict_on(*agents: AgentFacts, digest: str | None = NEW) -> Verdict:
    return confirm(agents, digest=digest, generation=12, now=NOW, lease=LEASE).verdict


STANDINGS = [
    (GOOD, Standing.CONFIRMED, "reports it"),
    (replace(GOOD, generation=13), Standing.CONFIRMED, "reports it"),
    (replace(GOOD, reported_at=NOW - LEASE), Standing.CONFIRMED, "reports it"),
    (replace(GOOD, generation=11), Standing.DISAGREEING, "has applied generation 11, not yet 12"),
    (replace(GOOD, champion=OLD), Standing.DISAGREEING, "answers with another version"),
    (replace(GOOD, champion=None), Standing.DISAGREEING, "answers with no version"),
    (
        replace(GOOD, reported_at=NOW - LEASE - timedelta(microseconds=1)),
        Standing.UNKNOWN,
        "is silent beyond its lease",
    ),
    (replace(GOOD, reported_at=None), Standing.UNKNOWN, "has never reported"),
    (replace(GOOD, cordoned=True), Standing.EXCUSED, "is cordoned"),
    (replace(GOOD, cordoned=True, champion=OLD), Standing.EXCUSED, "is cordoned"),
    (replace(GOOD, left=True, reported_at=None), Standing.EXCUSED, "has left"),
    (replace(GOOD, placed=False, champion=None), Standing.EXCUSED, "is not placed for this model"),
]


@pytest.mark.parametrize(("agent", "standing", "why"), STANDINGS)
def test_an_agent_stands_as_its_report_says(
    agent: AgentFacts, standing: Standing, why: str
) -> None:
    (finding,) = confirm([agent], digest=NEW, generation=12, now=NOW, lease=LEASE).findings

    assert (finding.standing, finding.why) == (standing, why)


def test_a_decision_is_live_when_every_required_agent_confirms_it() -> None:
    assert verdict_on(GOOD, replace(GOOD, name="eu-2")) is Verdict.CONFIRMED


def test_no_agent_is_no_confirmation() -> None:
    assert verdict_on() is Verdict.UNKNOWN


def test_a_silent_agent_is_never_ready() -> None:
    assert verdict_on(replace(GOOD, reported_at=None)) is Verdict.UNKNOWN


def test_a_silent_agent_is_counted_and_named_beside_the_others() -> None:
    silent = replace(GOOD, name="eu-2", reported_at=NOW - timedelta(minutes=1))
    found = confirm([GOOD, silent], digest=NEW, generation=12, now=NOW, lease=LEASE)

    assert found.is_live()
    assert (len(found.confirmed), found.counted) == (1, 2)
    assert [finding.agent for finding in found.unknown] == ["eu-2"]


def test_one_agent_behind_makes_it_partly_live() -> None:
    assert verdict_on(GOOD, replace(GOOD, name="eu-2", champion=OLD)) is Verdict.PARTLY


def test_agents_that_all_say_otherwise_contradict_it() -> None:
    assert verdict_on(replace(GOOD, champion=OLD)) is Verdict.CONTRADICTED


def test_a_cordoned_agent_does_not_hold_it_back() -> None:
    assert verdict_on(GOOD, replace(GOOD, name="eu-2", champion=OLD, cordoned=True)).value == (
        "confirmed"
    )


def test_only_cordoned_agents_confirm_nothing() -> None:
    assert verdict_on(replace(GOOD, cordoned=True)) is Verdict.UNKNOWN


def test_a_stop_is_confirmed_by_agents_that_answer_with_nothing() -> None:
    assert verdict_on(replace(GOOD, champion=None), digest=None) is Verdict.CONFIRMED
