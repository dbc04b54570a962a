"""A stage with everybody at it at once: one champion, at most one candidate, one story told."""

from functools import partial

import pytest

from promotion.models import Deployment, Request, Rollout
from promotion.services import rollbacks, steering, sweeping
from tests.promotion.test_parallel import at_once, codes, the_chain_holds

pytestmark = pytest.mark.django_db(transaction=True)
EXPECTED = {
    "done",
    *("rollout_over", "rollout_moved_on", "already_paused", "not_paused", "not_steerable"),
    *("nothing_to_roll_back_to", "not_a_former_champion"),
}


@pytest.mark.parametrize("is_rolled_back", [False, True])
def test_all_that_can_happen_to_a_stage_at_the_same_moment(
    world, rules, ask, sign, asha, bram, make_person, replayed, is_rolled_back
):
    omar = make_person("omar", "operator").actor
    for name in ("eu-1", "eu-2"):
        world.agent(name)
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    rules(stages=[{"agents": 1}, {"weight": 0.5}, {"group": "pilot", "seconds": 600.0}])
    request = sign(ask(world.version(), by=asha), bram)
    for rig in world.rigs:
        rig.obey()
    rollout = Rollout.objects.get(request=request)
    assert rollout.step_name == "stage-1"

    steered = {"rollout_id": rollout.pk, "reason": "at once", "actor": omar}
    back = partial(
        rollbacks.rollback,
        environment="prod-eu",
        model="credit-default",
        reason="at once",
        actor=omar,
    )
    calls = [
        *(rig.obey for rig in world.rigs for _ in range(3)),
        *(partial(act, **steered) for act in (steering.pause, steering.resume) * 2),
        *([back] * 3 if is_rolled_back else [partial(steering.abort, **steered)] * 3),
        *([sweeping.sweep] * 3),
    ]
    found = codes(at_once(calls))

    assert set(found) <= EXPECTED, found
    roles = Deployment.objects.exclude(role="").values_list("version__number", "role")
    assert list(roles) == [(1, "champion")]
    assert Deployment.objects.get(version__number=2).state == "trained"
    request.refresh_from_db()
    assert request.state == ("superseded" if is_rolled_back else "failed")
    assert Request.objects.filter(kind="rollback").count() == is_rolled_back
    world.settle()
    assert not Rollout.objects.filter(ended_at=None).exists()
    replayed()
    the_chain_holds()
