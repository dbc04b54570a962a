"""The only writer of the audit log."""

import secrets
from collections.abc import Callable, Mapping
from functools import wraps
from typing import ParamSpec, TypeVar, cast
from uuid import UUID

from django.db import connection, transaction

from governance.actors import Actor
from governance.audit import behind, chain
from governance.audit.actions import Action
from governance.errors import Refused

P = ParamSpec("P")
R = TypeVar("R")

_ERASE = "SELECT audit_erase(%s, %s, %s, %s, %s)"
_APPEND = "SELECT audit_append(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"


def record(
    action: Action,
    *,
    actor: Actor,
    object: str,
    subject: str,
    model: str | None = None,
    version: int | None = None,
    environment: str | None = None,
    request: UUID | None = None,
    details: Mapping[str, object] | None = None,
) -> int:
    """Append one entry, inside the transaction that makes the change; return its seq.

    Call it last: it locks the head of the chain until that transaction ends,
    and every other writer waits.

    Args:
        object: whose chain it joins: ``model:<name>`` for all about a model's versions,
            else ``environment:<slug>``, ``agent:<uuid>``, ``principal:<uuid>`` or ``system``.
        subject: what changed, ``<kind>:<id>``. A deferred trigger looks for exactly this.
        details: the payload; strings, numbers, booleans, lists and mappings.

    Raises:
        RuntimeError: outside a transaction.
        Unavailable: ``log_behind``, the database is behind what was sealed.
        rfc8785.CanonicalizationError: details that JSON cannot hold exactly.
    """
    behind.require_ahead()
    if not connection.in_atomic_block:
        message = "record() must run in the transaction it describes"
        raise RuntimeError(message)
    about = (object, subject, model, version, environment, request)
    return _append(action, actor=actor, about=about, details=details or {})


def record_adoption(*, actor: Actor, details: Mapping[str, object]) -> int:
    """Append the one entry that is allowed while the database is behind: that it is."""
    about = ("system", "system:log", None, None, None, None)
    return _append(Action.LOG_HISTORY_ADOPTED, actor=actor, about=about, details=details)


def erase(seq: int, *, actor: Actor, details: Mapping[str, object]) -> int:
    """Erase the payload of an entry for good, and append the entry that says so; return its seq.

    Call it last, as ``record``. The database lets neither happen without the other.

    Raises:
        RuntimeError: outside a transaction.
        Unavailable: ``log_behind``.
    """
    behind.require_ahead()
    if not connection.in_atomic_block:
        message = "erase() must run in the transaction that decides it"
        raise RuntimeError(message)
    payload = chain.canonical({"actor": actor.label, **details})
    with connection.cursor() as cursor:
        cursor.execute(_ERASE, (seq, actor.kind, actor.id, payload, secrets.token_bytes(16)))
        return int(cursor.fetchone()[0])


def _append(
    action: Action,
    *,
    actor: Actor,
    about: tuple[str | int | UUID | None, ...],
    details: Mapping[str, object],
) -> int:
    payload = chain.canonical({"actor": actor.label, **details})
    who = (action.value, actor.kind, actor.id)
    with connection.cursor() as cursor:
        cursor.execute(_APPEND, (*who, *about, payload, secrets.token_bytes(16)))
        return int(cursor.fetchone()[0])


def records_refusals(service: Callable[P, R]) -> Callable[P, R]:
    """Let a refusal survive the rollback of the transaction it ended.

    Goes around a service, outside its transaction. The entry is written in a
    transaction of its own.
    """

    @wraps(service)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return service(*args, **kwargs)
        except Refused as refusal:
            _record_refusal(refusal, actor=cast("Actor", kwargs["actor"]))
            raise

    return guarded


@transaction.atomic
def _record_refusal(refusal: Refused, *, actor: Actor) -> None:
    kind, _, name = refusal.object.partition(":")
    record(
        Action.ATTEMPT_REFUSED,
        actor=actor,
        object=refusal.object,
        subject=refusal.subject,
        model=name if kind == "model" else None,
        details={"rule": refusal.rule, "reason": refusal.message},
    )
