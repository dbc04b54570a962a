"""Accounts are added, changed and ended by the services, each with one entry."""

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from governance.actors import Actor
from governance.errors import Conflict, Forbidden, Invalid, Refused, Unauthenticated
from governance.models import AccessLog, User
from governance.services import people, sign_in

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough phrase"


def test_adding_a_person_leaves_one_entry(ada, audit_trail):
    user = people.add_person(username="eva", person="eva", password=PASSWORD, actor=ada)

    assert User.objects.get(username="eva").check_password(PASSWORD)
    assert user.actor.person == "eva"
    assert audit_trail() == [("person.added", "ada")]


def test_only_administrators_add_people(asha):
    with pytest.raises(Forbidden):
        people.add_person(username="eva", person="eva", actor=asha)


def test_a_name_is_taken_once(ada, asha):
    with pytest.raises(Conflict) as error:
        people.add_person(username="asha", person="other", actor=ada)
    assert error.value.code == "exists"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "a b"),
        ("username", ""),
        ("username", "a\0b"),
        ("username", "x" * 151),
        ("person", ""),
        ("person", "  "),
        ("person", "\u202eevil"),
        ("email", "nobody"),
        ("first_name", "\ud800"),
        ("password", "short"),
    ],
)
def test_a_wrong_field_is_named(ada, field, value):
    fields = {"username": "eva", "person": "eva", "password": PASSWORD, field: value}
    with pytest.raises(Invalid) as error:
        people.add_person(**fields, actor=ada)
    assert field in error.value.context


def test_a_disabled_account_keeps_its_row(ada, make_person, audit_trail):
    eva = make_person("eva")

    people.disable_person(user_id=eva.pk, actor=ada)
    people.disable_person(user_id=eva.pk, actor=ada)

    assert not User.objects.get(pk=eva.pk).is_active
    assert audit_trail() == [("person.disabled", "ada")]


def test_an_administrator_does_not_change_who_they_are(ada, audit_trail):
    with pytest.raises(Refused) as refusal:
        people.change_person(user_id=ada.id, actor=ada, changes={"person": "bram"})

    assert refusal.value.rule == "own_rights"
    assert User.objects.get(pk=ada.id).person == "ada"
    assert audit_trail() == [("attempt.refused", "ada")]


def test_people_change_their_own_name(asha, audit_trail):
    people.change_person(user_id=asha.id, actor=asha, changes={"first_name": "Asha"})
    assert audit_trail() == [("person.changed", "asha")]
    with pytest.raises(Forbidden):
        people.change_person(user_id=asha.id, actor=asha, changes={"is_staff": True})


@pytest.mark.parametrize("changes", [{"username": "x"}, {"is_active": "no"}, {"password": "x"}])
def test_other_fields_do_not_change(ada, make_person, changes):
    with pytest.raises(Invalid):
        people.change_person(user_id=make_person("eva").pk, actor=ada, changes=changes)


def test_a_password_is_changed_by_its_owner(asha, bram, audit_trail):
    with pytest.raises(Forbidden):
        people.set_password(user_id=asha.id, password=PASSWORD, actor=bram)
    people.set_password(user_id=asha.id, password=PASSWORD, actor=asha)

    assert sign_in.check(username="asha", password=PASSWORD, address=None).actor == asha
    assert audit_trail() == [("person.changed", "asha")]


def test_failed_sign_ins_say_the_same_and_are_logged(make_person):
    make_person("eva", password=PASSWORD)
    said = set()
    for username, password in [("eva", "wrong"), ("nobody", PASSWORD), ("e\0", PASSWORD)]:
        with pytest.raises(Unauthenticated) as error:
            sign_in.check(username=username, password=password, address="127.0.0.1")
        said.add((error.value.code, error.value.message))

    assert len(said) == 1
    assert AccessLog.objects.filter(kind="sign_in.failed").count() == 2


def test_guessing_ends_after_ten_attempts_from_one_address(make_person):
    make_person("eva", password=PASSWORD)
    for _ in range(sign_in.ATTEMPTS_FROM_ONE_ADDRESS):
        with pytest.raises(Unauthenticated):
            sign_in.check(username="eva", password="wrong", address="10.0.0.1")

    with pytest.raises(Unauthenticated) as error:
        sign_in.check(username="eva", password=PASSWORD, address="10.0.0.1")
    assert error.value.code == "too_many_attempts"
    assert sign_in.check(username="eva", password=PASSWORD, address="10.0.0.2")


def test_another_spelling_of_a_name_is_no_way_around(make_person):
    make_person("eva", password=PASSWORD)
    for name in ["eva", "\uff45va"] * (sign_in.ATTEMPTS_FROM_ONE_ADDRESS // 2):
        with pytest.raises(Unauthenticated):
            sign_in.check(username=name, password="wrong", address="10.0.0.1")
    with pytest.raises(Unauthenticated) as error:
        sign_in.check(username="\uff45va", password=PASSWORD, address="10.0.0.1")
    assert error.value.code == "too_many_attempts"


def test_guessing_names_ends_too(db):
    AccessLog.objects.bulk_create(
        AccessLog(kind="sign_in.failed", principal=f"p{number}", address="10.0.0.1")
        for number in range(sign_in.ATTEMPTS_ON_ANY_NAME)
    )
    with pytest.raises(Unauthenticated) as error:
        sign_in.check(username="new", password="x", address="10.0.0.1")
    assert error.value.code == "too_many_attempts"


def test_a_disabled_account_does_not_sign_in(ada, make_person):
    eva = make_person("eva", password=PASSWORD)
    people.disable_person(user_id=eva.pk, actor=ada)
    with pytest.raises(Unauthenticated):
        sign_in.check(username="eva", password=PASSWORD, address=None)


def test_djangos_own_createsuperuser_is_audited(audit_trail, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", username="root", email="r@example.org", interactive=False)

    assert User.objects.get(username="root").person == "root"
    assert audit_trail() == [("person.added", "django.create_user")]


@pytest.mark.django_db(transaction=True)
def test_signing_in_by_djangos_own_login_moves_last_login(client, make_person):
    eva = make_person("eva", password=PASSWORD)
    client.force_login(eva)
    assert User.objects.get(pk=eva.pk).last_login is not None


@pytest.mark.django_db(transaction=True)
def test_an_account_does_not_change_past_the_services(make_person):
    eva = make_person("eva")
    with pytest.raises(IntegrityError, match="no audit entry"):
        User.objects.filter(pk=eva.pk).update(is_superuser=True)
    with pytest.raises(IntegrityError, match="no audit entry"):
        User.objects.create(username="ghost", person="ghost")
    with pytest.raises(IntegrityError, match="never removed"), transaction.atomic():
        eva.delete()
    with connection.cursor() as cursor, pytest.raises(IntegrityError, match="no audit entry"):
        cursor.execute("UPDATE governance_user SET password = 'x'")


def test_a_task_is_not_asked_for_a_role():
    people.add_person(username="eva", person="eva", actor=Actor.from_task("anything"))
