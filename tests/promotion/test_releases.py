"""What the release before wrote is still read: agents and control planes are not upgraded at once.

``tests/samples/<release>`` holds the very bytes of each. Add to it with every release; never
change what is there.
"""

import base64
import json
from pathlib import Path

import pytest

from promotion import desired, wire
from promotion.models import AgentReport
from promotion.services import agents
from serving_agent import documents
from serving_agent.signing import PublicKey, Trust

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
RELEASES = sorted(path.name for path in SAMPLES.iterdir())
LIVE = documents.Target("prod-eu", "live")


def payload_of(raw: bytes) -> dict:
    return json.loads(base64.b64decode(json.loads(raw)["payload"]))


def test_there_are_samples():
    assert RELEASES


@pytest.mark.parametrize("release", RELEASES)
def test_an_agent_of_today_applies_a_document_of_then(release):
    """It may lie on its own disk, from before the agent was upgraded."""
    raw = (SAMPLES / release / "desired-state.json").read_bytes()
    payload = payload_of(raw)
    trust = Trust([PublicKey(**key) for key in payload["keys"]])
    document = documents.verify(raw, trust=trust, target=LIVE, applied=None)
    assert document.generation == payload["generation"]
    assert set(document.payload.champions()) == {"credit-default"}


@pytest.mark.django_db
@pytest.mark.parametrize("release", RELEASES)
def test_the_control_plane_of_today_takes_a_report_of_then(release, world):
    rig = world.agent("eu-1")
    body = json.loads((SAMPLES / release / "agent-report.json").read_bytes())
    body["observed_generation"] = rig.desired()["generation"]
    agents.report(agent=rig.agent, body=wire.Report.model_validate(body), actor=rig.actor)
    report = AgentReport.objects.get(agent=rig.agent)
    assert report.software == release
    assert [item["phase"] for item in report.versions] == ["ready"]


@pytest.mark.parametrize("release", RELEASES)
def test_what_an_agent_of_then_reads_is_still_said(release):
    """No field has gone, unless ``requires`` names what an agent must understand instead."""
    then = payload_of((SAMPLES / release / "desired-state.json").read_bytes())
    ref = desired.Ref(1, "0" * 64)
    state = desired.ModelState(model="credit-default", champion=ref)
    today = json.loads(
        desired.TargetState(
            environment="prod-eu",
            tier="live",
            generation=1,
            issued_at="",
            keys=[],
            models=[state],
        ).payload()
    )
    assert today["schema"] == then["schema"]
    assert today["requires"] == []  # Where nothing new is used, nothing new is asked for.
    assert then.keys() <= today.keys()
    assert then["models"][0].keys() <= today["models"][0].keys()
    assert today["models"][0]["switch"] == then["models"][0]["switch"]
