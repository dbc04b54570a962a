"""Envoy's configuration from an environment's state; Envoy itself says whether it is one."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from lockgate import sidecar
from lockgate.demo import caller_side
from lockgate.errors import NoSidecar
from lockgate.sidecar import Agent, Waits, configuration

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "envoy" / "sidecar.yaml"


def state(**agents: dict[str, object]) -> dict[str, object]:
    usual = {"tier": "live", "evicted": False, "inference_url": "http://10.0.0.1:8100"}
    return {
        "environment": "prod-eu",
        "agents": [{"agent": name, **usual, **each} for name, each in agents.items()],
        "models": [
            {"model": "credit-default", "champion": {"version": 2}},
            {"model": "stopped", "champion": None},
        ],
    }


def validated(document: dict[str, object], file: Path) -> str:
    """Have Envoy read a configuration; return what it complains of."""
    file.write_text(sidecar.written(document))
    command = [caller_side.envoy(), "--mode", "validate", "-c", str(file), "--log-level", "error"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return "" if done.returncode == 0 else done.stderr


def test_only_live_agents_that_are_wanted_and_have_an_address_are_called():
    found = sidecar.agents_of(
        state(
            one={},
            dark={"tier": "dark"},
            out={"evicted": True},
            new={"inference_url": ""},
            two={"inference_url": "http://agents.example:9000"},
        )
    )

    assert found == [Agent("one", "10.0.0.1", 8100), Agent("two", "agents.example", 9000)]


@pytest.mark.parametrize("url", ["https://10.0.0.1", "ftp://10.0.0.1", "http://", "10.0.0.1:80"])
def test_an_address_that_cannot_be_called_is_named(url: str):
    with pytest.raises(NoSidecar, match="eu-7"):
        sidecar.agents_of(state(**{"eu-7": {"inference_url": url}}))


def test_without_agents_or_models_there_is_no_sidecar():
    with pytest.raises(NoSidecar, match="prod-eu has no live agents"):
        sidecar.agents_of(state())
    with pytest.raises(NoSidecar):
        configuration([Agent("one", "10.0.0.1", 1)], [], port=8080)


def test_models_are_those_with_a_champion():
    assert sidecar.models_of(state(one={})) == ["credit-default"]


@pytest.mark.parametrize("hosts", [["10.0.0.1", "10.0.0.2"], ["agents.example"], ["::1"]])
def test_envoy_takes_it(hosts: list[str], tmp_path: Path):
    agents = [Agent(f"a{number}", host, 8100) for number, host in enumerate(hosts)]
    made = configuration(
        agents, ["on", "n", "0x1"], port=8080, waits=Waits(attempt=30, total=90), admin_port=9901
    )

    assert validated(made, tmp_path / "envoy.yaml") == ""


def test_envoy_refuses_what_is_none(tmp_path: Path):
    made = configuration([Agent("a", "10.0.0.1", 8100)], ["m"], port=8080)
    made["static_resources"]["clusters"][0]["lb_policy"] = "WHOEVER"

    assert "WHOEVER" in validated(made, tmp_path / "envoy.yaml")


def test_models_with_one_name_in_the_others_do_not_share_a_route():
    made = configuration([Agent("a", "10.0.0.1", 8100)], ["credit", "credit-default"], port=80)
    host = made["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]
    routes = host["typed_config"]["route_config"]["virtual_hosts"][0]["routes"]

    assert [each["route"]["cluster"] for each in routes] == ["credit", "credit-default"]
    assert all("path_separated_prefix" in each["match"] for each in routes)


def test_the_example_is_what_the_generator_makes():
    made = configuration(
        [Agent("eu-1", "10.0.0.1", 8100), Agent("eu-2", "10.0.0.2", 8100)],
        ["credit-default"],
        port=8080,
    )

    assert yaml.safe_load(EXAMPLE.read_text()) == json.loads(json.dumps(made))
