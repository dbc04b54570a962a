"""Who may do what, where. Read from the bindings at every request; denied by default.

Nothing is cached and nobody is exempt: a revoked binding, a disabled account and a
revoked token count from the next question on, and ``is_superuser`` or the role
``admin`` open no door that their bindings do not open. Only a task is not asked:
it is our own code, or a command typed on the server, and acts on what was decided.
"""

from enum import StrEnum
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from governance.actors import Actor
from governance.errors import Forbidden
from governance.models import Environment, RoleBinding

Role = RoleBinding.Role


class Permission(StrEnum):
    """What somebody may do. Roles are what people are given; see ``ROLES``."""

    VIEW = "view"
    SUBMIT = "submit"
    COMMENT = "comment"
    APPROVE = "approve"
    WAIVE = "waive"
    OPERATE = "operate"
    HANDLE_INCIDENTS = "handle incidents"
    AUDIT = "audit"
    ADMINISTER = "administer"


ROLES: dict[Permission, frozenset[str]] = {
    Permission.VIEW: frozenset(Role.values),
    Permission.SUBMIT: frozenset({Role.SUBMITTER}),
    Permission.COMMENT: frozenset(Role.values) - {Role.VIEWER},
    Permission.APPROVE: frozenset({Role.APPROVER, Role.RISK}),
    Permission.WAIVE: frozenset({Role.RISK}),
    Permission.OPERATE: frozenset({Role.OPERATOR}),
    Permission.HANDLE_INCIDENTS: frozenset({Role.OPERATOR, Role.RISK}),
    Permission.AUDIT: frozenset({Role.AUDITOR}),
    Permission.ADMINISTER: frozenset({Role.ADMIN}),
}
"""Which roles carry a permission."""

ANYWHERE = frozenset({Permission.VIEW, Permission.SUBMIT, Permission.COMMENT})
"""Where no environment or group is named, a role in any one is enough for these.

A policy names no group: whose models it is for some of may comment on it."""


def require(
    actor: Actor,
    permission: Permission,
    *,
    environment: Environment | None = None,
    group: str | None = None,
) -> None:
    """Let the actor pass, or raise.

    Args:
        environment: where. None is "in no environment in particular": to view, or to
            submit what belongs to none (a blob, a version), a role in any environment is
            enough; for everything else only a role that holds in all of them counts.
        group: the model's group, ``""`` for a model of no group. None, by the same rule,
            is "no model in particular".

    Raises:
        Forbidden: no live binding of this actor allows it; the context says which role would.
    """
    if allowed(actor, permission, environment=environment, group=group):
        return
    place = f"in {environment.slug}" if environment else "here"
    needed = sorted(ROLES[permission])
    message = f"To {permission.value} {place} you need the role {' or '.join(needed)}."
    if permission is Permission.VIEW:
        message = f"You have no role {place}."
    raise Forbidden(
        message,
        permission=permission.value,
        environment=environment.slug if environment else None,
        roles=needed,
    )


def allowed(
    actor: Actor,
    permission: Permission,
    *,
    environment: Environment | None = None,
    group: str | None = None,
) -> bool:
    """Tell whether ``require`` would let the actor pass. One query."""
    if actor.kind == "task":
        return True
    anywhere = permission in ANYWHERE
    bindings = _bindings(actor, environment=environment, group=group, anywhere=anywhere)
    return bindings.filter(role__in=ROLES[permission]).exists()


def roles_of(
    actor: Actor, *, environment: Environment | None = None, group: str | None = None
) -> frozenset[str]:
    """Return the roles that hold in exactly this place. One query.

    Unlike ``require`` for views, nothing is enough "anywhere": with no environment, only
    roles in all environments count, and with no group only roles for all groups.
    """
    bindings = _bindings(actor, environment=environment, group=group, anywhere=False)
    return frozenset(bindings.values_list("role", flat=True))


def environments(actor: Actor, permission: Permission = Permission.VIEW) -> QuerySet[Environment]:
    """Return the environments this actor has the permission in, for any group of models."""
    if actor.kind == "task":
        return Environment.objects.all()
    live = _live(actor).filter(role__in=ROLES[permission])
    if live.filter(environment=None).exists():
        return Environment.objects.all()
    return Environment.objects.filter(pk__in=live.values("environment"))


def groups(actor: Actor, permission: Permission = Permission.VIEW) -> frozenset[str] | None:
    """Return the groups of models this actor has the permission for, anywhere; None for all.

    One query. A model of no group is only seen by those who see all of them.
    """
    if actor.kind == "task":
        return None
    held = _live(actor).filter(role__in=ROLES[permission]).values_list("group", flat=True)
    found = frozenset(held)
    return None if "" in found else found


def _bindings(
    actor: Actor, *, environment: Environment | None, group: str | None, anywhere: bool
) -> QuerySet[RoleBinding]:
    bindings = _live(actor)
    if environment is not None:
        bindings = bindings.filter(Q(environment=None) | Q(environment=environment))
    elif not anywhere:
        bindings = bindings.filter(environment=None)
    if group is not None:
        bindings = bindings.filter(group__in={"", group})
    elif not anywhere:
        bindings = bindings.filter(group="")
    return bindings


def _live(actor: Actor) -> QuerySet[RoleBinding]:
    """Bindings that count now: neither they nor whose they are have ended."""
    bindings = RoleBinding.objects.filter(revoked_at=None)
    if actor.kind == "user":
        return bindings.filter(user=UUID(actor.id), user__is_active=True)
    if actor.kind == "service":
        return bindings.filter(
            token=UUID(actor.id),
            token__revoked_at=None,
            token__expires_at__gt=timezone.now(),
            token__owner__is_active=True,
        )
    return bindings.none()
