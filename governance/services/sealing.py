"""An operator records that the log went back, and it goes on as another history."""

from django.db import connection, transaction

from governance import access
from governance.actors import Actor
from governance.audit import behind, checkpoints
from governance.audit import services as audit
from governance.audit.behind import Behind
from governance.errors import Conflict, Invalid
from governance.names import problem_with

_ALONE = "SELECT pg_advisory_xact_lock(hashtext('log.history_adopted'))"


def adopt(*, reason: str, actor: Actor) -> Behind:
    """End the read-only state after a restored backup or a log that was cut.

    The log goes on where it is, as a new epoch with a name of its own: what was sealed and
    is lost stays in the sinks, and every verifier names this decision.

    Raises:
        Forbidden: the actor does not operate everywhere.
        Invalid: no reason.
        Conflict: ``log_not_behind``.
    """
    access.require(actor, access.Permission.OPERATE)
    if problem := problem_with(reason):
        raise Invalid("Say why.", reason=problem)
    found = behind.look()
    if found is None:
        raise Conflict("The log is not behind any checkpoint.", code="log_not_behind")
    _record(found, reason=reason, actor=actor)
    behind.look()
    return found


@transaction.atomic
def _record(found: Behind, *, reason: str, actor: Actor) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_ALONE)
    if checkpoints.epoch() != found.epoch:
        raise Conflict("Somebody has just recorded it.", code="log_not_behind")
    audit.record_adoption(
        actor=actor,
        details={
            "reason": reason,
            "lost_size": found.size,
            "lost_root": found.root,
            "size": found.ours,
            "epoch": found.epoch + 1,
            "sink": found.sink,
            "note": found.note,
        },
    )
