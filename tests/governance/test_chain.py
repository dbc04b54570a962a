"""No entry without a change, no change without an entry, and never a fork."""

import threading
from collections import Counter

import psycopg
import pytest
from django.db import (
    IntegrityError,
    OperationalError,
    ProgrammingError,
    connection,
    connections,
    transaction,
)

from governance.audit import selectors
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.audit.models import Entry
from governance.audit.verify import verify
from governance.errors import Refused
from governance.models import Environment
from governance.services.environments import define_environment

pytestmark = pytest.mark.django_db(transaction=True)
WRITERS = 32
EACH = 2


def record(set_up, name="system", **details):
    return audit.record(
        Action.SYSTEM_STARTED, actor=set_up, object=name, subject="system:1", details=details
    )


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_many_writers_make_one_chain(set_up, level):
    retries, wrong, start = Counter(), [], threading.Barrier(WRITERS)

    def append(number):
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
            record(set_up, name=f"agent:{number % 5}", number=number)

    def write(number):
        try:
            start.wait()
            done = 0
            while done < EACH:
                try:
                    append(number)
                    done += 1
                except (OperationalError, IntegrityError):
                    retries[number] += 1  # Serialization failures are for the caller to repeat.
        except Exception as error:  # noqa: BLE001 - shown below, from the main thread
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=[number]) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    report = verify()
    assert wrong == []
    assert report.ok, report.findings
    assert (report.entries, report.objects) == (WRITERS * EACH, 5)
    assert list(Entry.objects.values_list("seq", flat=True)) == list(range(1, WRITERS * EACH + 1))
    if level == "READ COMMITTED":
        assert not retries, "the level services use never makes a writer try again"


def test_an_entry_that_cannot_be_written_takes_the_change_with_it(set_up):
    settings = connections["default"].settings_dict
    place = {"dbname": settings["NAME"], "host": settings["HOST"], "port": settings["PORT"] or None}
    of_owner = {**place, "user": settings["USER"], "password": settings["PASSWORD"]}
    function = "ON FUNCTION audit_append"
    with psycopg.connect(**of_owner, autocommit=True) as link:
        link.execute(f"REVOKE EXECUTE {function} FROM lockgate_app")
        try:
            with pytest.raises(ProgrammingError):
                define_environment(slug="qa", kind="qa", actor=set_up)
        finally:
            link.execute(f"GRANT EXECUTE {function} TO lockgate_app")

    assert not Environment.objects.exists()
    assert not Entry.objects.exists()


def test_a_change_that_fails_takes_its_entry_with_it(set_up):
    @transaction.atomic
    def change():
        record(set_up)
        message = "too late"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="too late"):
        change()
    assert not Entry.objects.exists()
    assert verify().ok


def test_a_change_without_an_entry_is_refused_at_commit(set_up):
    made = define_environment(slug="qa", kind="qa", actor=set_up).environment
    with pytest.raises(IntegrityError, match=f"environment:{made.pk} has no audit entry"):
        Environment.objects.update(position=9)

    @transaction.atomic
    def change_with_an_entry_about_something_else():
        Environment.objects.update(position=9)
        record(set_up)

    with pytest.raises(IntegrityError, match="no audit entry"):
        change_with_an_entry_about_something_else()
    assert Environment.objects.get().position == 0


def test_a_change_with_its_entry_passes(set_up):
    made = define_environment(slug="qa", kind="qa", actor=set_up).environment
    with transaction.atomic():
        Environment.objects.update(position=9)
        audit.record(
            Action.ENVIRONMENT_DEFINED,
            actor=set_up,
            object="environment:qa",
            subject=f"environment:{made.pk}",
        )
    assert Environment.objects.get().position == 9


def test_an_entry_of_another_transaction_is_no_excuse(set_up):
    define_environment(slug="qa", kind="qa", actor=set_up)
    with pytest.raises(IntegrityError, match="no audit entry"):
        Environment.objects.update(position=9)


def test_record_refuses_to_run_outside_a_transaction(set_up):
    with pytest.raises(RuntimeError, match="transaction it describes"):
        record(set_up)


def test_a_refusal_outlives_the_change_it_refused(set_up, audit_trail, bram):
    @audit.records_refusals
    @transaction.atomic
    def service(*, actor):
        define_environment(slug="qa", kind="qa", actor=set_up)
        raise Refused("no", rule="four_eyes", object="model:m", subject="request:1")

    with pytest.raises(Refused):
        service(actor=bram)

    assert audit_trail() == [("attempt.refused", "bram")]
    assert not Environment.objects.exists()
    assert Entry.objects.get(action="attempt.refused").model == "m"


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        'quote " and \\ backslash',
        "größer 模型 \U0001f600",
        "\x7f\u2028</script>",
        "tab\tnl\n",
    ],
)
def test_a_leaf_is_canonical_whatever_it_names(set_up, text):
    with transaction.atomic():
        record(set_up, name=text, text=text)
    assert verify().ok


@pytest.mark.parametrize("details", [{"n": float("nan")}, {"n": 2**60}, {"x": {1}}])
def test_details_that_json_cannot_hold_are_refused(set_up, details):
    with pytest.raises((ValueError, TypeError)), transaction.atomic():
        record(set_up, **details)
    assert not Entry.objects.exists()


def test_searching_by_every_filter(set_up):
    define_environment(slug="qa", kind="qa", actor=set_up)
    for name in selectors.EQUAL:
        value = getattr(Entry.objects.get(), name)
        assert selectors.entries(filters={name: value}).count() == 1
    assert selectors.of_object("environment:qa") == list(Entry.objects.all())
    assert selectors.about(Entry.objects.get().subject) == list(Entry.objects.all())
    assert selectors.details(Entry.objects.get())["kind"] == "qa"
    with pytest.raises(ValueError, match="no filter by leaf"):
        selectors.entries(filters={"leaf": "x"})
