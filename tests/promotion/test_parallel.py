"""Many at once: real threads, real transactions, and one outcome."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import close_old_connections, connections, transaction

from governance.actors import Actor
from governance.audit import chain
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.audit.models import Entry
from governance.errors import Conflict, GovernanceError, Refused
from governance.models import Environment
from promotion import wire
from promotion.models import (
    Agent,
    Approval,
    Deployment,
    DesiredState,
    Request,
    Rollout,
    RolloutStep,
    Target,
)
from promotion.services import agents, requests, rollbacks, sweeping
from promotion.services.environments import apply

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 32


def at_once(calls):
    """Run all calls at the same moment; return what each gave or raised."""
    gate = threading.Barrier(len(calls))

    def run(call):
        gate.wait()
        try:
            return call()
        except GovernanceError as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def codes(results):
    return Counter(r.code if isinstance(r, GovernanceError) else "done" for r in results)


def the_chain_holds():
    rows = Entry.objects.order_by("seq").select_related("payload")
    stored = [
        chain.Stored(e.seq, e.leaf, e.hash, bytes(e.payload.salt), e.payload.body, {}) for e in rows
    ]
    assert list(chain.faults(stored)) == []


def test_of_many_promotions_of_one_model_exactly_one_executes(world, asha, rules, replayed):
    rules(approvals=0)
    world.agent("eu-1")
    versions = [world.version() for _ in range(MANY)]

    def ask(version):
        return requests.open_request(
            model=version.model.name,
            version=version.number,
            environment="prod-eu",
            to="production",
            reason="a race",
            actor=asha,
        )

    results = at_once([lambda v=v: ask(v) for v in versions])

    assert codes(results) == {"done": 1, "rollout_in_progress": MANY - 1}
    assert Request.objects.get().state == "executing"
    assert Rollout.objects.count() == 1
    assert Deployment.objects.count() == 1
    the_chain_holds()
    world.settle()
    assert Deployment.objects.get(role="champion").state == "production"
    replayed()


def test_of_many_approvals_by_one_person_one_counts(world, ask, sign, asha, bram, rules, replayed):
    rules(approvals=2)
    request = ask(world.version(), by=asha)
    results = at_once([lambda: sign(request, bram)] * MANY)

    assert codes(results) == {"done": 1, "one_vote": MANY - 1}
    assert all(isinstance(r, Refused) for r in results if isinstance(r, GovernanceError))
    assert Approval.objects.count() == 1
    assert Request.objects.get().state == "open"
    replayed()


def test_of_many_approvers_as_many_count_as_are_needed(
    world, ask, sign, asha, make_person, rules, replayed
):
    rules(approvals=3)
    world.agent("eu-1")
    people = [make_person(f"p{i}", "approver").actor for i in range(MANY)]
    request = ask(world.version(), by=asha)
    results = at_once([lambda p=p: sign(request, p) for p in people])

    assert codes(results) == {"done": 3, "not_open": MANY - 3}
    assert Approval.objects.values("person").distinct().count() == 3
    assert Rollout.objects.count() == 1
    the_chain_holds()
    replayed()


def test_approvals_of_rivals_leave_one_rollout(world, ask, sign, asha, make_person, replayed):
    """Eight requests for one place, signed at the same moment."""
    world.agent("eu-1")
    people = [make_person(f"p{i}", "approver").actor for i in range(8)]
    asked = [ask(world.version(), by=asha) for _ in people]
    results = at_once([lambda r=r, p=p: sign(r, p) for r, p in zip(asked, people, strict=True)])

    assert codes(results) == {"done": 1, "rollout_in_progress": 7}
    assert Request.objects.filter(state="executing").count() == 1
    assert Request.objects.filter(state="open").count() == 7
    replayed()


def test_reports_and_sweeps_at_once_take_no_step_twice(
    world, ask, sign, asha, bram, rules, replayed
):
    rules(bake_seconds=0.0)
    for number in range(4):
        world.agent(f"eu-{number}")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    request = sign(ask(world.version(), by=asha), bram)
    over = threading.Event()
    broken = []

    def keep(call):
        def run():
            try:
                while not over.is_set():
                    close_old_connections()
                    call()
            except Exception as error:  # noqa: BLE001 - told by the test
                broken.append(error)
            finally:
                connections.close_all()

        return threading.Thread(target=run)

    threads = [keep(rig.obey) for rig in world.rigs] + [keep(sweeping.sweep) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        if Request.objects.get(pk=request.pk).is_settled():
            break
        over.wait(0.05)
    over.set()
    for thread in threads:
        thread.join()

    assert broken == []
    assert Request.objects.get(pk=request.pk).state == "done"
    steps = Entry.objects.filter(request=request.pk, subject__startswith="rollout:")
    actions = Counter(steps.values_list("action", flat=True))
    assert actions == {"rollout.started": 1, "rollout.advanced": 3, "rollout.finished": 1}
    assert (
        RolloutStep.objects.filter(rollout__request=request, done_at=None, step="load").count() == 0
    )
    the_chain_holds()
    replayed()


def test_rollbacks_at_once_leave_one_champion(world, ask, sign, asha, bram, omar, replayed):
    world.agent("eu-1")
    for _ in range(3):
        sign(ask(world.version(), by=asha), bram)
        world.settle()

    def back(to):
        return rollbacks.rollback(
            environment="prod-eu", model="credit-default", reason="a race", to=to, actor=omar
        )

    results = at_once([lambda to=to: back(to) for to in (1, 2, 1, 2, None, None)])
    assert not [
        r for r in results if isinstance(r, GovernanceError) and not isinstance(r, Conflict)
    ]
    assert Deployment.objects.filter(role="champion").count() == 1
    assert Request.objects.filter(state="executing").count() == 1
    world.settle()
    assert not Deployment.objects.filter(role="bake").exists()
    the_chain_holds()
    replayed()


def test_generations_have_no_gap_and_no_twin(world, asha, rules):
    """Dark deployments of many versions at once, each of which publishes."""
    world.agent("eu-dark", tier="dark")
    versions = [world.version() for _ in range(12)]

    def ask(version):
        return requests.open_request(
            model=version.model.name,
            version=version.number,
            environment="prod-eu",
            to="dark",
            reason="a race",
            actor=asha,
        )

    results = at_once([lambda v=v: ask(v) for v in versions])
    assert codes(results) == {"done": 12}
    found = DesiredState.objects.filter(target__tier="dark", target__environment__slug="prod-eu")
    numbers = sorted(found.values_list("generation", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    loads = [ref["version"] for ref in world.rigs[0].desired()["models"][0]["load"]]
    assert sorted(loads) == [version.number for version in versions]


def overlapping(first_lock, second):
    """Run ``second`` while another transaction holds rows and has yet to append its entry."""
    held = threading.Event()

    @transaction.atomic
    def holder():
        first_lock()
        held.set()
        time.sleep(0.2)
        audit.record(
            Action.SYSTEM_STARTED,
            actor=Actor.from_task("tests.set_up"),
            object="system",
            subject="system:tests",
        )

    def later():
        held.wait()
        second()

    assert codes(at_once([holder, later])) == {"done": 2}


def test_the_log_is_appended_to_last_when_an_environment_is_described(world, set_up):
    """Who appends an entry holds the log: taking a target after it would lock both out."""
    place = Environment.objects.get(slug="prod-eu")
    document = {"kind": "production", "position": 9, "targets": {"live": {}, "dark": {}}}
    overlapping(
        lambda: Target.objects.locked(place.pk),
        lambda: apply(slug="prod-eu", document=document, actor=set_up),
    )


def test_the_log_is_appended_to_last_when_an_agent_joins_again(world):
    rig = world.agent("eu-1")
    body = joining("eu-1")
    overlapping(
        lambda: Agent.objects.select_for_update().get(pk=rig.agent.pk),
        lambda: agents.enrol(body=body),
    )


def joining(name, uses=1):
    token = agents.issue_join_token(
        environment="prod-eu",
        tier="live",
        uses=uses,
        lifetime=timedelta(hours=1),
        actor=Actor.from_task("tests.set_up"),
    )
    return wire.Enrolment.model_validate({"join_token": token, "name": name})


def test_an_agent_that_enrols_again_while_it_reports(world):
    """A restarted agent and its former self: neither locks the other out."""
    rig = world.agent("eu-1")
    body = joining("eu-1", uses=8)
    version = world.version()
    item = {"model": version.model.name, "version": 1, "digest": version.digest}
    ready = [{**item, "role": "champion", "phase": "ready"}]

    def say(number):
        return rig.say(1, ready if number % 2 else [])

    calls = [lambda: agents.enrol(body=body)] * 8 + [lambda n=n: say(n) for n in range(16)]
    assert codes(at_once(calls)) == {"done": len(calls)}
