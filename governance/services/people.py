"""Every write to an account."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from governance import names
from governance.access import Permission, require
from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.errors import Conflict, Invalid, NotFound, Refused
from governance.models import User

CHANGEABLE = ("person", "first_name", "last_name", "email", "is_staff", "is_superuser", "is_active")
OWN = frozenset({"first_name", "last_name", "email"})
"""What nobody needs another person for."""


@transaction.atomic
def add_person(
    *,
    username: str,
    person: str,
    actor: Actor,
    password: str | None = None,
    email: str = "",
    first_name: str = "",
    last_name: str = "",
    is_staff: bool = False,
    is_superuser: bool = False,
) -> User:
    """Add an account. Without a password it can only be used by token.

    Args:
        person: the human's stable id; two accounts of one human share it.

    Raises:
        Forbidden: the actor does not administer.
        Invalid: a field is wrong, or the password too weak.
        Conflict: ``exists``, the username is taken.
    """
    require(actor, Permission.ADMINISTER)
    user = User(
        username=User.normalize_username(username),
        person=person,
        email=email,
        first_name=first_name,
        last_name=last_name,
        is_staff=is_staff,
        is_superuser=is_superuser,
    )
    _check(user)
    if password is None:
        user.set_unusable_password()
    else:
        _set_checked_password(user, password)

    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        message = f"There is an account {username} already."
        raise Conflict(message, code="exists") from None

    _record(Action.PERSON_ADDED, user, actor=actor, details=_facts(user))
    return user


@audit.records_refusals
@transaction.atomic
def change_person(*, user_id: UUID, actor: Actor, changes: Mapping[str, object]) -> User:
    """Change what an account says. Returns it; nothing is recorded if nothing differs.

    Args:
        changes: of ``CHANGEABLE``. People may change ``OWN`` of their own account.

    Raises:
        Refused: ``own_rights``, nobody changes who they are or what they may.
    """
    user = locked(user_id)

    own = actor.kind == "user" and actor.id == str(user.pk)
    if not (own and OWN.issuperset(changes)):
        require(actor, Permission.ADMINISTER)
        _refuse_own(actor, user, set(changes) - OWN)
    _refuse_unknown(user, changes)
    changed = {name: value for name, value in changes.items() if getattr(user, name) != value}
    if not changed:
        return user

    for name, value in changed.items():
        setattr(user, name, value)
    _check(user)
    user.save(update_fields=list(changed))

    ended = changed.get("is_active") is False
    action = Action.PERSON_DISABLED if ended else Action.PERSON_CHANGED
    _record(action, user, actor=actor, details={**_facts(user), "changed": sorted(changed)})
    return user


def disable_person(*, user_id: UUID, actor: Actor) -> User:
    """End an account: its sessions and its tokens stop at their next request."""
    return change_person(user_id=user_id, actor=actor, changes={"is_active": False})


@transaction.atomic
def set_password(*, user_id: UUID, password: str, actor: Actor) -> User:
    """Give an account a new password, which ends its other sessions.

    Raises:
        Forbidden: neither the account's own nor an administrator.
        Invalid: too weak; ``password`` says why.
    """
    user = locked(user_id)

    if not (actor.kind == "user" and actor.id == str(user.pk)):
        require(actor, Permission.ADMINISTER)
    _set_checked_password(user, password)

    user.save(update_fields=["password"])

    _record(Action.PERSON_CHANGED, user, actor=actor, details={"changed": ["password"]})
    return user


def locked(user_id: UUID) -> User:
    """Fetch an account and hold it until the transaction ends."""
    try:
        return User.objects.select_for_update(no_key=True).get(pk=user_id)
    except User.DoesNotExist:
        message = "No such account."
        raise NotFound(message) from None


def _refuse_own(actor: Actor, user: User, fields: set[str]) -> None:
    if fields and user.person in actor.persons():
        subject = f"principal:{user.pk}"
        message = "Nobody changes who they are, or what they may, by themselves."
        raise Refused(message, rule="own_rights", object=subject, subject=subject)


def _refuse_unknown(user: User, changes: Mapping[str, object]) -> None:
    problems: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in CHANGEABLE:
            problems[name] = "is no field of an account, or never changes"
        elif type(value) is not type(getattr(user, name)):
            problems[name] = "is of the wrong type"
    if problems:
        message = "An account cannot be changed so."
        raise Invalid(message, **problems)


def _check(user: User) -> None:
    problems: dict[str, Any] = {}
    for name, limit in (("username", 150), ("person", 100)):
        problems[name] = names.problem_with(getattr(user, name), limit=limit)
    if user.username in {".", ".."}:
        problems["username"] = "means another place in an address"
    for name in ("first_name", "last_name"):
        problems[name] = names.problem_with(getattr(user, name), limit=150, blank=True)
    try:
        User.username_validator(user.username)
        if user.email:
            validate_email(user.email)
    except ValidationError as error:
        problems["email" if "email" in error.messages[0] else "username"] = error.messages[0]
    found = {name: problem for name, problem in problems.items() if problem}
    if found:
        message = "This is no account as we keep them."
        raise Invalid(message, **found)


def _set_checked_password(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        message = "Choose a better password."
        raise Invalid(message, password=error.messages) from None
    user.set_password(password)


def _facts(user: User) -> dict[str, object]:
    """What the log keeps of an account, beside the chain's hash."""
    fields = ("username", "person", "is_active", "is_staff", "is_superuser")
    return {name: getattr(user, name) for name in fields}


def _record(action: Action, user: User, *, actor: Actor, details: Mapping[str, object]) -> None:
    name = f"principal:{user.pk}"
    audit.record(action, actor=actor, object=name, subject=name, details=details)
