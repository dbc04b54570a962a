"""Whatever may be erased is erased: who answers, and who signed, still follows from the log."""

import json

import pytest
from django.utils import timezone

from governance.audit.erasing import kept_because
from governance.audit.models import Entry
from governance.audit.standalone import verify
from governance.errors import Conflict
from governance.models import User
from governance.services import erasures
from promotion.models import Deployment
from promotion.services import findings, rollbacks
from promotion.services.lineage import report
from tests.promotion.replaying import from_the_log

pytestmark = pytest.mark.django_db
WHY = {"reason": "Somebody asked to be forgotten.", "basis": "GDPR Art. 17"}


@pytest.fixture
def lived(world, ask, sign, asha, bram, omar):
    """Two versions were champions, and the second was rolled back."""
    world.agent("eu-1")
    for _ in range(2):
        sign(ask(world.version(), by=asha), bram)
        world.settle()
    place = {"environment": "prod-eu", "model": "credit-default"}
    rollbacks.rollback(**place, reason="it drifts", actor=omar)
    world.settle()


@pytest.fixture
def erase(make_person):
    first, second = make_person("aude", "auditor"), make_person("max", "admin")

    def gone(seq):
        erasures.ask(seq=seq, user=first, actor=first.actor, **WHY)
        erasures.decide(seq=seq, erase=True, comment="Read it.", user=second, actor=second.actor)

    return gone


def replayed():
    """Derive what a bundle's statements are made of, by the offline verifier's own replay."""
    found = verify.Replay(each=True)
    for number, entry in enumerate(Entry.objects.order_by("seq").select_related("payload"), 1):
        fields = verify.leaf_fields(entry.leaf.encode(), number)
        body = entry.payload.body
        found.take(fields, None if body is None else body.encode())
    return found


def test_all_that_may_go_leaves_who_answers_and_who_signed(lived, erase):
    before = replayed()
    free = [
        one.seq
        for one in Entry.objects.order_by("seq")
        if not kept_because(action=one.action, subject=one.subject)
    ]
    assert len(free) > 10
    for seq in free:
        erase(seq)

    after = replayed()
    assert after.deployments == before.deployments
    assert after.champions == before.champions == {("credit-default", "prod-eu"): 1}
    assert after.approvals == before.approvals == 2
    for name, request in before.requests.items():
        found = after.requests[name]
        assert found["approvals"] == request["approvals"]
        assert {found["kind"], found["state"], found["content_hash"]} == {"unknown"}
    past = from_the_log()
    assert {key: (row.state, row.role) for key, row in past.deployments.items()} == {
        str(row.pk): (row.state, row.role) for row in Deployment.objects.all()
    }
    assert set(past.erased) <= set(free)


def test_the_lineage_report_says_that_it_was_erased(lived, erase, ada, bram, dina):
    user = User.objects.get(username="bram")
    made = findings.record_finding(
        model="credit-default",
        version=1,
        severity="high",
        title="A client is named here",
        owner="asha",
        due=timezone.now().date(),
        user=user,
        actor=bram,
    )
    second = User.objects.get(username="dina")
    findings.close_finding(finding_id=made.pk, resolution="done", user=second, actor=dina)
    told = Entry.objects.get(action="finding.recorded")
    asked = Entry.objects.filter(action="request.opened", model_version=1).first()
    for seq in (told.seq, asked.seq):
        erase(seq)

    text = json.dumps(report("credit-default", 1, ada)["body"])
    assert "A client is named here" not in text
    assert f'"erased_payloads": [{asked.seq}, {told.seq}]' in text
    (found,) = bodies_of_findings(json.loads(text))
    assert (found["title"], found["closed"]["resolution"]) == ("erased", "done")


def bodies_of_findings(body):
    return next(
        part["findings"] for part in body.values() if isinstance(part, dict) and "findings" in part
    )


@pytest.mark.parametrize(
    "about",
    [
        {"action": "deployment.promoted"},
        {"action": "rollout.started"},
        {"action": "state.published"},
        {"action": "agent.enrolled"},
        {"subject__startswith": "approval:"},
    ],
)
def test_what_the_replay_needs_is_refused_with_the_reason(lived, erase, about):
    entry = Entry.objects.filter(**about).first()
    with pytest.raises(Conflict) as refusal:
        erase(entry.seq)
    assert refusal.value.code == "needed_for_replay"
    assert kept_because(action=entry.action, subject=entry.subject) in refusal.value.message


def test_the_proof_of_an_erasure_stays(lived, erase):
    seq = Entry.objects.filter(action="request.opened").first().seq
    erase(seq)
    for action in ("erasure.requested", "payload.erased"):
        with pytest.raises(Conflict) as refusal:
            erase(Entry.objects.get(action=action, subject=f"entry:{seq}").seq)
        assert refusal.value.code == "needed_for_replay"
