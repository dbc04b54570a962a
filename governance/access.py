"""Who may do what, where. Read from the bindings at every request; denied by default.

Nothing is cached and nobody is exempt: a revoked binding, a disabled account and a
revoked token count from the next question on, and ``is_superuser`` or the role
``admin`` open no door that their bindings do not open. Only a task is not asked:
it is our own code, or a command typed on the server, and acts on what was decided.
"""

from collections.abc import Iterable
from dataclasses import dataclass
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
    RECORD_FINDINGS = "record findings"
    OPERATE = "operate"
    HANDLE_INCIDENTS = "handle incidents"
    AUDIT = "audit"
    SEE_PEOPLE = "see people"
    ERASE = "erase"
    ADMINISTER = "administer"


ROLES: dict[Permission, frozenset[str]] = {
    Permission.VIEW: frozenset(Role.values),
    Permission.SUBMIT: frozenset({Role.SUBMITTER}),
    Permission.COMMENT: frozenset(Role.values) - {Role.VIEWER},
    Permission.APPROVE: frozenset({Role.APPROVER, Role.RISK}),
    Permission.WAIVE: frozenset({Role.RISK}),
    Permission.RECORD_FINDINGS: frozenset({Role.APPROVER, Role.RISK}),
    Permission.OPERATE: frozenset({Role.OPERATOR}),
    Permission.HANDLE_INCIDENTS: frozenset({Role.OPERATOR, Role.RISK}),
    Permission.AUDIT: frozenset({Role.AUDITOR}),
    Permission.SEE_PEOPLE: frozenset({Role.AUDITOR, Role.ADMIN}),
    Permission.ERASE: frozenset({Role.AUDITOR, Role.ADMIN}),
    Permission.ADMINISTER: frozenset({Role.ADMIN}),
}
"""Which roles carry a permission."""

ANYWHERE = frozenset({Permission.VIEW, Permission.SUBMIT, Permission.COMMENT})
"""Where no environment or group is named, a role in any one is enough for these.

A policy names no group: whose models it is for some of may comment on it."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a permission holds: pairs of an environment and a group; None and ``""`` are all.

    For lists, of which each sees what is theirs: a role in one environment and a role for
    one group are no role for that group in that environment.
    """

    pairs: frozenset[tuple[UUID | None, str]]

    def covers(self, *, environment: UUID | None = None, group: str | None = None) -> bool:
        """Tell whether it holds there. None is "in any"."""
        return any(
            (environment is None or place in {None, environment})
            and (group is None or held in {"", group})
            for place, held in self.pairs
        )

    def rows(
        self,
        *,
        environment: str = "environment",
        group: str = "model__group",
        whole: bool = False,
    ) -> Q:
        """Select rows that lie within. The first two are their fields' names.

        Args:
            whole: also rows of no model, which are about all of their environment.
        """
        if (None, "") in self.pairs:
            return Q()
        found = Q(pk__in=[])
        for place, held in sorted(self.pairs, key=str):
            here = Q(**{environment: place}) if place else Q()
            of = Q(**{group: held}) if held else Q()
            found |= here & (of | Q(**{f"{group}__isnull": True}) if whole and held else of)
        return found

    def groups(self, *, environment: UUID | None = None) -> frozenset[str] | None:
        """Return the groups of models it holds for, there or in any place; None for all."""
        held = frozenset(
            group
            for place, group in self.pairs
            if environment is None or place in {None, environment}
        )
        return None if "" in held else held


NOWHERE = Reach(frozenset())


class Sight(list[Environment]):
    """The environments somebody may see, in order, and of which models in each.

    A list, because that is what Django's filters take and copy; the copy sees no model.
    """

    def __init__(self, environments: Iterable[Environment], reach: Reach = NOWHERE) -> None:
        super().__init__(environments)
        self.reach = reach

    def only(self, slug: str) -> "Sight":
        """Return this one, if it is among them."""
        return Sight([one for one in self if one.slug == slug], self.reach)

    def of_group(self, group: str) -> "Sight":
        """Return those in which models of a group are seen."""
        seen = [one for one in self if self.reach.covers(environment=one.pk, group=group)]
        return Sight(seen, self.reach)


def reach(actor: Actor, permission: Permission = Permission.VIEW) -> Reach:
    """Return where this actor has a permission. One query."""
    if actor.kind == "task":
        return Reach(frozenset({(None, "")}))
    live = _live(actor).filter(role__in=ROLES[permission])
    return Reach(frozenset(live.values_list("environment", "group")))


def sight(actor: Actor) -> Sight:
    """Return what this actor may see. Two queries."""
    seen = reach(actor)
    return Sight(
        (one for one in Environment.objects.all() if seen.covers(environment=one.pk)), seen
    )


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


def environments(
    actor: Actor, permission: Permission = Permission.VIEW, *, group: str | None = None
) -> QuerySet[Environment]:
    """Return the environments this actor has the permission in.

    Args:
        group: for this one, or with ``""`` only where it is for all of them. None is any.
    """
    if actor.kind == "task":
        return Environment.objects.all()
    live = _live(actor).filter(role__in=ROLES[permission])
    if group is not None:
        live = live.filter(group__in={"", group})
    if live.filter(environment=None).exists():
        return Environment.objects.all()
    return Environment.objects.filter(pk__in=live.values("environment"))


def groups(actor: Actor, permission: Permission = Permission.VIEW) -> frozenset[str] | None:
    """Return the groups of models this actor has the permission for, anywhere; None for all.

    One query. A model of no group is only seen by those who see all of them.
    """
    return reach(actor, permission).groups()


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
