"""Erasing the payload of one audit entry, for good. One person asks, another one decides."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.audit import erasing
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.audit.models import Entry
from governance.audit.services import records_refusals
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from governance.models import Erasure, User
from governance.names import problem_with

LONGEST_BASIS = 200


@transaction.atomic
def ask(*, seq: int, reason: str, basis: str, user: User, actor: Actor) -> Erasure:
    """Ask that the payload of an entry goes: names, reasons and facts, not the entry.

    Args:
        reason: why, without repeating what has to go: it stays in the log.
        basis: what in the law obliges us, such as ``GDPR Art. 17(1)(d)``.

    Raises:
        Forbidden: the actor does not audit everywhere, or is no person.
        NotFound: ``unknown_entry``.
        Invalid: no reason, or no basis.
        Conflict: ``needed_for_replay``, ``erased`` already, or ``erasure_asked`` for already.
    """
    _require(access.Permission.AUDIT, user, actor=actor)
    entry = find(seq)
    _check(reason=reason, basis=basis)
    refuse_needed(entry)
    found = Erasure.objects.select_for_update(no_key=True).filter(pk=seq).first()
    _refuse_settled(found)
    erasure = found or Erasure(pk=seq)
    erasure.state = Erasure.State.ASKED
    erasure.reason, erasure.basis = reason, basis
    erasure.asked_person, erasure.asked_by = actor.person, user.display()
    erasure.asked_at = timezone.now()
    erasure.decided_person = erasure.decided_by = erasure.comment = ""
    erasure.decided_at = None
    try:
        with transaction.atomic():
            erasure.save(force_insert=found is None)
    except IntegrityError:
        raise _asked_already() from None
    _record(
        Action.ERASURE_REQUESTED, entry, actor=actor, details={"reason": reason, "basis": basis}
    )
    return erasure


@records_refusals
@transaction.atomic
def decide(*, seq: int, erase: bool, comment: str, user: User, actor: Actor) -> Erasure:
    """Erase what was asked for, or decline. What is erased is gone, here and for everybody.

    Raises:
        Forbidden: the actor neither audits nor administers everywhere, or is no person.
        NotFound: ``unknown_entry``, or ``unknown_erasure``, nobody has asked for it.
        Invalid: no comment.
        Conflict: ``settled``, it is decided already.
        Refused: ``four_eyes``, who asked for it.
    """
    _require(access.Permission.ERASE, user, actor=actor)
    entry = find(seq)
    erasure = Erasure.objects.select_for_update(no_key=True).filter(pk=seq).first()
    if erasure is None:
        message = "Nobody has asked that this payload goes."
        raise NotFound(message, code="unknown_erasure")
    if problem := problem_with(comment):
        message = "Say what you have looked at."
        raise Invalid(message, comment=problem)
    if erasure.state != Erasure.State.ASKED:
        message = f"It is {erasure.state} already."
        raise Conflict(message, code="settled", state=erasure.state)
    _refuse_same_person(erasure, entry, actor=actor)
    erasure.state = Erasure.State.ERASED if erase else Erasure.State.DECLINED
    erasure.decided_person, erasure.decided_by = actor.person, user.display()
    erasure.decided_at, erasure.comment = timezone.now(), comment
    erasure.save()
    details = {"comment": comment, "reason": erasure.reason, "basis": erasure.basis}
    if erase:
        audit.erase(seq, actor=actor, details={**details, "asked_by": erasure.asked_by})
    else:
        _record(Action.ERASURE_DECLINED, entry, actor=actor, details=details)
    return erasure


def find(seq: int) -> Entry:
    """Read one entry with its payload.

    Raises:
        NotFound: ``unknown_entry``.
    """
    found = Entry.objects.select_related("payload").filter(seq=min(seq, 2**63 - 1)).first()
    if found is None:
        message = "The audit log has no such entry."
        raise NotFound(message, code="unknown_entry")
    return found


def refuse_needed(entry: Entry) -> None:
    """Raise ``needed_for_replay`` for a payload that has to stay."""
    if why := erasing.kept_because(action=entry.action, subject=entry.subject):
        message = f"The payload of entry {entry.seq} has to stay. {why}"
        raise Conflict(message, code="needed_for_replay", action=entry.action)


def _refuse_settled(found: Erasure | None) -> None:
    if found is None or found.state == Erasure.State.DECLINED:
        return
    if found.state == Erasure.State.ASKED:
        raise _asked_already()
    message = "The payload of this entry is gone."
    raise Conflict(message, code="erased", at=found.decided_at)


def _asked_already() -> Conflict:
    message = "Somebody has asked for it already; it waits for another person."
    return Conflict(message, code="erasure_asked")


def _refuse_same_person(erasure: Erasure, entry: Entry, *, actor: Actor) -> None:
    if actor.person == erasure.asked_person:
        message = "Who asked that a payload goes does not erase it."
        raise Refused(message, rule="four_eyes", object=entry.object, subject=f"entry:{entry.seq}")


def _require(permission: access.Permission, user: User, *, actor: Actor) -> None:
    access.require(actor, permission)
    if not actor.person or str(user.pk) != actor.id:
        message = "Only a person asks for an erasure, and only a person decides it."
        raise Forbidden(message, code="a_person")


def _check(*, reason: str, basis: str) -> None:
    problems = {
        "reason": problem_with(reason),
        "basis": problem_with(basis, limit=LONGEST_BASIS),
    }
    if found := {name: problem for name, problem in problems.items() if problem}:
        message = "Say why it has to go, and what in the law obliges us."
        raise Invalid(message, **found)


def _record(action: Action, entry: Entry, *, actor: Actor, details: dict[str, str]) -> None:
    audit.record(
        action,
        actor=actor,
        object=entry.object,
        subject=f"entry:{entry.seq}",
        model=entry.model,
        version=entry.model_version,
        environment=entry.environment,
        request=entry.request,
        details=details,
    )
