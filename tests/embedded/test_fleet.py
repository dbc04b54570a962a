"""The fleet file, and what the control plane answers about it."""

from pathlib import Path

import pytest

from governance.embedded import EmbeddedError, fleet
from governance.embedded.fleet import Agent, read_admission
from governance.embedded.supervisor import Plan


def test_two_live_and_one_dark_in_production_and_one_of_each_in_qa() -> None:
    found = [(agent.environment, agent.tier) for agent in fleet.read()]

    assert sorted(found) == [
        ("prod-eu", "dark"),
        ("prod-eu", "live"),
        ("prod-eu", "live"),
        ("qa", "dark"),
        ("qa", "live"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "does not describe a fleet"),
        ("environments: [{slug: qa}]", "does not describe a fleet: 'targets'"),
        ("environments: {", "does not describe a fleet: while parsing"),
        ("environments: [{slug: qa, targets: 3}]", "the targets of qa are no list"),
        (
            "environments: [{slug: qa, targets: [{tier: live, agents: [a, a]}]}]",
            "names a twice",
        ),
    ],
)
def test_a_file_that_is_no_fleet_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(text)

    with pytest.raises(EmbeddedError, match=said) as refused:
        fleet.read(file)

    assert "\n" not in str(refused.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="no fleet file"):
        fleet.read(tmp_path / "none.yaml")


def test_an_admission_is_the_last_line() -> None:
    found = read_admission('some notice\n{"key": "ab", "eu-1": "token"}\n')

    assert (found.key, found.tokens) == ("ab", {"eu-1": "token"})


@pytest.mark.parametrize("printed", ["", "notice\n", '{"eu-1": "token"}', "[]", "{}"])
def test_no_admission_is_said(printed: str) -> None:
    with pytest.raises(EmbeddedError, match="printed no tokens"):
        read_admission(printed)


@pytest.mark.parametrize(
    ("only", "agents"),
    [
        ((), ["qa-1", "qa-dark", "eu-1", "eu-2", "eu-dark"]),
        (("agents",), ["qa-1", "qa-dark", "eu-1", "eu-2", "eu-dark"]),
        (("web", "eu-1"), ["eu-1"]),
        (("web", "worker"), []),
    ],
)
def test_a_part_may_be_run(only: tuple[str, ...], agents: list[str]) -> None:
    assert [agent.name for agent in Plan({}, only=only).agents()] == agents


def test_a_part_that_does_not_exist_is_said() -> None:
    with pytest.raises(EmbeddedError, match="there is no eu-9, wrokers to run"):
        Plan({}, only=("wrokers", "eu-9")).agents()


def test_an_agent_is_named_with_its_target() -> None:
    assert Agent("eu-1", "prod-eu", "live") in fleet.read()
