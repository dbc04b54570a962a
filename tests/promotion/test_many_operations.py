"""Thousands of operations in any order, and many at once: what must never break, does not.

Workers die among them. Where many operate at once a real one is killed with -9, in the
middle of a transaction if it can be met there; where one follows the other, the step it
was at is undone.

``LOCKGATE_SOAK=10000`` asks for so many; by default it is as many as a test run can wait
for. The seed is printed, and ``LOCKGATE_SEED`` repeats it.
"""

import os
import random
import secrets
import threading
from collections import Counter
from typing import ClassVar

import hypothesis
import pytest
from django.db import connection, connections, transaction
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from governance.actors import Actor
from promotion.models import Telling
from promotion.services.environments import apply
from tests.promotion.conftest import PROD, QA, SET_UP, World
from tests.promotion.holding import tables_hold, the_log_holds, the_log_proves_itself
from tests.promotion.killing import listener, worker
from tests.promotion.yard import WEIGHTS, Yard, chosen, undone

TOTAL = int(os.environ.get("LOCKGATE_SOAK", "800"))
LONGEST = 3_600 if "LOCKGATE_SOAK" in os.environ else 600
"""How many seconds either of the two may take: what hangs must not eat a run's hour."""
SEED = int(os.environ.get("LOCKGATE_SEED") or secrets.randbelow(2**32))
STEPS = 50
THREADS = 8
NUMBER = st.integers(0, 999)
OFTEN = [name for name, (often, _) in WEIGHTS.items() for _ in range(often)]


@pytest.fixture
def actors(asha, bram, dina, omar, vera) -> dict[str, Actor]:
    return {"asha": asha, "bram": bram, "dina": dina, "omar": omar, "vera": vera}


def told(capsys, what, done, refused, extra=""):
    """Say what was done, past pytest's capturing: it is what a soak is run for."""
    with capsys.disabled():
        print(f"\n{what}: seed {SEED}, {sum(done.values()):,} operations{extra}")
        print("  done    ", ", ".join(f"{name} {n}" for name, n in done.most_common()))
        print("  refused ", ", ".join(f"{code} {n}" for code, n in refused.most_common()))


class Machine(RuleBasedStateMachine):
    """Each example is a transaction that is undone; guards that wait for a commit are asked."""

    actors: ClassVar[dict[str, Actor]]
    done: ClassVar[Counter[str]] = Counter()
    refused: ClassVar[Counter[str]] = Counter()
    promotions: ClassVar[list[int]] = []

    @initialize()
    def begin(self):
        self.undone = transaction.atomic()
        self.undone.__enter__()
        apply(slug="qa", document=QA, actor=SET_UP)
        apply(slug="prod-eu", document=PROD, actor=SET_UP)
        self.yard = Yard(World(), self.actors, kill=undone)
        self.known: dict[object, int] = {}

    @rule(name=st.sampled_from(OFTEN), numbers=st.tuples(NUMBER, NUMBER, NUMBER))
    def operate(self, name, numbers):
        self.yard.do(name, *numbers[: WEIGHTS[name][1]])
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        tables_hold(self.known)

    def teardown(self):
        if not hasattr(self, "yard"):
            return
        try:
            self.promotions.append(the_log_holds().promotions)
        finally:
            type(self).done.update(self.yard.done)
            type(self).refused.update(self.yard.refused)
            transaction.set_rollback(True)
            self.undone.__exit__(None, None, None)


@pytest.mark.timeout(LONGEST)
@pytest.mark.django_db
def test_in_any_order(actors, capsys):
    Machine.actors = actors
    Machine.done, Machine.refused = Counter(), Counter()
    # An example may end before its last step; two more make up for it.
    examples = TOTAL // 2 // STEPS + 2
    settings = hypothesis.settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # To shrink takes minutes; the steps and the seed are told.
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(hypothesis.seed(SEED)(Machine), settings=settings)

    promoted = sum(Machine.promotions)
    told(capsys, "in any order", Machine.done, Machine.refused, f", {promoted} promotions")
    assert promoted > 0
    assert set(Machine.done) >= {"ask", "sign", "roll_back", "obey"}


@pytest.mark.timeout(LONGEST)
@pytest.mark.django_db(transaction=True)
def test_many_at_once(world, actors, capsys):
    with listener() as url, worker() as killable:
        yard = Yard(world, actors, kill=killable.kill)
        for rig in world.rigs:
            rig.control_url = url
        broken = at_once(yard)
        told_to = Telling.objects.exclude(acknowledged_at=None).count()
    died = ", ".join(f"{count} {where}" for where, count in sorted(killable.killed.items()))
    told(capsys, f"{THREADS} at once", yard.done, yard.refused, f"; workers killed: {died}")
    print(f"{told_to} hints acknowledged")
    assert broken == []
    assert killable.killed["in a transaction"] > 0
    tables_hold({})
    assert the_log_holds().promotions > 0
    the_log_proves_itself()


def at_once(yard):
    """Let many threads operate, and one watch; return what broke."""
    each = max(TOTAL // 2 // THREADS, 10)
    broken: list[BaseException] = []

    def work(number: int) -> None:
        chance = random.Random(SEED + number)
        try:
            for _ in range(each):
                name, numbers = chosen(chance)
                yard.do(name, *numbers)
        except BaseException as error:  # noqa: BLE001 - told by the test
            broken.append(error)
        finally:
            connections.close_all()

    def watch(over: threading.Event) -> None:
        known: dict[object, int] = {}
        try:
            while not over.wait(0.2):
                with transaction.atomic():
                    connection.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                    tables_hold(known)
        except BaseException as error:  # noqa: BLE001 - told by the test
            broken.append(error)
        finally:
            connections.close_all()

    over = threading.Event()
    watcher = threading.Thread(target=watch, args=(over,))
    threads = [threading.Thread(target=work, args=(n,)) for n in range(THREADS)]
    for thread in (watcher, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    watcher.join()
    return broken
