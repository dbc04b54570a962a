"""Every write to a role: who holds it, where, and until when."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from governance import names
from governance.access import Permission, require
from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.errors import Conflict, Invalid, NotFound, Refused
from governance.models import Environment, RoleBinding, ServiceToken, User

OF_PEOPLE = frozenset({RoleBinding.Role.APPROVER, RoleBinding.Role.RISK})
"""Roles that no token of a service holds."""


@audit.records_refusals
@transaction.atomic
def grant_role(
    *,
    to: User | ServiceToken,
    role: str,
    actor: Actor,
    environment: Environment | None = None,
    group: str = "",
) -> RoleBinding:
    """Give a role to an account or a service's token. Twice is once.

    Args:
        environment: None for all of them.
        group: of models; ``""`` for all of them.

    Raises:
        Invalid: no such role or group, or not a role for tokens.
        Refused: ``own_rights``, nobody gives themselves a role.
    """
    require(actor, Permission.ADMINISTER, environment=environment)
    _hold(to)
    _check(to, role, group)
    _refuse_own(actor, to)
    holder = {"user": to} if isinstance(to, User) else {"token": to}
    same = RoleBinding.objects.filter(
        role=role, environment=environment, group=group, revoked_at=None, **holder
    ).first()
    if same is not None:
        return same

    binding = RoleBinding(role=role, environment=environment, group=group, **holder)
    binding.save(force_insert=True)

    _record(Action.ROLE_GRANTED, binding, actor=actor)
    return binding


@audit.records_refusals
@transaction.atomic
def revoke_role(*, binding_id: UUID, actor: Actor) -> RoleBinding:
    """Take a role away; it no longer counts at the next question.

    Raises:
        Conflict: ``already_revoked``.
        Refused: ``own_rights``.
    """
    binding = _locked(binding_id)

    require(actor, Permission.ADMINISTER, environment=binding.environment)
    _refuse_own(actor, holder_of(binding))
    if binding.revoked_at is not None:
        message = "This role was taken away before."
        raise Conflict(message, code="already_revoked")

    binding.revoked_at = timezone.now()
    binding.save(update_fields=["revoked_at"])

    _record(Action.ROLE_REVOKED, binding, actor=actor)
    return binding


def holder_of(binding: RoleBinding) -> User | ServiceToken:
    """Return whose role it is."""
    holder = binding.user or binding.token
    if holder is None:  # A constraint of the table says otherwise.
        message = f"binding {binding.pk} is nobody's"
        raise RuntimeError(message)
    return holder


def _locked(binding_id: UUID) -> RoleBinding:
    rows = RoleBinding.objects.select_for_update(of=("self",), no_key=True)
    try:
        return rows.select_related("user", "token__owner", "environment").get(pk=binding_id)
    except RoleBinding.DoesNotExist:
        message = "No such role binding."
        raise NotFound(message) from None


def _hold(holder: User | ServiceToken) -> None:
    """Make two grants of one role to one holder follow each other."""
    type(holder).objects.select_for_update(no_key=True).filter(pk=holder.pk).first()


def _check(to: User | ServiceToken, role: str, group: str) -> None:
    if role not in RoleBinding.Role.values:
        message = "There is no such role."
        raise Invalid(message, role=f"is none of {', '.join(RoleBinding.Role.values)}")
    if group and not names.is_slug(group):
        message = "A group is 1 to 63 lower-case letters, digits and inner hyphens."
        raise Invalid(message, group="is not a slug")
    if isinstance(to, User):
        return
    if role in OF_PEOPLE:
        message = "Only people approve: no token holds this role."
        raise Invalid(message, role="is for people")
    if to.scope != ServiceToken.Scope.CI:
        message = "A personal token has the roles of its person, an agent's token has none."
        raise Invalid(message, token="is not a service's")  # noqa: S106 - a message


def _refuse_own(actor: Actor, holder: User | ServiceToken) -> None:
    person = holder if isinstance(holder, User) else holder.owner
    if person is not None and person.person in actor.persons():
        name = f"principal:{holder.pk}"
        message = "Nobody gives or takes their own roles."
        raise Refused(message, rule="own_rights", object=name, subject=name)


def _record(action: Action, binding: RoleBinding, *, actor: Actor) -> None:
    holder = holder_of(binding)
    environment = binding.environment.slug if binding.environment else None
    audit.record(
        action,
        actor=actor,
        object=f"principal:{holder.pk}",
        subject=f"role:{binding.pk}",
        environment=environment,
        details={"role": binding.role, "group": binding.group, "holder": str(holder)},
    )
