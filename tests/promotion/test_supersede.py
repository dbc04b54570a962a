"""A newer version takes the place of what waits for an older one, where the policy says so."""

import json

import pytest
from django.db import IntegrityError, transaction

from governance.audit.models import Entry
from governance.errors import Conflict, GovernanceError, Refused
from promotion import gates
from promotion.gates.facts import Facts
from promotion.models import Approval, Deployment, Request
from promotion.policies import Policy as Rules
from promotion.services import execution, requests
from tests.promotion.conftest import SET_UP
from tests.promotion.test_parallel import at_once, codes, the_chain_holds

OPEN = {"supersede": {"open": True}}
DARK = {"supersede": {"dark": True}}


def again(request):
    return Request.objects.get(pk=request.pk)


def dark_now():
    rows = Deployment.objects.filter(state="dark").order_by("version__number")
    return list(rows.values_list("version__number", flat=True))


class TestWhatWaits:
    def test_by_default_nothing_gives_way(self, world, ask, asha):
        old = ask(world.version(), by=asha)
        ask(world.version(), by=asha)
        assert again(old).state == "open"

    def test_an_older_open_request_for_the_same_gives_way(
        self, world, rules, ask, sign, asha, bram, audit_trail, replayed
    ):
        rules(approvals=2, **OPEN)
        old = ask(world.version(), by=asha)
        sign(old, bram)
        new_version = world.version()
        audit_trail.clear()
        new = ask(new_version, by=asha)

        found = again(old)
        assert (found.state, found.superseded_by_id) == ("superseded", new.pk)
        assert found.detail == "Version 2 was asked for instead."
        assert found.settled_at is not None
        assert [action for action, _ in audit_trail()] == [
            "request.superseded",
            "deployment.opened",
            "request.opened",
        ]
        entry = Entry.objects.get(action="request.superseded")
        said = json.loads(entry.payload.body)
        assert (entry.actor_id, said["by"], said["was"]) == (asha.id, str(new.pk), "open")
        replayed()

    def test_its_approvals_are_void_and_it_takes_no_more(
        self, world, rules, ask, sign, asha, bram, dina
    ):
        rules(approvals=2, **OPEN)
        world.agent("eu-1")
        old = ask(world.version(), by=asha)
        sign(old, bram)
        new = ask(world.version(), by=asha)
        with pytest.raises(Conflict) as conflict:
            sign(old, dina)

        assert conflict.value.code == "not_open"
        assert again(new).approvals.count() == 0
        assert not execution.start(request_id=old.pk, actor=SET_UP)

    def test_an_approved_one_that_waits_for_agents_gives_way(
        self, world, rules, ask, sign, asha, bram
    ):
        rules(**OPEN)
        old = sign(ask(world.version(), by=asha), bram)
        assert old.state == "approved"
        ask(world.version(), by=asha)
        world.agent("eu-1")

        assert again(old).state == "superseded"
        assert not execution.start(request_id=old.pk, actor=SET_UP)
        assert Entry.objects.filter(action="request.started").count() == 0

    def test_one_that_is_being_carried_out_never_does(
        self, world, rules, ask, sign, asha, bram, replayed
    ):
        rules(**OPEN)
        world.agent("eu-1")
        old = sign(ask(world.version(), by=asha), bram)
        assert old.state == "executing"
        ask(world.version(), by=asha)
        assert again(old).state == "executing"
        world.settle()
        assert again(old).state == "done"
        replayed()

    def test_other_kinds_places_models_and_newer_versions_stay(self, world, rules, ask, asha):
        rules(approvals_for_dark=1, **OPEN)
        rules("qa", approvals=1)
        versions = [world.version() for _ in range(3)]
        stays = [
            ask(versions[0], to="dark", by=asha),
            ask(versions[0], environment="qa", by=asha),
            ask(world.version("fraud"), by=asha),
            ask(versions[2], by=asha),
        ]
        ask(versions[1], by=asha)
        assert {again(one).state for one in stays} == {"open"}

    def test_a_newer_one_that_no_gate_lets_pass_changes_nothing(self, world, rules, ask, asha):
        rules(**OPEN)
        old = ask(world.version(), by=asha)
        newer = world.version()
        newer.inspection.status = "rejected"
        newer.inspection.save()
        with pytest.raises(Refused):
            ask(newer, by=asha)
        assert again(old).state == "open"

    def test_a_dry_run_names_it_and_changes_nothing(self, world, rules, ask, asha, api):
        rules(**OPEN)
        old = ask(world.version(), by=asha)
        world.version()
        body = {
            "model": "credit-default",
            "version": 2,
            "environment": "prod-eu",
            "to": "production",
            "reason": "a try",
        }
        answer = api(asha).post("/api/v1/promotions?dry_run=1", body, format="json").json()

        assert answer["supersedes"] == [{"request": str(old.pk), "version": 1}]
        assert again(old).state == "open"
        made = api(asha).post("/api/v1/promotions", body, format="json").json()
        shown = api(asha).get(f"/api/v1/promotions/{old.pk}").json()
        assert (shown["state"], shown["superseded_by"]) == ("superseded", made["id"])

    def test_what_gave_way_takes_no_dark_place(self, world, rules, ask, asha):
        rules(approvals_for_dark=1, dark_limit=1, **OPEN)
        ask(world.version(), to="dark", by=asha)
        assert ask(world.version(), to="dark", by=asha).state == "open"

    def test_the_database_lets_only_what_is_superseded_point_on(self, world, ask, asha):
        first, second = (ask(world.version(), by=asha) for _ in range(2))
        with pytest.raises(IntegrityError, match="gave_way"), transaction.atomic():
            Request.objects.filter(pk=first.pk).update(superseded_by=second)


class TestDarkPlaces:
    @pytest.fixture
    def darkened(self, world, rules, ask, asha):
        """Make versions dark under a policy, one after the other."""

        def make(count, **policy):
            rules(**policy)
            if not world.rigs:
                world.agent("eu-dark", tier="dark")
            made = []
            for _ in range(count):
                made.append(ask(world.version(), to="dark", by=asha))
                world.settle()
            return made

        return make

    def test_by_default_all_stay(self, darkened):
        darkened(3)
        assert dark_now() == [1, 2, 3]

    def test_a_newer_one_takes_the_place_of_the_one_before(self, darkened, world, replayed):
        *_, last = darkened(3, **DARK)

        assert dark_now() == [3]
        retired = Deployment.objects.get(version__number=2)
        assert retired.state == "retired"
        entry = Entry.objects.filter(action="deployment.retired").latest("seq")
        why = json.loads(entry.payload.body)["why"]
        assert (entry.request, why) == (last.pk, "version 3 took its place in the dark")
        [model] = world.rigs[0].desired()["models"]
        assert [ref["version"] for ref in model["dark"]] == [3]
        replayed()

    def test_as_many_stay_as_the_limit_says(self, darkened):
        darkened(5, dark_limit=3, **DARK)
        assert dark_now() == [3, 4, 5]

    def test_an_older_one_displaces_nothing(self, darkened, world, ask, asha, rules):
        rules(**DARK)
        early = world.version()
        darkened(1, **DARK)
        ask(early, to="dark", by=asha)
        world.settle()
        assert dark_now() == [1, 2]

    def test_one_that_somebody_asks_something_for_stays(self, darkened, ask, world, asha):
        darkened(1, **DARK)
        ask(Deployment.objects.get(state="dark").version, by=asha)
        darkened(1, **DARK)
        assert dark_now() == [1, 2]

    def test_one_that_agents_refuse_displaces_nothing(self, darkened, world, ask, asha):
        darkened(1, **DARK)
        bad = world.version()
        world.rigs[0].broken[bad.digest] = "GOLDEN_MISMATCH"
        request = ask(bad, to="dark", by=asha)
        world.settle()

        assert again(request).state == "failed"
        assert dark_now() == [1]

    @pytest.mark.parametrize(
        ("dark", "idle", "supersede", "outcome"),
        [
            ((1, 2), (1, 2), False, "failed"),
            ((1, 2), (1, 2), True, "passed"),
            ((1, 2), (), True, "failed"),
            ((1, 9), (1,), True, "passed"),
            ((1,), (), False, "passed"),
        ],
    )
    def test_the_gate_counts_who_would_give_way(self, dark, idle, supersede, outcome):
        facts = Facts("ready", dark_versions=dark, dark_idle_before=idle)
        policy = Rules.model_validate({"dark_limit": 2, "supersede": {"dark": supersede}})
        [found] = [g for g in gates.judge("deploy_dark", facts, policy) if g.gate == "dark_limit"]
        assert found.outcome == outcome


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_with_approvals_either_it_runs_or_it_gave_way(
        self, world, rules, ask, sign, asha, make_person, replayed
    ):
        rules(**OPEN)
        world.agent("eu-1")
        people = [make_person(f"p{i}", "approver").actor for i in range(4)]
        old, newer = ask(world.version(), by=asha), world.version()
        calls = [lambda p=p: sign(old, p) for p in people]
        *signed, made = at_once([*calls, lambda: ask(newer, by=asha)])

        assert not isinstance(made, GovernanceError), made
        assert set(codes(signed)) <= {"done", "not_open"}
        if again(old).state == "superseded":
            assert codes(signed) == {"not_open": 4}
            assert not Approval.objects.exists()
        else:
            assert again(old).state == "executing"
            assert codes(signed) == {"done": 1, "not_open": 3}
        assert again(made).state == "open"
        the_chain_holds()
        world.settle()
        replayed()

    def test_with_an_execution_it_never_ends_what_has_begun(
        self, world, rules, ask, sign, asha, bram, replayed
    ):
        rules(**OPEN)
        old = sign(ask(world.version(), by=asha), bram)
        assert old.state == "approved"
        newer = world.version()
        world.agent("eu-1")
        calls = [lambda: execution.start(request_id=old.pk, actor=SET_UP)] * 4
        *started, made = at_once([*calls, lambda: ask(newer, by=asha)])

        assert not [one for one in (*started, made) if isinstance(one, GovernanceError)]
        if any(started):
            assert (started.count(True), again(old).state) == (1, "executing")
        else:
            assert again(old).state == "superseded"
            assert not Entry.objects.filter(action="rollout.started").exists()
        the_chain_holds()
        replayed()

    def test_of_many_newer_ones_the_newest_is_left(self, world, rules, ask, asha, replayed):
        rules(**OPEN)
        versions = [world.version() for _ in range(8)]
        results = at_once([lambda v=v: ask(v, by=asha) for v in versions])

        assert codes(results) == {"done": 8}
        left = Request.objects.filter(state="open")
        numbers = {one.deployment.version.number for one in left}
        assert max(numbers) == 8
        for one in Request.objects.filter(state="superseded"):
            newer = one.superseded_by.deployment.version.number
            assert newer > one.deployment.version.number
        the_chain_holds()
        replayed()


def test_a_rollback_is_pointed_to_as_well(world, ask, sign, asha, bram, omar):
    from promotion.services import rollbacks

    world.agent("eu-1")
    for _ in range(2):
        sign(ask(world.version(), by=asha), bram)
        world.settle()
    running = sign(ask(world.version(), by=asha), bram)
    back = rollbacks.rollback(
        environment="prod-eu", model="credit-default", reason="flips", actor=omar
    )
    assert again(running).superseded_by_id == back.pk


def test_trying_a_policy_says_what_would_pass_under_it(world, rules, ask, asha):
    rules(approvals_for_dark=1, dark_limit=1)
    ask(world.version(), to="dark", by=asha)
    world.version()
    document = {"approvals_for_dark": 1, "dark_limit": 1}
    results = {}
    for supersede in (False, True):
        proposed = Rules.model_validate({**document, "supersede": {"open": supersede}})
        outcome = requests.try_request(
            model="credit-default",
            version=2,
            environment="prod-eu",
            to="dark",
            proposed=proposed,
            actor=asha,
        )
        results[supersede] = all(gate.passes() for gate in outcome.gates)
    assert results == {False: False, True: True}
    assert Request.objects.filter(state="open").count() == 1
