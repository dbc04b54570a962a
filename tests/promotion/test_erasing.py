"""Whatever may be erased is erased: who answers, and who signed, still follows from the log."""

import pytest

from governance.audit.erasing import kept_because
from governance.audit.models import Entry
from governance.audit.standalone import verify
from governance.errors import Conflict
from governance.services import erasures
from promotion.models import Deployment
from promotion.services import rollbacks
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
