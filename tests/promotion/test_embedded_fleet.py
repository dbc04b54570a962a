"""The command of ``lockgate up`` that puts a fleet in place."""

import io

import pytest
from django.core.management import CommandError, call_command

from governance import signing
from governance.embedded import fleet
from governance.models import Environment
from promotion import wire
from promotion.models import JoinToken, Policy, Target
from promotion.services import agents, environments

pytestmark = pytest.mark.django_db


def run(file=fleet.DEFAULT, *options):
    out = io.StringIO()
    call_command("embedded_fleet", str(file), *options, stdout=out, stderr=io.StringIO())
    return fleet.read_admission(out.getvalue())


def test_it_puts_the_fleet_in_place_and_prints_a_token_for_each_agent():
    admission = run()

    assert set(admission.tokens) == {"qa-1", "qa-dark", "eu-1", "eu-2", "eu-dark"}
    assert admission.key == signing.fingerprint(signing.public_keys()[0])
    targets = {(t.environment.slug, t.tier): t.mirror_fraction for t in Target.objects.all()}
    assert targets == {
        ("qa", "live"): 1.0,
        ("qa", "dark"): 0.0,
        ("prod-eu", "live"): 0.5,
        ("prod-eu", "dark"): 0.0,
    }
    assert all(target.generation == 1 for target in Target.objects.all())


def test_a_token_lets_one_agent_in_at_its_target():
    token = run().tokens["eu-dark"]
    body = wire.Enrolment.model_validate({"join_token": token, "name": "eu-dark"})
    joined = agents.enrol(body=body)

    assert str(joined.agent.target) == "prod-eu/dark"
    assert JoinToken.objects.get(prefix=token[4:12]).uses_left == 0


def test_again_it_changes_nothing_and_gives_tokens_to_those_without():
    run()
    before = list(Target.objects.order_by("pk").values())
    again = run(fleet.DEFAULT, "--enrolled", "eu-1", "--enrolled", "qa-1")

    assert set(again.tokens) == {"qa-dark", "eu-2", "eu-dark"}
    assert list(Target.objects.order_by("pk").values()) == before
    assert Policy.objects.count() == 2


def test_what_exists_keeps_its_policy_and_only_gets_what_is_missing(set_up):
    own = {"kind": "integration", "position": 7, "policy": {"approvals": 3}}
    environments.apply(slug="prod-eu", document=own, actor=set_up)
    run()

    kept = Environment.objects.get(slug="prod-eu")
    assert (kept.kind, kept.position) == ("integration", 7)
    assert [p.document["approvals"] for p in Policy.objects.filter(environment=kept)] == [3]
    tiers = Target.objects.filter(environment=kept).order_by("tier")
    assert [(t.tier, t.mirror_fraction) for t in tiers] == [("dark", 0.0), ("live", 0.0)]


@pytest.mark.parametrize(
    "text",
    [
        "environments: [{slug: A B, kind: qa, targets: [{tier: live}]}]",
        "environments: [{slug: qa, kind: moon, targets: [{tier: live}]}]",
        "environments: [{slug: qa, kind: qa, targets: [{tier: dark}]}]",
        "environments: [{slug: qa, kind: qa, targets: [{tier: live, mirror_fraction: much}]}]",
        "environments: [{slug: qa, kind: qa, targets: [{agents: []}]}]",
        "environments: nonsense",
        "]",
    ],
)
def test_a_bad_file_is_named_in_one_line_and_leaves_nothing(tmp_path, text):
    file = tmp_path / "fleet.yaml"
    file.write_text(text)
    with pytest.raises(CommandError) as refusal:
        run(file)

    assert "\n" not in str(refusal.value)
    assert not Environment.objects.exists()
