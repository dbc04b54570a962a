"""The floor of every test: one database, two roles, and the people of the examples.

Tests run as the application's role, because as the owner nothing that the database
refuses would be tested. ``default`` connects as the owner, who is a member of that
role, and assumes it: not while the test database is made, nor while it is emptied
after a transactional test, but at any other time.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import hypothesis
import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase
from psycopg import sql
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

from governance import grants
from governance.actors import Actor
from governance.audit.models import Entry
from governance.embedded.home import Home
from governance.models import Environment, User
from governance.services import bindings, people, tokens

# On a busy machine an example may take its time; the whole test still has a limit.
hypothesis.settings.register_profile("lockgate", deadline=None, print_blob=True)
hypothesis.settings.load_profile("lockgate")

SET_UP = Actor.from_task("tests.set_up")
PEOPLE = {
    "asha": ["submitter"],
    "bram": ["approver"],
    "cleo": ["risk"],
    "dina": ["approver"],
    "omar": ["operator"],
    "ada": ["auditor", "admin"],
    "vera": ["viewer"],
}
"""The people of the examples, and what they may do everywhere."""


@contextmanager
def as_owner(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Work as the owner of the tables on one connection."""
    role = connection.settings_dict["OPTIONS"].pop("assume_role", None)
    try:
        _set_role(connection, None)
        yield
    finally:
        if role:
            connection.settings_dict["OPTIONS"]["assume_role"] = role
            _set_role(connection, role)


def _set_role(connection: BaseDatabaseWrapper, role: str | None) -> None:
    if connection.connection is None:
        return  # Not connected: the next connection reads its options.
    with connection.cursor() as cursor:
        if role:
            cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        else:
            cursor.execute("RESET ROLE")


@pytest.fixture(scope="session")
def superuser_url() -> str:
    """The URL of the database server's superuser; empty when the server is not ours."""
    record = Home.of(os.environ).record("postgres") or {}
    return str(record.get("superuser_url", ""))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(superuser_url: str) -> None:
    """Connect as the owner, and let the owner assume the application's role."""
    default, owner = django_settings.DATABASES["default"], django_settings.DATABASES["owner"]
    if default["USER"] == owner["USER"]:
        pytest.exit("tests need DATABASE_OWNER_URL beside DATABASE_URL: two roles", returncode=4)
    if superuser_url:
        with psycopg.connect(superuser_url, autocommit=True) as link:
            member, of = sql.Identifier(owner["USER"]), sql.Identifier(default["USER"])
            link.execute(sql.SQL("GRANT {} TO {}").format(of, member))
    default.update(
        app_role=default["USER"],
        **{key: owner[key] for key in ("USER", "PASSWORD", "HOST", "PORT")},
    )


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Give the application's role its rights, and take it on until the tests are over."""
    default = connections["default"]
    role = default.settings_dict["app_role"]
    with django_db_blocker.unblock():
        grants.grant(default, role=role)
        default.settings_dict["OPTIONS"]["assume_role"] = role
        _set_role(default, role)
    yield
    default.settings_dict["OPTIONS"].pop("assume_role")
    with django_db_blocker.unblock():
        default.close()


@pytest.fixture(scope="session", autouse=True)
def _flush_as_owner() -> Iterator[None]:
    """Empty the tables after a transactional test as the owner: the application may not."""
    teardown = TransactionTestCase._fixture_teardown

    def _fixture_teardown(case: TransactionTestCase) -> None:
        with as_owner(connections["default"]):
            teardown(case)

    TransactionTestCase._fixture_teardown = _fixture_teardown  # type: ignore[method-assign]
    yield
    TransactionTestCase._fixture_teardown = teardown  # type: ignore[method-assign]


@pytest.fixture(scope="session", autouse=True)
def _fast_passwords() -> None:
    """Hash quickly: a test of a password is not a test of its hash."""
    django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def make_person(db: None) -> Callable[..., User]:
    """Add an account with roles, by the services."""

    def make(
        username: str,
        *roles: str,
        person: str = "",
        password: str | None = None,
        environment: Environment | None = None,
        group: str = "",
    ) -> User:
        user = people.add_person(
            username=username, person=person or username, password=password, actor=SET_UP
        )
        for role in roles:
            bindings.grant_role(
                to=user, role=role, environment=environment, group=group, actor=SET_UP
            )
        return user

    return make


@pytest.fixture
def asha(make_person: Callable[..., User]) -> Actor:
    """A submitter."""
    return make_person("asha", *PEOPLE["asha"]).actor


@pytest.fixture
def bram(make_person: Callable[..., User]) -> Actor:
    """An approver."""
    return make_person("bram", *PEOPLE["bram"]).actor


@pytest.fixture
def cleo(make_person: Callable[..., User]) -> Actor:
    """A risk officer."""
    return make_person("cleo", *PEOPLE["cleo"]).actor


@pytest.fixture
def dina(make_person: Callable[..., User]) -> Actor:
    """A second approver."""
    return make_person("dina", *PEOPLE["dina"]).actor


@pytest.fixture
def omar(make_person: Callable[..., User]) -> Actor:
    """An operator."""
    return make_person("omar", *PEOPLE["omar"]).actor


@pytest.fixture
def ada(make_person: Callable[..., User]) -> Actor:
    """An auditor who also administers."""
    return make_person("ada", *PEOPLE["ada"]).actor


@pytest.fixture
def vera(make_person: Callable[..., User]) -> Actor:
    """Somebody who may look."""
    return make_person("vera", *PEOPLE["vera"]).actor


class AuditTrail:
    """What was recorded, as pairs of action and actor; what sets a test up is left out."""

    def __init__(self) -> None:
        self._after = 0

    def __call__(self) -> list[tuple[str, str]]:
        found = []
        for entry in Entry.objects.filter(seq__gt=self._after).select_related("payload"):
            label = json.loads(entry.payload.body)["actor"]
            if label != SET_UP.label:
                found.append((entry.action, label))
        return found

    def clear(self) -> None:
        """Forget what was recorded so far."""
        last = Entry.objects.order_by("-seq").first()
        self._after = last.seq if last else 0


@pytest.fixture
def audit_trail(db: None) -> AuditTrail:
    """Call it for what was recorded: ``[("request.approved", "bram")]``."""
    return AuditTrail()


@pytest.fixture
def set_up() -> Actor:
    """Whoever prepares a test; not seen by ``audit_trail``."""
    return SET_UP


@pytest.fixture
def bearer(db: None) -> Callable[[Actor], str]:
    """Give a personal token's secret for the account of an actor."""

    def issue(actor: Actor) -> str:
        owner = User.objects.get(pk=actor.id)
        return tokens.issue(name="tests", scope="personal", owner=owner, actor=SET_UP).secret

    return issue


@pytest.fixture
def api(bearer: Callable[[Actor], str]) -> Callable[[Actor | None], APIClient]:
    """Give a client of the API that speaks for an actor, or for nobody."""

    def client(actor: Actor | None = None) -> APIClient:
        credentials = {"HTTP_AUTHORIZATION": f"Bearer {bearer(actor)}"} if actor else {}
        made = APIClient()
        made.credentials(**credentials)
        return made

    return client
