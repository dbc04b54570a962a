"""Counting a period's changes, and finding what is missing of them."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from governance.actors import Actor
from governance.audit import services
from governance.audit.actions import Action
from governance.audit.population import Population, population
from governance.models import User
from governance.periods import Period
from tests.governance.test_verify import owner

pytestmark = pytest.mark.django_db

ADA = Actor("user", "7", "ada", person="ada")
TASK = Actor.from_task("tests")
Write = Callable[..., None]


@pytest.fixture
def write() -> Write:
    def append(action: Action, *, actor: Actor = ADA, object: str = "environment:qa") -> None:
        with transaction.atomic():
            services.record(action, actor=actor, object=object, subject=object)

    return append


def counted(size: int | None = None) -> Population:
    now = timezone.now()
    day = timedelta(days=1)
    return population(Period(now - day, now + day), now=now + timedelta(hours=1), size=size)


def test_changes_are_counted_by_type_and_by_who(write: Write) -> None:
    write(Action.ENVIRONMENT_DEFINED)
    write(Action.TARGET_DEFINED)
    write(Action.TARGET_DEFINED)
    write(Action.MODEL_REGISTERED, object="model:a")
    write(Action.TARGET_DEFINED, actor=TASK)
    found = counted()

    assert (found.count, found.by_people, found.by_system) == (5, 4, 1)
    assert [(t.action, t.object_type, t.by_system, t.count) for t in found.types] == [
        ("environment.defined", "environment", False, 1),
        ("model.registered", "model", False, 1),
        ("target.defined", "environment", False, 2),
        ("target.defined", "environment", True, 1),
    ]
    assert sum(sum(day.values()) for day in found.days.values()) == 5
    assert found.is_complete
    assert found.object_count == 2


def test_a_count_stays_as_it_was_at_a_size_of_the_log(write: Write) -> None:
    write(Action.ENVIRONMENT_DEFINED)
    before = counted()
    write(Action.ENVIRONMENT_DEFINED)
    again = counted(size=before.size)

    assert (again.count, again.types) == (before.count, before.types)
    assert counted().count == before.count + 1
    assert counted(size=10**18).count == before.count + 1


@pytest.mark.django_db(transaction=True)
def test_an_entry_that_is_gone_is_missed_twice_in_the_log_and_of_its_object(write: Write) -> None:
    for _ in range(3):
        write(Action.TARGET_DEFINED)
    seq = counted().last
    assert seq is not None
    with owner() as link:
        link.execute("ALTER TABLE audit_entry DISABLE TRIGGER append_only")
        link.execute("ALTER TABLE audit_payload DISABLE TRIGGER append_only")
        link.execute("DELETE FROM audit_payload WHERE seq = %s", [seq - 1])
        link.execute("DELETE FROM audit_entry WHERE seq = %s", [seq - 1])
        link.execute("ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER append_only")
        link.execute("ALTER TABLE audit_payload ENABLE ALWAYS TRIGGER append_only")
    found = counted()

    assert (found.missing, found.objects_with_gaps, found.is_complete) == (1, 1, False)
    assert found.objects[0].missing == 1


@pytest.mark.django_db(transaction=True)
def test_a_payload_that_is_gone_leaves_every_page_standing(write: Write, ada: Actor) -> None:
    write(Action.REQUEST_OPENED, object="model:a")
    with owner() as link:
        link.execute("ALTER TABLE audit_payload DISABLE TRIGGER append_only")
        link.execute("DELETE FROM audit_payload")
        link.execute("ALTER TABLE audit_payload ENABLE ALWAYS TRIGGER append_only")
    page = Client()
    page.force_login(User.objects.get(pk=ada.id))
    for name in ("", "desk/", "population/", "samples/?seed=a", "rights/", "duties/", "owed/"):
        assert page.get(f"/audit/{name}").status_code == 200, name
    assert "its payload is missing" in page.post("/audit/verify/").content.decode()


def test_what_waits_for_a_checkpoint_too_long_is_named(write: Write) -> None:
    write(Action.ENVIRONMENT_DEFINED)
    found = counted()
    assert [(one.last, one.sealed_at) for one in found.unsealed] == [(found.last, None)]


def test_a_period_without_changes_is_empty_and_lacks_nothing() -> None:
    then = timezone.now() - timedelta(days=900)
    found = population(Period(then, then + timedelta(days=1)), now=timezone.now())
    assert (found.count, found.missing, found.first, found.types) == (0, 0, None, ())
