"""A version is inspected with a worker, without one, and with a broker that is dead."""

import socket
import time
from contextlib import closing

import pytest
from celery import current_app
from django.core.management import call_command

from registry import tasks, wake
from registry.models import Inspection, ModelVersion
from registry.services import blobs, registered_models, versions
from registry.services.registered_models import Description

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def register(asha, files, manifest, encode):
    model = registered_models.register_model(
        name="credit-default", description=Description("Team", "Purpose"), actor=asha
    )
    for data in files.values():
        blobs.keep(data, actor=asha)

    def register() -> ModelVersion:
        raw = encode(manifest)
        return versions.register_version(model=model, manifest=raw, actor=asha).version

    return register


@pytest.fixture
def broker(monkeypatch) -> type:
    """Point Celery at another broker, and forget that one was ever down."""

    class Broker:
        @staticmethod
        def at(url: str) -> None:
            monkeypatch.setattr(current_app.conf, "broker_write_url", url)

    monkeypatch.setattr(wake, "_breaker", wake._Breaker())
    return Broker


def status(version: ModelVersion) -> str:
    return Inspection.objects.get(pk=version.pk).status


def test_a_task_is_sent_and_the_request_does_not_wait_for_it(register):
    assert status(register()) == "inspecting"


def test_the_task_inspects(register):
    version = register()
    tasks.inspect_version(str(version.pk))
    tasks.inspect_version(str(version.pk))
    assert status(version) == "ready"


def test_without_a_broker_it_is_inspected_at_once(register, broker):
    broker.at("redis://127.0.0.1:9/0")
    assert status(register()) == "ready"


def test_a_broker_that_does_not_answer_costs_half_a_second_once(broker):
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        broker.at(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")

        started = time.monotonic()
        assert wake.send("tests.nothing") is False
        first = time.monotonic() - started
        assert wake.send("tests.nothing") is False
        second = time.monotonic() - started - first

    assert first < 2
    assert second < 0.1


def test_the_store_is_made_by_a_command(capsys):
    call_command("make_bucket")
    assert capsys.readouterr().out == "The artifact store is ready.\n"
