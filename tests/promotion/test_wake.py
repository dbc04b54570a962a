"""The broker saves time and decides nothing: dead, deaf or gone, all is decided and done."""

import socket
import time

import pytest

from governance.audit.models import Entry
from governance.celery import app
from promotion import tasks
from promotion.models import Deployment, Request, Rollout
from promotion.services import sweeping
from registry import wake

pytestmark = pytest.mark.django_db
QUICK = 1.8
"""Seconds: a timeout of half a second, and the work on a busy machine."""


@pytest.fixture(autouse=True)
def breaker(monkeypatch):
    """A fresh one, so that no test profits from another's failure."""
    made = wake._Breaker()
    monkeypatch.setattr(wake, "_breaker", made)
    return made


@pytest.fixture
def broker(monkeypatch):
    """Point Celery at some other address."""

    def use(port):
        # The one it writes to: once that was set by anybody, ``broker_url`` alone says nothing.
        monkeypatch.setattr(app.conf, "broker_write_url", f"redis://127.0.0.1:{port}/0")

    return use


@pytest.fixture
def dead(broker):
    """Nobody listens: a connection is refused."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        broker(unused.getsockname()[1])
        yield


@pytest.fixture
def black_hole(broker):
    """Somebody listens and never says a word."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(64)
        broker(deaf.getsockname()[1])
        yield


@pytest.fixture(params=["dead", "black_hole"])
def broken(request):
    request.getfixturevalue(request.param)


def test_an_approval_is_quick_and_right_all_the_same(
    broken, world, ask, sign, asha, bram, breaker, django_capture_on_commit_callbacks
):
    world.agent("eu-1")
    request = ask(world.version(), by=asha)
    began = time.monotonic()
    with django_capture_on_commit_callbacks(execute=True) as sent:
        signed = sign(request, bram)
    took = time.monotonic() - began

    assert sent
    assert took < QUICK
    assert signed.state == "executing"
    assert breaker.is_open()
    world.settle()
    assert Deployment.objects.get(role="champion").version.number == 1
    assert Request.objects.get(pk=request.pk).state == "done"


def test_after_a_failure_the_broker_is_left_alone(
    black_hole, world, ask, sign, asha, bram, django_capture_on_commit_callbacks
):
    world.agent("eu-1")
    with django_capture_on_commit_callbacks(execute=True):
        sign(ask(world.version(), by=asha), bram)
    began = time.monotonic()
    with django_capture_on_commit_callbacks(execute=True) as sent:
        world.settle()
    assert sent
    assert time.monotonic() - began < QUICK
    for _ in range(100):
        wake.send("promotion.tell_agents_to_load", "x", "y", 1)
    assert time.monotonic() - began < QUICK


def test_it_is_asked_again_later(dead, breaker, monkeypatch, caplog):
    monkeypatch.setattr(wake, "PAUSE_SECONDS", 0.05)
    wake.send("promotion.sweep")
    assert breaker.is_open()
    wake.send("promotion.sweep")
    time.sleep(0.06)
    assert not breaker.is_open()
    wake.send("promotion.sweep")
    assert len([r for r in caplog.records if "did not take" in r.message]) == 2


def test_nothing_is_told_of_what_was_rolled_back(
    broken, world, ask, asha, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks() as sent:
        ask(world.version(), by=asha)
    assert sent == []  # It waits for an approval: there is nothing to load yet.


def test_a_sweep_starts_what_nobody_was_woken_for(broken, world, ask, sign, asha, bram):
    """Approved while there was no agent: when one comes, the next sweep finds both."""
    request = sign(ask(world.version(), by=asha), bram)
    assert request.state == "approved"
    world.agent("eu-1")
    assert not Rollout.objects.exists()
    tasks.sweep()
    assert Rollout.objects.get().step == "load"
    world.settle()
    assert Request.objects.get(pk=request.pk).state == "done"


def test_sweeping_again_and_again_does_nothing_more(world, ask, sign, asha, bram, replayed):
    world.agent("eu-1")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    before = Entry.objects.count()
    for _ in range(3):
        sweeping.sweep()
    assert Entry.objects.count() == before
    replayed()


def test_a_row_that_breaks_holds_back_no_other(world, ask, sign, asha, bram, caplog):
    """The first rollout cannot be read at all; the second moves on."""
    world.agent("eu-1")
    first = sign(ask(world.version("a-model"), by=asha), bram)
    second = sign(ask(world.version("b-model"), by=asha), bram)
    Rollout.objects.filter(request=first).update(step="unheard-of")
    rig = world.rigs[0]
    with pytest.raises(KeyError):
        rig.obey()
    sweeping.sweep()
    assert Rollout.objects.get(request=second).step == "commit"
    assert "the sweep left one" in caplog.text


def test_what_is_sent_reaches_a_broker_that_lives(django_capture_on_commit_callbacks, caplog):
    """With the broker that tests have: no warning, and the breaker stays closed."""
    with app.connection_for_write() as connection:
        queue = connection.SimpleQueue("celery")
        queue.clear()  # What other tests sent and no worker took.
        wake.send("promotion.tests_nobody_listens_to")
        assert caplog.records == []
        message = queue.get(timeout=2)
        message.ack()
        assert message.headers["task"] == "promotion.tests_nobody_listens_to"
