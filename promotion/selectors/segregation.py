"""Who asked, made, signed, waived, carried out and reviewed the same change: from the log alone."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max
from django.urls import reverse

from governance.audit.actions import Action
from governance.audit.models import Entry
from governance.audit.selectors import details
from governance.periods import Period
from promotion import duties, rights
from promotion.duties import Overlap
from promotion.rights import Standing
from promotion.selectors.rights import standing

MOST = 1_000
"""Requests that one answer looks at: the latest of the period."""
AT_ONCE = frozenset({"rollback", "stop", "break_glass"})
"""Kinds of requests that whoever asks carries out."""
STEERED = (Action.ROLLOUT_PAUSED, Action.ROLLOUT_RESUMED, Action.ROLLOUT_ABORTED)
TOLD = (
    Action.REQUEST_OPENED,
    Action.REQUEST_APPROVED,
    Action.REQUEST_REVIEWED,
    *STEERED,
)
NOBODY = {duties.REQUESTER: "the system", duties.AUTHOR: "not in the log"}
POLICY = "policy"
"""Kind of a request for the next policy."""
WAITS = timedelta(days=90)
"""Longer than a request for a policy waits: one signed in the period was asked for since then."""
HUMAN = frozenset({"user", "service"})
IDENTITIES = tuple(one for one in rights.ACTIONS if not one.startswith("role."))


@dataclass(slots=True)
class Change:
    """One request: who had which duty in it, by person."""

    request: str
    kind: str = ""
    model: str = ""
    version: int | None = None
    environment: str = ""
    at: datetime | None = None
    review_due: str = ""
    by_duty: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    accounts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Of each person, the accounts and tokens they acted with."""

    @property
    def overlaps(self) -> tuple[Overlap, ...]:
        of = self.by_duty
        return duties.overlaps(
            requesters=of[duties.REQUESTER],
            authors=of[duties.AUTHOR],
            approvers=of[duties.APPROVER],
            executors=of[duties.EXECUTOR],
            waivers=of[duties.WAIVER],
            reviewers=of[duties.REVIEWER],
            request=self.request,
        )

    @property
    def breaches(self) -> tuple[Overlap, ...]:
        return tuple(one for one in self.overlaps if one.is_breach)

    @property
    def doubled(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Persons who acted in it with more than one account or token."""
        return tuple(
            (person, tuple(sorted(names)))
            for person, names in sorted(self.accounts.items())
            if len(names) > 1
        )

    @property
    def is_alone(self) -> bool:
        """Whether one person carried it out that no second one signed."""
        return self.kind in AT_ONCE

    @property
    def url(self) -> str:
        """Where it is shown."""
        return reverse(
            "policy_request" if self.kind == POLICY else "promotion", args=[self.request]
        )

    @property
    def words(self) -> str:
        """What it is: "promote credit-default 2 in prod-eu"."""
        about = f"{self.model} {self.version or ''}".strip()
        return " ".join(filter(None, (self.kind.replace("_", " "), about, "in", self.environment)))

    def people(self, duty: str) -> list[str]:
        return sorted(self.by_duty[duty] - {""})

    @property
    def columns(self) -> list[tuple[list[str], str]]:
        """Who had each duty, in the order of ``DUTIES``, and what to say when nobody had."""
        return [(self.people(duty), NOBODY.get(duty, "nobody")) for duty in duties.DUTIES]


@dataclass(frozen=True, slots=True)
class Token:
    """A service's token that asked for something in the period."""

    name: str
    owner: str
    requests: int
    owner_signed: int
    """Of these, how many its owner signed too."""


@dataclass(frozen=True, slots=True)
class Segregation:
    """The duties of a period, by change and by person."""

    period: Period
    changes: tuple[Change, ...]
    is_cut: bool
    people: Mapping[str, Mapping[str, int]]
    """Of each person, how many changes they had each duty in."""
    tokens: tuple[Token, ...]
    several: Mapping[str, tuple[str, ...]]
    """Persons with more than one account that was not disabled, at the end of the period."""

    @property
    def breaches(self) -> list[tuple[Change, Overlap]]:
        return [(change, one) for change in self.changes for one in change.breaches]

    @property
    def told(self) -> list[tuple[Change, Overlap]]:
        """Overlaps that break no rule."""
        found = [(change, one) for change in self.changes for one in change.overlaps]
        return [(change, one) for change, one in found if not one.is_breach]

    @property
    def doubled(self) -> list[tuple[Change, str, tuple[str, ...]]]:
        return [(change, *one) for change in self.changes for one in change.doubled]

    @property
    def alone(self) -> list[Change]:
        return [change for change in self.changes if change.is_alone]

    @property
    def most(self) -> int:
        """The largest of the counts by person."""
        return max((count for one in self.people.values() for count in one.values()), default=0)


def segregation(period: Period, *, person: str = "") -> Segregation:
    """Read who did what in the changes of a period. Six queries.

    Args:
        person: a human or one of their accounts; only changes they had a part in.
    """
    inside = Entry.objects.filter(at__gte=period.since, at__lt=period.until)
    latest = inside.exclude(request=None).values("request").annotate(last=Max("seq"))
    asked = [row["request"] for row in latest.order_by("-last")[: MOST + 1]]
    known = standing(period.until, actions=IDENTITIES)
    entries = Entry.objects.filter(request__in=asked[:MOST], action__in=TOLD)
    found: dict[str, Change] = {}
    for entry in entries.select_related("payload").order_by("seq"):
        change = found.setdefault(str(entry.request), Change(str(entry.request)))
        _take(change, entry, known)
    opened = [change for change in found.values() if change.kind]
    opened += _policies(period, known)
    _add_authors(opened)
    _add_waivers(opened)
    if person:
        opened = [change for change in opened if _had_part(change, person)]
    opened.sort(key=lambda one: (one.at is not None, one.at), reverse=True)
    return Segregation(
        period=period,
        changes=tuple(opened),
        is_cut=len(asked) > MOST,
        people=_by_person(opened),
        tokens=_tokens(opened, known),
        several=_several(known),
    )


def _take(change: Change, entry: Entry, known: Standing) -> None:
    """Add what one entry says of who did what."""
    said, of = details(entry) or {}, change.by_duty
    person = _person(change, entry, known)
    if entry.action == Action.REQUEST_OPENED and entry.subject.startswith("request:"):
        change.kind = str(said.get("kind") or rights.UNKNOWN)
        change.model, change.version = entry.model or "", entry.model_version
        change.environment, change.at = entry.environment or "", entry.at
        of[duties.REQUESTER].add(person)
        if change.is_alone:
            of[duties.EXECUTOR].add(person)
    elif entry.action == Action.REQUEST_APPROVED and entry.subject.startswith("approval:"):
        of[duties.APPROVER].add(str(said.get("person") or person))
    elif entry.action == Action.REQUEST_REVIEWED:
        of[duties.REVIEWER].add(str(said.get("person") or person))
    elif entry.action in STEERED:
        of[duties.EXECUTOR].add(person)


def _person(change: Change, entry: Entry, known: Standing) -> str:
    """Return who stands behind an entry, and keep which account they used."""
    person = known.person_of(entry.actor_id) if entry.actor_kind in HUMAN else ""
    if person:
        account = known.principals[entry.actor_id]
        change.accounts[person].add(f"{account.kind} {account.name}")
    return person


def _policies(period: Period, known: Standing) -> list[Change]:
    """Read who asked for policies and who signed them. One query.

    A signature names what was signed by its hash, which ends in one request: one waits at a
    time in each environment and tier.
    """
    entries = Entry.objects.filter(
        action__in=(Action.POLICY_REQUESTED, Action.POLICY_APPROVED),
        at__gte=period.since - WAITS,
        at__lt=period.until,
    )
    found: dict[tuple[str | None, str], Change] = {}
    inside = set()
    for entry in entries.select_related("payload").order_by("-seq")[:MOST][::-1]:
        said = details(entry) or {}
        key = (entry.environment, str(said.get("content_hash") or entry.subject))
        if entry.action == Action.POLICY_REQUESTED:
            found[key] = Change(
                entry.subject.partition(":")[2],
                kind=POLICY,
                environment=entry.environment or "",
                at=entry.at,
            )
        if entry.at >= period.since:
            inside.add(key)
        if key in found:
            duty = duties.REQUESTER
            person = _person(found[key], entry, known)
            if entry.action == Action.POLICY_APPROVED:
                duty, person = duties.APPROVER, str(said.get("person") or person)
            found[key].by_duty[duty].add(person)
    return [change for key, change in found.items() if key in inside]


def _add_authors(changes: Iterable[Change]) -> None:
    """Add who made each version, as it was registered. One query."""
    wanted = {(one.model, one.version) for one in changes}
    entries = Entry.objects.filter(
        action=Action.VERSION_REGISTERED,
        model__in={model for model, _ in wanted},
        model_version__in={number for _, number in wanted if number is not None},
    )
    made: dict[tuple[str, int | None], list[str]] = {}
    for entry in entries.select_related("payload"):
        authors = (details(entry) or {}).get("authors")
        made[entry.model or "", entry.model_version] = authors if isinstance(authors, list) else []
    for change in changes:
        change.by_duty[duties.AUTHOR] |= set(made.get((change.model, change.version), []))


def _add_waivers(changes: Iterable[Change]) -> None:
    """Add who waived a gate that could count when it was asked for. One query."""
    entries = Entry.objects.filter(
        action=Action.WAIVER_GIVEN, model__in={one.model for one in changes}
    )
    given: dict[tuple[str, int | None, str], list[tuple[datetime, dict[str, Any]]]] = {}
    for entry in entries.select_related("payload"):
        place = (entry.model or "", entry.model_version, entry.environment or "")
        given.setdefault(place, []).append((entry.at, details(entry) or {}))
    for change in changes:
        for at, said in given.get((change.model, change.version, change.environment), []):
            if change.at is not None and at <= change.at < _end(said, change.at):
                change.by_duty[duties.WAIVER].add(str(said.get("person") or ""))


def _end(said: Mapping[str, Any], otherwise: datetime) -> datetime:
    try:
        return datetime.fromisoformat(str(said.get("expires_at")))
    except ValueError:
        return otherwise


def _had_part(change: Change, person: str) -> bool:
    names = {name.partition(" ")[2] for one in change.accounts.values() for name in one}
    return person in names or any(person in people for people in change.by_duty.values())


def _by_person(changes: Iterable[Change]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for change in changes:
        for duty, people in change.by_duty.items():
            for person in people - {""}:
                found[person][duty] += 1
    return {
        person: {duty: found[person][duty] for duty in duties.DUTIES} for person in sorted(found)
    }


def _tokens(changes: Iterable[Change], known: Standing) -> tuple[Token, ...]:
    asked: Counter[tuple[str, str]] = Counter()
    signed: Counter[tuple[str, str]] = Counter()
    owners = {
        (one.name, one.owner): known.person_of(one.id)
        for one in known.principals.values()
        if one.kind == "token"
    }
    for change in changes:
        for token, person in owners.items():
            if f"token {token[0]}" in change.accounts.get(person, ()):
                asked[token] += 1
                signed[token] += person in change.by_duty[duties.APPROVER]
    return tuple(Token(*token, asked[token], signed[token]) for token in sorted(asked))


def _several(known: Standing) -> dict[str, tuple[str, ...]]:
    """Persons with more than one account that counts."""
    names: dict[str, list[str]] = defaultdict(list)
    for one in known.principals.values():
        if one.kind == "account" and one.active and one.person != rights.UNKNOWN:
            names[one.person].append(one.name)
    return {
        person: tuple(sorted(found)) for person, found in sorted(names.items()) if len(found) > 1
    }
