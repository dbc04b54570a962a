"""A rollout moves as agents report, and only then."""

import pytest

from promotion.models import Deployment, Request, Rollout, ServingInterval

# Each service commits for real: only then do the database's deferred guards speak.
pytestmark = pytest.mark.django_db(transaction=True)


def champion(environment="prod-eu"):
    return Deployment.objects.get(environment__slug=environment, role="champion").version.number


def states():
    rows = Deployment.objects.order_by("version__number").values_list(
        "version__number", "state", "role"
    )
    return list(rows)


@pytest.fixture
def live(world, ask, sign, asha, bram):
    """Version 1 answers in prod-eu on two agents."""
    world.agent("eu-1")
    world.agent("eu-2")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    assert champion() == 1
    return world


def test_the_first_version_is_loaded_before_it_answers(world, ask, sign, asha, bram):
    one, two = world.agent("eu-1"), world.agent("eu-2")
    request = ask(world.version(), by=asha)
    sign(request, bram)

    assert Rollout.objects.get().step == "load"
    assert states() == [(1, "trained", "")]
    one.obey()
    assert states() == [(1, "trained", "")]
    two.obey()
    assert states() == [(1, "production", "champion")]
    assert Rollout.objects.get().step == "commit"
    world.settle()
    assert Rollout.objects.get().step == "done"
    assert Request.objects.get().state == "done"
    assert ServingInterval.objects.filter(ended_at=None).count() == 2


def test_the_old_version_bakes_and_is_retired_when_nobody_holds_it(live, ask, sign, asha, bram):
    request = ask(live.version(), by=asha)
    sign(request, bram)
    for rig in live.rigs:
        rig.obey()
    assert states() == [(1, "production", "bake"), (2, "production", "champion")]
    live.settle()
    assert states() == [(1, "retired", ""), (2, "production", "champion")]
    document = live.rigs[0].desired()["models"][0]
    assert [ref["version"] for ref in document["hold"]] == [1]
    assert Request.objects.get(pk=request.pk).state == "done"


def test_one_refusal_before_the_switch_changes_nothing(live, ask, sign, asha, bram):
    bad = live.version()
    live.rigs[1].broken[bad.digest] = "GOLDEN_MISMATCH"
    request = ask(bad, by=asha)
    sign(request, bram)
    live.settle()

    request.refresh_from_db()
    assert request.state == "failed"
    assert "eu-2 refused: GOLDEN_MISMATCH" in request.detail
    assert states() == [(1, "production", "champion"), (2, "trained", "")]
    assert live.rigs[0].desired()["models"][0]["load"] == []


def test_a_refusal_after_the_switch_switches_back(live, ask, sign, asha, bram):
    request = ask(live.version(), by=asha)
    sign(request, bram)
    for rig in live.rigs:
        rig.obey()
    assert champion() == 2
    generation = live.rigs[0].desired()["generation"]
    refused = {"generation": generation, "reason": "INVALID", "detail": "\x1b[31mred"}
    live.rigs[0].say(generation - 1, [], refused=refused)

    assert champion() == 1
    barred = Deployment.objects.get(version__number=2)
    assert (barred.state, barred.barred) == ("retired", True)
    request.refresh_from_db()
    assert request.state == "failed"
    assert "\x1b" not in request.detail


def test_dark_is_loaded_by_the_dark_agents_only(live, ask, asha):
    dark = live.agent("eu-dark", tier="dark")
    request = ask(live.version(), "dark", by=asha)
    live.settle()

    request.refresh_from_db()
    assert request.state == "done"
    assert states() == [(1, "production", "champion"), (2, "dark", "")]
    assert [ref["version"] for ref in dark.desired()["models"][0]["dark"]] == [2]
    assert [m["champion"]["version"] for m in live.rigs[0].desired()["models"]] == [1]


def test_a_dark_version_that_is_promoted_leaves_the_dark(live, ask, sign, asha, bram):
    dark = live.agent("eu-dark", tier="dark")
    version = live.version()
    ask(version, "dark", by=asha)
    live.settle()
    sign(ask(version, by=asha), bram)
    live.settle()

    assert champion() == 2
    assert dark.desired()["models"] == []


def test_without_agents_a_request_waits_and_nothing_is_live(world, ask, sign, asha, bram):
    request = ask(world.version(), by=asha)
    sign(request, bram)
    request.refresh_from_db()

    assert request.state == "approved"
    assert "waiting for 1 agent" in request.detail
    assert not Rollout.objects.exists()


def test_a_dark_version_can_be_retired(live, ask, asha):
    live.agent("eu-dark", tier="dark")
    version = live.version()
    ask(version, "dark", by=asha)
    live.settle()
    request = ask(version, "retired", by=asha)
    live.settle()

    request.refresh_from_db()
    assert request.state == "done"
    assert states()[1] == (2, "retired", "")
