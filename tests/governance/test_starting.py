"""What the control plane started with is in the log, without a secret, and not every minute."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from governance import signing
from governance.actors import Actor
from governance.audit.models import Entry
from governance.services import starting

WORKER = Actor.from_task("governance.worker")
OTHER = {"public_url": "https://lockgate.example"}


def facts() -> list[dict[str, Any]]:
    rows = Entry.objects.filter(action="system.started").select_related("payload").order_by("seq")
    return [json.loads(row.payload.body) for row in rows]


def test_the_digest_tells_a_change_and_no_password() -> None:
    given = {"database_url": "postgresql://lockgate:first@db:5432/lockgate"}
    changed = {"database_url": "postgresql://lockgate:second@db:5432/lockgate"}
    digests = [
        starting.settings_digest(settings.CONFIG.model_copy(update=update))
        for update in (given, changed, OTHER, {"database_url": "postgresql://db2/lockgate"})
    ]

    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    assert all(len(digest) == 64 for digest in digests)


@pytest.mark.django_db
def test_a_start_is_recorded_once_until_something_is_new(monkeypatch: Any) -> None:
    assert starting.note_start(config=settings.CONFIG, actor=WORKER) is True
    assert starting.note_start(config=settings.CONFIG, actor=WORKER) is False
    changed = settings.CONFIG.model_copy(update=OTHER)
    assert starting.note_start(config=changed, actor=WORKER) is True

    first, second = facts()
    assert first["keys"] == [signing.keyid(public) for public in signing.public_keys()]
    assert first["software"] == starting.software()
    assert first["settings_sha256"] != second["settings_sha256"]

    later = timezone.now() + 2 * starting.QUIET
    monkeypatch.setattr(starting.timezone, "now", lambda: later)
    assert starting.note_start(config=changed, actor=WORKER) is True
    assert timedelta(minutes=1) <= starting.QUIET
