"""Who may do what, where, since when, and given by whom: roles and tokens as people read them.

Rows say what counts; the audit log says who gave it and who took it away.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import CharField, F, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone

from governance.audit.actions import Action
from governance.audit.models import Entry
from governance.models import Environment, RoleBinding, ServiceToken, User
from promotion.selectors import timeline
from promotion.selectors.timeline import Event

MOST = 500
"""Rows one table shows; the page says when there are more, and filters narrow it."""
PAGE = 50
CHANGES = (Action.ROLE_GRANTED, Action.ROLE_REVOKED)
COUNTS = "counts"


@dataclass(frozen=True, slots=True)
class Held:
    """One role of one account or service, with who gave it and who took it."""

    binding: RoleBinding
    now: datetime
    given_by: str
    ended_by: str

    @property
    def account(self) -> User | None:
        return self.binding.user

    @property
    def token(self) -> ServiceToken | None:
        return self.binding.token

    @property
    def standing(self) -> str:
        """Whether it counts now, by the rule ``access`` asks, and if not, why."""
        user, token = self.account, self.token
        if self.binding.revoked_at is not None:
            return "ended"
        if user is not None:
            return COUNTS if user.is_active else "account disabled"
        if token is None or token.owner is None or not token.owner.is_active:
            return "owner disabled"
        return COUNTS if not token_ended(token, self.now) else f"token {self.token_state}"

    @property
    def counts(self) -> bool:
        return self.standing == COUNTS

    @property
    def token_state(self) -> str:
        return token_ended(self.token, self.now) if self.token else ""


@dataclass(frozen=True, slots=True)
class Known:
    """One token: never its secret, whose first characters tell it from others."""

    token: ServiceToken
    agent: str
    state: str


@dataclass(frozen=True, slots=True)
class People:
    """What the page shows. A list that was cut says so."""

    live: list[Held]
    ended: list[Held]
    tokens: list[Known]
    changes: list[Event]
    older: int | None
    environments: list[str]
    cut: frozenset[str]

    @property
    def title(self) -> str:
        """The answer this page gives: what counts now."""
        if "live" in self.cut:
            return f"More than {MOST} roles are held"
        held = [one for one in self.live if one.counts]
        if not held:
            return "Nobody holds a role"
        persons = len({one.account.person for one in held if one.account})
        services = len({one.token.pk for one in held if one.token})
        by = [_many(persons, "person", "people")] if persons else []
        by += [_many(services, "service", "services")] if services else []
        roles = _many(len(held), "role is", "roles are")
        return f"{roles} held by {' and '.join(by)}"


def token_ended(token: ServiceToken, now: datetime) -> str:
    """Say how a token ended, or return ``""``."""
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at <= now else ""


def people(*, person: str, place: Environment | None, before: int | None) -> People:
    """Read what is asked for. Six queries.

    Args:
        person: a human or one of their accounts; blank is everybody.
        place: where it must count: what holds in all environments holds there, too.
        before: the entry below which this page of changes ends.
    """
    now, bindings = timezone.now(), _bindings(person, place)
    rows = bindings.select_related("user", "token__owner", "environment")
    order = ("user__username", "token__name", "role", "environment__position", "group", "pk")
    live = list(rows.filter(revoked_at=None).order_by(*order)[: MOST + 1])
    ended = list(rows.exclude(revoked_at=None).order_by("-revoked_at", "pk")[: MOST + 1])
    tokens = list(_tokens(person, place, bindings)[: MOST + 1])
    changes = _changes(bindings, before)
    counts = {"live": len(live), "ended": len(ended), "tokens": len(tokens)}
    acts = _acts([*live[:MOST], *ended[:MOST]])
    return People(
        live=[_held(one, acts, now) for one in live[:MOST]],
        ended=[_held(one, acts, now) for one in ended[:MOST]],
        tokens=[_known(one, now) for one in tokens[:MOST]],
        changes=changes[:PAGE],
        older=changes[PAGE - 1].seq if len(changes) > PAGE else None,
        environments=list(Environment.objects.values_list("slug", flat=True)),
        cut=frozenset(name for name, count in counts.items() if count > MOST),
    )


def _accounts(person: str) -> QuerySet[User]:
    return User.objects.filter(Q(username=person) | Q(person=person))


def _bindings(person: str, place: Environment | None) -> QuerySet[RoleBinding]:
    found = RoleBinding.objects.all()
    if person:
        accounts = _accounts(person)
        found = found.filter(Q(user__in=accounts) | Q(token__owner__in=accounts))
    if place is not None:
        found = found.filter(Q(environment=None) | Q(environment=place))
    return found


def _tokens(
    person: str, place: Environment | None, bindings: QuerySet[RoleBinding]
) -> QuerySet[ServiceToken]:
    """Tokens of a person; in a place, those with a role or an agent there. Agents' come last."""
    found = ServiceToken.objects.select_related("owner", "agent__target__environment")
    if person:
        found = found.filter(owner__in=_accounts(person))
    if place is not None:
        own = Q(pk__in=bindings.filter(token__isnull=False).values("token"))
        owners = bindings.filter(user__isnull=False).values("user")
        personal = Q(scope=ServiceToken.Scope.PERSONAL, owner__in=owners)
        found = found.filter(own | personal | Q(agent__target__environment=place))
    owner = F("owner__username").asc(nulls_last=True)
    return found.order_by(owner, "-created_at", "pk")


def _changes(bindings: QuerySet[RoleBinding], before: int | None) -> list[Event]:
    """What was given and taken of these roles, one more than a page. One query, by subject."""
    named = Concat(Value("role:"), Cast("pk", CharField()), output_field=CharField())
    about = bindings.annotate(named=named).values("named")
    entries = Entry.objects.filter(subject__in=about, action__in=CHANGES)
    if before is not None:
        entries = entries.filter(seq__lt=before)
    return timeline.read(entries, limit=PAGE + 1)


def _acts(bindings: Iterable[RoleBinding]) -> Mapping[tuple[str, str], str]:
    """Who gave and who took each of them, by subject and action."""
    subjects = [f"role:{one.pk}" for one in bindings]
    entries = Entry.objects.filter(subject__in=subjects, action__in=CHANGES)
    events = timeline.in_words(entries.select_related("payload"))
    return {(event.subject, event.action): event.actor for event in events}


def _held(binding: RoleBinding, acts: Mapping[tuple[str, str], str], now: datetime) -> Held:
    name = f"role:{binding.pk}"
    return Held(
        binding,
        now,
        given_by=acts.get((name, Action.ROLE_GRANTED), ""),
        ended_by=acts.get((name, Action.ROLE_REVOKED), ""),
    )


def _known(token: ServiceToken, now: datetime) -> Known:
    agent = getattr(token, "agent", None)
    where = f"{agent.name} in {agent.target.environment.slug}" if agent else ""
    disabled = token.owner is not None and not token.owner.is_active
    state = token_ended(token, now) or ("owner disabled" if disabled else "good")
    return Known(token, where, state)


def _many(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
