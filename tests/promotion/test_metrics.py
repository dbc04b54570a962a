"""The control plane's metrics, who may read them, and the alerts that rest on them."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from promotion.models import AgentReport, Pulse, Rollout
from promotion.selectors.figures import figures
from promotion.services import sweeping, watching

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
RULES = yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
LIVE = {"environment": "prod-eu", "tier": "live"}


def read(client, **headers):
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.content
    return list(text_string_to_metric_families(answer.content.decode()))


def value(families, name, **labels):
    found = [s.value for f in families for s in f.samples if (s.name, s.labels) == (name, labels)]
    return found[0] if found else None


@pytest.fixture
def live(world, ask, sign, asha, bram):
    world.agent("eu-1")
    world.agent("eu-2")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    return world


def test_all_is_well(client, live):
    sweeping.sweep()
    found = read(client)
    assert value(found, "lockgate_agents", **LIVE, standing="reports") == 2
    assert value(found, "lockgate_agents", **LIVE, standing="silent") == 0
    assert value(found, "lockgate_agent_generations_behind", **LIVE) == 0
    assert value(found, "lockgate_history_lost", **LIVE) == 0
    assert value(found, "lockgate_audit_head_entries") > 10
    assert value(found, "lockgate_sweep_age_seconds") < 60


def test_a_sweep_that_never_ran_is_absent_and_one_that_stopped_grows_old(client, world):
    assert value(read(client), "lockgate_sweep_age_seconds") is None
    Pulse.objects.create(name=Pulse.SWEEP, at=timezone.now() - timedelta(minutes=5))
    assert value(read(client), "lockgate_sweep_age_seconds") > 299


def test_what_is_wrong_shows(client, live, ask, sign, asha, bram):
    request = sign(ask(live.version(), by=asha), bram)
    ask(live.version(), by=asha)
    silent, refusing = live.rigs
    generation = refusing.desired()["generation"]
    refused = {"generation": generation, "reason": "BAD_SIGNATURE"}
    refusing.say(generation - 1, [], refused=refused)
    ago = timezone.now() - timedelta(minutes=1)
    AgentReport.objects.filter(agent=silent.agent).update(at=ago)
    Rollout.objects.filter(request=request, ended_at=None).update(deadline=ago)

    found = read(client)
    assert value(found, "lockgate_agents", **LIVE, standing="refuses") == 1
    assert value(found, "lockgate_agents", **LIVE, standing="silent") == 1
    assert value(found, "lockgate_agent_generations_behind", **LIVE) >= 1
    assert value(found, "lockgate_requests_waiting", environment="prod-eu", state="open") == 1


def test_a_rollout_past_its_deadline_is_halted(client, live, ask, sign, asha, bram):
    request = sign(ask(live.version(), by=asha), bram)
    Rollout.objects.filter(request=request).update(deadline=timezone.now() - timedelta(seconds=1))
    found = read(client)
    assert value(found, "lockgate_rollouts_running", environment="prod-eu") == 1
    assert value(found, "lockgate_rollouts_halted", environment="prod-eu") == 1


def test_lost_history_shows(client, live):
    live.rigs[0].say(live.rigs[0].desired()["generation"] + 3, [])
    assert value(read(client), "lockgate_history_lost", **LIVE) == 1


def test_it_makes_as_many_queries_for_a_large_fleet(live, django_assert_num_queries):
    with django_assert_num_queries(9):
        figures(now=timezone.now())
    for number in range(3, 7):
        live.agent(f"eu-{number}")
        live.agent(f"qa-{number}", "qa")
    with django_assert_num_queries(9):
        figures(now=timezone.now())


class TestWhoMayRead:
    def test_those_outside_may_not(self, client, world):
        answer = client.get("/metrics", REMOTE_ADDR="203.0.113.9")
        assert answer.status_code == 403
        assert b"lockgate_" not in answer.content

    @pytest.mark.parametrize(
        ("proxies", "caller", "status"),
        [
            ("", "203.0.113.9", 403),  # Through a proxy on this host that nobody vouches for.
            ("127.0.0.0/8", "203.0.113.9", 403),
            ("127.0.0.0/8", "127.0.0.9", 200),
        ],
    )
    def test_a_proxy_nearby_opens_it_to_nobody_else(
        self, client, world, settings, proxies, caller, status
    ):
        settings.CONFIG = settings.CONFIG.model_copy(update={"trusted_proxies": proxies})
        answer = client.get("/metrics", headers={"X-Forwarded-For": caller})
        assert answer.status_code == status

    @pytest.mark.parametrize(
        ("header", "status"),
        [("Bearer s3cret", 200), ("Bearer other", 403), ("Bearer ", 403), ("Basic s3cret", 403)],
    )
    def test_a_token_opens_it_from_anywhere(
        self, client, world, settings, tmp_path, header, status
    ):
        file = tmp_path / "token"
        file.write_text("s3cret\n")
        changes = {"metrics_networks": "", "metrics_token_file": file}
        settings.CONFIG = settings.CONFIG.model_copy(update=changes)
        answer = client.get("/metrics", headers={"Authorization": header})
        assert answer.status_code == status

    def test_an_empty_token_file_opens_nothing(self, client, world, settings, tmp_path):
        file = tmp_path / "token"
        file.touch()
        changes = {"metrics_networks": "", "metrics_token_file": file}
        settings.CONFIG = settings.CONFIG.model_copy(update=changes)
        assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 403

    def test_it_is_only_read(self, client, world):
        assert client.post("/metrics").status_code == 405


@pytest.mark.parametrize("alert", ALERTS, ids=[rule["alert"] for rule in ALERTS])
class TestAlerts:
    def test_its_metrics_and_labels_exist(self, client, live, alert):
        watching.look()
        sweeping.sweep()
        families = {family.name: family for family in read(client)}
        named = set(re.findall(r"\blockgate_\w+", alert["expr"]))
        assert named
        assert named <= families.keys()
        asked = set(re.findall(r"(\w+)=~?\"", alert["expr"]))
        asked |= set(re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"]))
        given = {label for name in named for s in families[name].samples for label in s.labels}
        assert asked <= given | {"environment", "tier", "state"}

    def test_its_runbook_has_a_section(self, alert):
        path, _, anchor = alert["annotations"]["runbook"].partition("#")
        text = (ROOT / path).read_text()
        assert anchor == alert["alert"].lower()
        _, _, rest = text.partition(f"\n## {alert['alert']}\n")
        section = rest.partition("\n## ")[0]
        assert "**Means**:" in section
        assert "**First**:" in section

    def test_it_says_whom_to_wake(self, alert):
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert set(alert) <= {"alert", "expr", "for", "labels", "annotations"}


def test_the_runbook_has_no_section_without_an_alert():
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    assert headings == [rule["alert"] for rule in ALERTS]
