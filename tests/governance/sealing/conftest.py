"""A log, a sealer with its own role and key, and a sink in a folder."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings as django_settings
from django.db import connections, transaction

from governance import grants
from governance.actors import Actor
from governance.audit import services
from governance.audit.actions import Action
from governance.audit.sinks import open_sinks
from governance.sealing.log import Log
from governance.sealing.sealer import Sealer
from tests.conftest import as_owner

ORIGIN = "lockgate.test/audit"


def url_of(role: str) -> str:
    """The test database's URL for a role."""
    found = connections["default"].settings_dict
    return f"postgresql://{role}@/{found['NAME']}?host={found['HOST']}&port={found['PORT'] or 5432}"


@pytest.fixture
def write(set_up: Actor) -> Callable[..., int]:
    """Append entries to the log; return its size."""

    def append(count: int = 1, *, object: str = "environment:qa") -> int:
        seq = 0
        with transaction.atomic():
            for number in range(count):
                seq = services.record(
                    Action.ENVIRONMENT_DEFINED,
                    actor=set_up,
                    object=object,
                    subject=f"environment:{number}",
                    details={"slug": object},
                )
        return seq

    return append


@pytest.fixture
def sealers_url(transactional_db: None) -> str:
    """The sealer's own way into the database."""
    connection = connections["default"]
    role = django_settings.CONFIG.sealer_role
    with as_owner(connection):
        assert grants.grant_sealer(connection, role=role)
    return url_of(role)


@pytest.fixture
def log(sealers_url: str) -> Iterator[Log]:
    """The log as the sealer reads it."""
    with psycopg.connect(sealers_url, autocommit=True) as link:
        yield Log(link)


@pytest.fixture
def sink(tmp_path: Path) -> Path:
    """A folder out of the database's power."""
    folder = tmp_path / "sink"
    folder.mkdir()
    return folder


@pytest.fixture
def keys() -> list[Ed25519PrivateKey]:
    return [Ed25519PrivateKey.generate()]


@pytest.fixture
def make_sealer(sink: Path, keys: list[Ed25519PrivateKey]) -> Callable[..., Sealer]:
    """Start a sealer: of nothing but its key and where its sinks are."""

    def make(*more: str, signing: list[Ed25519PrivateKey] | None = None) -> Sealer:
        ticks = SimpleNamespace(now=datetime(2026, 11, 20, 10, tzinfo=UTC))

        def clock() -> datetime:
            ticks.now += timedelta(seconds=60)
            return ticks.now

        sinks = open_sinks(" ".join([sink.as_uri(), *more]))
        return Sealer(ORIGIN, signing or keys, sinks, clock=clock)

    return make


@pytest.fixture
def sealer(make_sealer: Callable[..., Sealer]) -> Sealer:
    return make_sealer()


@pytest.fixture
def kept(sink: Path) -> Callable[[], list[str]]:
    """Name what the sink holds."""

    def names() -> list[str]:
        return sorted(str(path.relative_to(sink)) for path in sink.rglob("*.note"))

    return names
