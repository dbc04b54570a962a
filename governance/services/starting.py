"""Records with which software, settings and keys the control plane goes on from now."""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

from django.db import connection, transaction
from django.utils import timezone

from governance import signing
from governance.actors import Actor
from governance.audit import chain
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.audit.models import Entry
from governance.config import Config

QUIET = timedelta(minutes=10)
"""What starts again and again with the same facts is recorded once in so long."""
_ALONE = "SELECT pg_advisory_xact_lock(hashtext('system.started'))"


def note_start(*, config: Config, actor: Actor) -> bool:
    """Record that the control plane has started; tell whether there was need to.

    The worker says it, for there is at least one. The digest of the settings shows that they
    changed, and nothing of what they are: secrets are in files that they only name, and what
    stands in an address before the host is left out.

    Raises:
        Unavailable: ``log_behind``.
    """
    facts = {
        "software": software(),
        "settings_sha256": settings_digest(config),
        "keys": [signing.keyid(public) for public in signing.public_keys()],
    }
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_ALONE)
        if _is_known(facts):
            return False
        audit.record(
            Action.SYSTEM_STARTED,
            actor=actor,
            object="system",
            subject="system:control-plane",
            details=facts,
        )
    return True


def software() -> str:
    """Return the installed version of Lockgate, or nothing where it is not installed."""
    try:
        return version("lockgate")
    except PackageNotFoundError:
        return ""


def settings_digest(config: Config) -> str:
    """Return the SHA-256, in hex, of all settings but what may be a secret in an address."""
    plain = {
        name: _without_secret(str(value)) if name.endswith("_url") and value else str(value)
        for name, value in config.model_dump().items()
    }
    return hashlib.sha256(chain.canonical(plain).encode()).hexdigest()


def _without_secret(url: str) -> str:
    found = urlsplit(url)
    return found._replace(netloc=found.netloc.rpartition("@")[2]).geturl()


def _is_known(facts: Mapping[str, object]) -> bool:
    last = (
        Entry.objects.filter(object="system", action=Action.SYSTEM_STARTED)
        .select_related("payload")
        .order_by("-object_seq")
        .first()
    )
    if last is None or last.at < timezone.now() - QUIET or not hasattr(last, "payload"):
        return False
    said = json.loads(last.payload.body or "{}")
    return {name: said.get(name) for name in facts} == dict(facts)
