"""A life in which the log refuses every entry of every deed first, and then takes them all.

However far a deed had come when the log refused, what is left is what the log tells: each of
its transactions is whole, or was not. ``tests/access/test_fail_closed.py`` does the same by
way of the API and the pages, and sees that no service is left out of both.
"""

from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import DatabaseError, transaction
from django.utils import timezone

from governance import config, signing
from governance.audit import comparing
from governance.models import User
from governance.services import people
from governance.services import watching as floor
from promotion.models import Deployment, PolicyRequest, Rollout
from promotion.services import (
    agents,
    execution,
    key_changes,
    placements,
    policy_requests,
    requests,
    rollbacks,
    spares,
    steering,
    watching,
)
from promotion.services.dismissals import dismiss
from promotion.services.webhooks import addresses
from tests.promotion.conftest import PASSWORD, publish
from tests.refusing import everything, refusing

pytestmark = pytest.mark.django_db
ENTRIES = 40
"""More than any deed writes."""
WHERE = {"environment": "prod-eu", "model": "credit-default", "reason": "a test"}
SECRET = {"password": PASSWORD, "comment": "no"}
DEEDS = {
    "governance.services.people.disable_person",
    "governance.services.people.set_password",
    "promotion.services.agents.reporting.report",
    "promotion.services.agents.standing.decommission",
    "promotion.services.agents.standing.uncordon",
    "promotion.services.dismissals.dismiss",
    "promotion.services.execution.start",
    "promotion.services.histories.noticing.notice",
    "promotion.services.key_changes.announce",
    "promotion.services.placements.place",
    "promotion.services.policies.put",
    "promotion.services.policy_requests.expire",
    "promotion.services.policy_requests.reject",
    "promotion.services.requests.settling.expire",
    "promotion.services.requests.settling.void_disabled",
    "promotion.services.requests.settling.void_overtaken",
    "promotion.services.requests.signing.reject",
    "promotion.services.rollouts.advancing.advance",
    "promotion.services.rollouts.advancing.advance_target",
    "promotion.services.spares.drop_spare",
    "promotion.services.spares.name_spare",
    "promotion.services.steering.resume",
    "promotion.services.webhooks.addresses.add",
}
"""Services that no row of the API or the pages leads to, in the state its world is in."""


class Life:
    """Does each deed again and again, with a log that refuses later and later."""

    def __init__(self):
        self.services = set()

    def tries(self, deed, *, given=lambda: None, stays=True):
        """See that it is closed at each entry; then do it for good, unless it is only tried."""
        for after in range(ENTRIES):
            with transaction.atomic():
                given()
                before = everything()
                with refusing(after) as log:
                    try:
                        deed()
                    except DatabaseError:
                        assert log.has_refused, "it failed by itself"
                self.services |= log.services
                assert log.wanted, "it writes no entry"
                if log.has_refused:
                    assert after or everything() == before
                    self._as_told()
                transaction.set_rollback(True)
            if not log.has_refused:
                break
        else:
            raise AssertionError("it never ends")
        return deed() if stays else None

    @staticmethod
    def _as_told():
        for kinds in (floor.KINDS, watching.kinds()):
            found, _ = comparing.look(kinds, {})
            assert found == []


@pytest.fixture
def life():
    return Life()


def user(actor):
    found = User.objects.get(pk=actor.id)
    found.set_password(PASSWORD)
    return found


def another_key(folder):
    path = folder / "new.pem"
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    return path


def settle(life, world, rounds=12):
    """Let agents obey; each report that wants to be recorded is refused by the log first."""
    for _ in range(rounds):
        if not Rollout.objects.filter(ended_at=None).exists():
            return
        for rig in world.rigs:
            with transaction.atomic():
                with refusing() as log, suppress(DatabaseError):
                    rig.obey()
                transaction.set_rollback(True)
            if log.wanted:
                life.tries(rig.obey)
            else:
                rig.obey()


def test_of_people(life, make_person, set_up):
    nina = make_person("nina", "viewer").pk
    life.tries(lambda: people.set_password(user_id=nina, password="kkkkk9!xQ", actor=set_up))
    life.tries(lambda: people.disable_person(user_id=nina, actor=set_up))
    assert life.services >= {name for name in DEEDS if name.startswith("governance.")}


def test_of_rollouts(life, world, ask, sign, promote, asha, bram, omar, rules, set_up):
    request = ask(world.version(), by=asha)
    life.tries(partial(sign, request, bram))
    world.agent("eu-1", zone="a")
    life.tries(lambda: execution.start(request_id=request.pk, actor=set_up))
    settle(life, world)
    promote()
    promote()
    assert Deployment.objects.get(role="champion").version.number == 3
    life.tries(lambda: spares.name_spare(**WHERE, version=2, actor=omar))
    life.tries(lambda: spares.drop_spare(**WHERE, actor=omar))
    where = {**WHERE, "document": {"labels": {"zone": "a"}}}
    life.tries(lambda: placements.place(**where, actor=omar))
    rollbacks.rollback(**WHERE, actor=omar)
    world.settle()
    life.tries(lambda: dismiss(**WHERE, version=3, actor=omar))
    rules(bake_seconds=900.0)
    sign(ask(world.version(), by=asha), bram)
    rollout = Rollout.objects.get(ended_at=None).pk
    life.tries(lambda: steering.pause(rollout_id=rollout, reason="x", actor=omar))
    life.tries(lambda: steering.resume(rollout_id=rollout, reason="x", actor=omar))
    assert life.services >= {
        "promotion.services.execution.start",
        "promotion.services.agents.reporting.report",
        "promotion.services.rollouts.advancing.advance",
        "promotion.services.rollouts.advancing.advance_target",
        "promotion.services.dismissals.dismiss",
        "promotion.services.placements.place",
        "promotion.services.spares.drop_spare",
        "promotion.services.spares.name_spare",
        "promotion.services.steering.resume",
    }


def test_of_requests(life, world, ask, sign, asha, bram, dina, set_up, rules):
    rules(approvals=2)
    request = ask(world.version(), by=asha)
    against = {"meaning": "approval", "content_hash": request.content_hash, **SECRET}
    life.tries(
        lambda: requests.reject(request_id=request.pk, user=user(bram), actor=bram, **against),
        stays=False,
    )
    later = timezone.now() + timedelta(days=400)
    life.tries(lambda: requests.expire(request_id=request.pk, actor=set_up, now=later), stays=False)
    sign(request, bram)
    people.disable_person(user_id=User.objects.get(pk=bram.id).pk, actor=set_up)
    life.tries(lambda: requests.void_disabled(request_id=request.pk, actor=set_up))
    another = ask(world.version(), by=asha)
    rules(approvals=1)
    life.tries(lambda: requests.void_overtaken(request_id=another.pk, actor=set_up))
    settling = "promotion.services.requests.settling"
    assert life.services >= {
        f"{settling}.expire",
        f"{settling}.void_disabled",
        f"{settling}.void_overtaken",
        "promotion.services.requests.signing.reject",
    }


def test_of_policies(life, world, bram, ada, set_up):
    strict = {"approvals": 1, "policy_approvals": 1}
    life.tries(lambda: publish(environment="prod-eu", tier="", document=strict, actor=ada))
    asked = publish(environment="prod-eu", tier="", document={"approvals": 0}, actor=ada)
    against = {"content_hash": asked.content_hash, **SECRET}
    life.tries(
        lambda: policy_requests.reject(request_id=asked.pk, user=user(bram), actor=bram, **against),
        stays=False,
    )
    rows = PolicyRequest.objects.filter(pk=asked.pk)
    life.tries(
        lambda: policy_requests.expire(request_id=asked.pk, actor=set_up),
        given=lambda: rows.update(expires_at=timezone.now() - timedelta(days=1)),
        stays=False,
    )
    assert life.services >= {
        "promotion.services.policies.put",
        "promotion.services.policy_requests.expire",
        "promotion.services.policy_requests.reject",
    }


def test_of_agents(life, world, omar):
    rig = world.agent("eu-1")
    one = {"agent_id": rig.agent.pk, "reason": "x", "actor": omar}
    life.tries(lambda: agents.cordon(**one))
    life.tries(lambda: agents.uncordon(**one))
    life.tries(lambda: rig.say(rig.desired()["generation"] + 5, []), stays=False)
    agents.evict(**one)
    life.tries(lambda: agents.decommission(**one))
    assert life.services >= {
        "promotion.services.agents.standing.decommission",
        "promotion.services.agents.standing.uncordon",
        "promotion.services.histories.noticing.notice",
    }


def test_of_keys_and_webhooks(life, world, ada, set_up, monkeypatch, tmp_path, request, settings):
    request.addfinalizer(signing._keys.cache_clear)
    inside = {"webhook_networks": "127.0.0.0/8"}
    settings.CONFIG = settings.CONFIG.model_copy(update=inside)
    life.tries(lambda: addresses.add(url="http://127.0.0.1:9999/x", environment=None, actor=ada))
    world.agent("eu-1")
    monkeypatch.setattr(config.load(), "successor_key_file", another_key(tmp_path))
    signing._keys.cache_clear()
    life.tries(lambda: key_changes.announce(actor=set_up))
    assert life.services >= {
        "promotion.services.key_changes.announce",
        "promotion.services.webhooks.addresses.add",
    }
