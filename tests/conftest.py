"""The floor of every test: one database, two roles, and the people of the examples.

Tests run as the application's role, because as the owner nothing that the database
refuses would be tested. ``default`` connects as the owner, who is a member of that
role, and assumes it: not while the test database is made, nor while it is emptied
after a transactional test, but at any other time.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase
from psycopg import sql
from pytest_django import DjangoDbBlocker

from governance import grants
from governance.embedded.home import Home


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
    teardown = TransactionTestCase._fixture_teardown  # noqa: SLF001

    def _fixture_teardown(case: TransactionTestCase) -> None:
        with as_owner(connections["default"]):
            teardown(case)

    TransactionTestCase._fixture_teardown = _fixture_teardown  # type: ignore[method-assign]  # noqa: SLF001
    yield
    TransactionTestCase._fixture_teardown = teardown  # type: ignore[method-assign]  # noqa: SLF001
