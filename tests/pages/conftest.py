"""People at their browsers, in the world of ``factory``."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from governance.models import User
from promotion.models import Request
from tests.pages.factory import PASSWORD, World


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    """Hash at once: how long a guess takes is not what is tested here."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def world(db: None) -> World:
    """Nothing but a person who may see and do everything but sign, ``rosa`` the operator."""
    return World()


@pytest.fixture
def rosa(world: World) -> User:
    """Operates and audits."""
    return world.person("rosa", "operator", "auditor", first_name="Rosa", last_name="Lind")


@pytest.fixture
def asha(world: World) -> User:
    """Asks for promotions."""
    return world.person("asha", "submitter", first_name="Asha", last_name="Rao")


@pytest.fixture
def bram(world: World) -> User:
    """Approves."""
    return world.person("bram", "approver", first_name="Bram", last_name="de Wit")


def signed_in(user: User, **options: Any) -> Client:
    """A browser somebody is signed in with."""
    client = Client(**options)
    client.force_login(user)
    return client


@pytest.fixture
def browser() -> Callable[..., Client]:
    """Makes a browser for an account."""
    return signed_in


@pytest.fixture
def waiting(world: World, asha: User) -> Request:
    """Version 2 of ``credit-default`` waits for one approval in ``prod-eu``, where 1 answers."""
    world.environment("prod-eu", "production")
    world.agent("eu-1", "prod-eu", labels={"zone": "a"})
    world.agent("eu-2", "prod-eu")
    model = world.model("credit-default")
    old, new = world.version(model), world.version(model)
    world.champion(old, "prod-eu")
    world.tally(new, old, "prod-eu")
    world.environment("prod-eu", "production", approvals=1)
    return world.ask(new, "production", "prod-eu", by=asha, ticket="RISK-311")


__all__ = ["PASSWORD"]
