"""A worker that is killed in the middle of a step leaves nothing half done."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from governance.audit.models import Entry
from promotion import wire
from promotion.models import Deployment, DesiredState, Request, Rollout
from promotion.services import sweeping
from promotion.services.agents import reporting

pytestmark = pytest.mark.django_db(transaction=True)
ADVANCER = Path(__file__).with_name("advancer.py")
PATIENCE = 20.0


@pytest.fixture
def database():
    """How another process connects to the tests' database, as the application's role."""
    found = connection.settings_dict
    names = ("NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")
    return {name: found[name] for name in names}


@pytest.fixture
def worker(database):
    """A process that advances rollouts, each in a fork that can be killed."""
    environ = {**os.environ, "ADVANCER_DATABASE": json.dumps(database)}
    with subprocess.Popen(
        [sys.executable, str(ADVANCER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


@pytest.fixture
def watcher(database):
    """The owner's own connection: holds the end of the log, and sees who waits for it."""
    with psycopg.connect(
        host=database["HOST"],
        port=database["PORT"] or None,
        user=database["USER"],
        password=database["PASSWORD"],
        dbname=database["NAME"],
        autocommit=True,
    ) as link:
        yield link


@contextmanager
def held_log(watcher):
    """Let nobody append an entry: whoever tries has done all the rest, and waits."""
    with watcher.transaction():
        watcher.execute("SELECT 1 FROM audit_head FOR UPDATE")
        yield


def waiting(watcher):
    """Backends that wait for the end of the log."""
    watcher.execute("SELECT pg_stat_clear_snapshot()")  # Else one transaction sees one moment.
    rows = watcher.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND wait_event_type = 'Lock' AND query LIKE '%audit_append%'"
    )
    return [pid for (pid,) in rows]


def until(condition):
    """Wait until it is so."""
    over = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < over, "it did not come to pass"
        time.sleep(0.01)
    return found


def kill_in_the_middle(worker, watcher, rollout):
    """Kill a process that has changed every row of a step and has yet to commit it."""
    with held_log(watcher):
        worker.stdin.write(f"{rollout.pk}\n")
        worker.stdin.flush()
        child = int(worker.stdout.readline())
        [backend] = until(lambda: waiting(watcher))
        os.kill(child, signal.SIGSTOP)
        os.kill(child, signal.SIGKILL)
    gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND xact_start IS NOT NULL"
    until(lambda: watcher.execute(gone, [backend]).fetchone() == (0,))


def snapshot():
    """All that a step changes."""
    return (
        list(Deployment.objects.order_by("pk").values()),
        list(Request.objects.order_by("pk").values()),
        list(Rollout.objects.order_by("pk").values()),
        DesiredState.objects.count(),
        Entry.objects.count(),
    )


def obeyed(world):
    """Agents do as they are told and say so, but nobody acts on what they say."""
    for rig in world.rigs:
        document = rig.desired()
        body = {
            "schema": wire.SCHEMA,
            "boot_id": rig.boot_id,
            "seq": next(rig.seq),
            "observed_generation": document["generation"],
            "models": rig.items(document),
        }
        reporting._store(
            agent_id=rig.agent.pk,
            body=wire.Report.model_validate(body),
            actor=rig.actor,
            now=timezone.now(),
        )


def test_at_every_step_it_goes_on_where_it_was(
    world, ask, sign, asha, bram, rules, worker, watcher, replayed
):
    rules(bake_seconds=0.0)
    world.agent("eu-1")
    world.agent("eu-2")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    request = sign(ask(world.version(), by=asha), bram)
    rollout = Rollout.objects.get(request=request)
    killed = []

    while rollout.ended_at is None:
        obeyed(world)
        before = snapshot()
        kill_in_the_middle(worker, watcher, rollout)
        killed.append(rollout.step)
        assert snapshot() == before, f"half of {rollout.step} was left"

        sweeping.sweep()
        rollout.refresh_from_db()
        assert rollout.step != killed[-1]

    assert killed == ["load", "commit", "bake", "retire"]
    assert rollout.step == "done"
    request.refresh_from_db()
    assert request.state == "done"
    entries = Entry.objects.filter(request=request.pk).values_list("action", flat=True)
    assert Counter(entries) == {
        "request.opened": 1,
        "request.approved": 1,
        "request.started": 1,
        "rollout.started": 1,
        "deployment.baked": 1,
        "deployment.promoted": 1,
        "deployment.retired": 1,
        "rollout.advanced": 3,
        "rollout.finished": 1,
        "request.executed": 1,
    }
    assert Deployment.objects.get(role="champion").version.number == 2
    replayed()


def test_between_the_bump_and_the_commit_no_generation_is_lost_or_used_twice(
    world, ask, sign, asha, bram, worker, watcher, replayed
):
    world.agent("eu-1")
    request = sign(ask(world.version(), by=asha), bram)
    rollout = Rollout.objects.get(request=request)
    obeyed(world)
    before = world.rigs[0].desired()["generation"]
    for _ in range(3):
        kill_in_the_middle(worker, watcher, rollout)
        assert world.rigs[0].desired()["generation"] == before
    sweeping.sweep()
    assert world.rigs[0].desired()["generation"] == before + 1
    world.settle()
    replayed()
