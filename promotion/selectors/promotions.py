"""Requests as a list: what waits for me, what is under way, what was."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from governance.access import ROLES, Permission, Sight
from governance.actors import Actor
from governance.models import RoleBinding
from promotion.models import Approval, Finding, PolicyApproval, PolicyRequest, Request
from promotion.selectors import findings

RECENT = 50
KINDS: Mapping[str, tuple[str, str]] = {
    Request.Kind.DEPLOY_DARK: ("dark deployment", "dark deployments"),
    Request.Kind.PROMOTE: ("promotion", "promotions"),
    Request.Kind.RETIRE: ("retirement", "retirements"),
}
"""What requests of a kind are called, one and several."""
Rows: TypeAlias = QuerySet[Request]
Places: TypeAlias = Sequence[tuple[UUID | None, str, str]]


@dataclass(frozen=True, slots=True)
class Together:
    """How many requests of one kind wait for this person in one environment."""

    environment: str
    kind: str
    count: int

    @property
    def words(self) -> str:
        """What they are, in words: ``3 dark deployments in prod-eu``."""
        one, several = KINDS.get(self.kind, (self.kind, self.kind))
        return f"{self.count} {one if self.count == 1 else several} in {self.environment}"


@dataclass(frozen=True, slots=True)
class PromotionsPage:
    """Requests by what they need next."""

    waiting: list[Request]
    policies: list[PolicyRequest]
    """Policies that wait for this person."""
    findings: list[Finding]
    """Findings that this person has to see to."""
    open: list[Request]
    under_way: list[Request]
    recent: list[Request]

    @property
    def for_me(self) -> int:
        """How much waits for this person."""
        return len(self.waiting) + len(self.policies)

    @property
    def together(self) -> list[Together]:
        """Kinds and places with several that could be signed in one go."""
        counts = Counter((one.environment.slug, one.kind) for one in self.waiting)
        return [Together(*key, count) for key, count in sorted(counts.items()) if count > 1]

    def is_empty(self) -> bool:
        return not (self.for_me or self.open or self.under_way or self.recent)


def promotions_page(actor: Actor, sight: Sight) -> PromotionsPage:
    """Read the unsettled requests, and the latest settled ones."""
    rows = with_approvals(Request.objects.filter(sight.reach.rows()))
    signing = _signing_places(actor)
    waiting = list(with_approvals(_requests_for(actor, signing)))
    mine = {request.pk for request in waiting}
    unsettled = list(rows.filter(state__in=["open", "approved", "executing"]))
    return PromotionsPage(
        waiting=waiting,
        policies=list(_policies_for(actor, signing).select_related("environment")),
        findings=list(findings.owned_by(actor).select_related("version__model")),
        open=[one for one in unsettled if one.state == "open" and one.pk not in mine],
        under_way=[one for one in unsettled if one.state != "open"],
        recent=list(rows.filter(settled_at__isnull=False).order_by("-settled_at")[:RECENT]),
    )


def with_approvals(rows: Rows) -> Rows:
    """Load what a row of a list shows, the newest first; approvals are counted.

    ``given`` are all of them, ``given_as_risk`` those by risk officers.
    """
    approved = Q(approvals__decision=Approval.Decision.APPROVE)
    related = rows.select_related(
        "deployment__version", "model", "environment", "replaces", "policy"
    )
    return related.annotate(
        given=Count("approvals", filter=approved),
        given_as_risk=Count("approvals", filter=approved & Q(approvals__role="risk")),
    ).order_by("-created_at")


def waiting_together(actor: Actor, *, environment: str, kind: str) -> list[Request]:
    """The requests of one kind that wait for this person in one environment."""
    rows = waiting_for(actor).filter(environment__slug=environment, kind=kind)
    return list(with_approvals(rows))


def count_waiting(actor: Actor) -> int:
    """How much waits for this person's signature: requests, and policies. Three queries."""
    signing = _signing_places(actor)
    return _requests_for(actor, signing).count() + _policies_for(actor, signing).count()


def waiting_for(actor: Actor) -> Rows:
    """The open requests this person could sign: a role here, not involved, not signed yet."""
    return _requests_for(actor, _signing_places(actor))


def _requests_for(actor: Actor, signing: Places) -> Rows:
    places = Q(pk__in=[])
    for environment, group, role in signing:
        place = Q(environment=environment) if environment else Q()
        places |= place & (Q(model__group=group) if group else Q()) & _signed_by(role)
    signed = Approval.objects.filter(person=actor.person).values("request")
    return (
        Request.objects.filter(places, state=Request.State.OPEN)
        .exclude(persons__contains=[actor.person])
        .exclude(pk__in=signed)
    )


def _signed_by(role: str) -> Q:
    """Requests whose policy lets this role sign: of promotions it may name other roles."""
    named = "policy__document__approvals__roles"
    return (
        ~Q(kind=Request.Kind.PROMOTE)
        | Q(**{f"{named}__isnull": True})
        | Q(**{f"{named}__contains": role})
    )


def _policies_for(actor: Actor, signing: Places) -> QuerySet[PolicyRequest]:
    """The same of policies, which only a role for all groups of models signs."""
    places = {environment for environment, group, _ in signing if not group}
    rows = PolicyRequest.objects.filter(state=PolicyRequest.State.OPEN)
    if None not in places:
        rows = rows.filter(environment__in=places)
    signed = PolicyApproval.objects.filter(person=actor.person).values("request")
    return rows.exclude(persons__contains=[actor.person]).exclude(pk__in=signed)


def _signing_places(actor: Actor) -> Places:
    """Where this person may sign: (environment or None for all, group or "" for all, role)."""
    bindings = RoleBinding.objects.filter(
        user=UUID(actor.id),
        user__is_active=True,
        revoked_at=None,
        role__in=ROLES[Permission.APPROVE],
    )
    return list(bindings.values_list("environment", "group", "role"))
