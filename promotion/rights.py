"""Who could do what at a moment: the log's grants and revocations, replayed.

Tables say who may do what now. What was so last March follows from the entries alone: who
was given which role until then, whose account or token had ended, and who answers for a
token. A payload that was erased leaves ``unknown`` where it would have told something.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from governance.audit.actions import Action

UNKNOWN = "unknown"
COUNTED = "counted"
ACTIONS = (
    Action.PERSON_ADDED,
    Action.PERSON_CHANGED,
    Action.PERSON_DISABLED,
    Action.TOKEN_ISSUED,
    Action.TOKEN_ROTATED,
    Action.TOKEN_REVOKED,
    Action.ROLE_GRANTED,
    Action.ROLE_REVOKED,
)
"""Entries that decide who may do what."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry about an account, a token or a role. ``facts`` is None once it was erased."""

    seq: int
    at: datetime
    action: str
    principal: str
    subject: str
    environment: str
    by: str
    facts: Mapping[str, object] | None

    def text(self, name: str) -> str:
        """Return a fact as text; ``unknown`` once it was erased."""
        value = (self.facts or {}).get(name, UNKNOWN)
        return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Principal:
    """An account or a token, as it stood."""

    id: str
    name: str
    person: str = ""
    """The human behind an account; blank of a token."""
    owner: str = ""
    """The account that answers for a token; blank of an account."""
    active: bool = True
    expires_at: datetime | None = None

    @property
    def kind(self) -> str:
        return "token" if not self.person else "account"


@dataclass(frozen=True, slots=True)
class Held:
    """One role that somebody had been given and nobody had taken, at the moment asked for."""

    entry: int
    since: datetime
    by: str
    role: str
    group: str
    environment: str
    """Blank is all of them, as is a blank group."""
    principal: Principal
    person: str
    """Who could use it: behind the account, or answerable for the token."""
    standing: str
    """``counted``, or why it did not."""

    @property
    def counted(self) -> bool:
        return self.standing == COUNTED


@dataclass(slots=True)
class Standing:
    """Accounts, tokens and roles after some entries."""

    principals: dict[str, Principal] = field(default_factory=dict)
    grants: dict[str, Change] = field(default_factory=dict)

    def person_of(self, principal: str) -> str:
        """Say which human stands behind an account or a token; blank when nobody is known."""
        found = self.principals.get(principal)
        if found is None:
            return ""
        return found.person if found.kind == "account" else self._owner(found.owner).person

    def held(self, at: datetime) -> Iterator[Held]:
        """Yield every role held, in the order in which they were given."""
        for change in self.grants.values():
            nobody = Principal(change.principal, change.text("holder"), UNKNOWN)
            principal = self.principals.get(change.principal, nobody)
            yield Held(
                entry=change.seq,
                since=change.at,
                by=change.by,
                role=change.text("role"),
                group=change.text("group"),
                environment=change.environment,
                principal=principal,
                person=self.person_of(principal.id),
                standing=self._standing(principal, at),
            )

    def _standing(self, principal: Principal, at: datetime) -> str:
        if principal.kind == "account":
            return COUNTED if principal.active else "account disabled"
        if not principal.active:
            return "token revoked"
        if principal.expires_at is not None and principal.expires_at <= at:
            return "token expired"
        return COUNTED if self._owner(principal.owner).active else "owner disabled"

    def _owner(self, name: str) -> Principal:
        accounts = (one for one in self.principals.values() if one.person and one.name == name)
        return next(accounts, Principal("", name))


def replay(changes: Iterable[Change]) -> Standing:
    """Take the changes one after another; they come in the order of the log."""
    found = Standing()
    for change in changes:
        if change.action == Action.ROLE_GRANTED:
            found.grants[change.subject] = change
        elif change.action == Action.ROLE_REVOKED:
            found.grants.pop(change.subject, None)
        elif change.action.startswith("token."):
            _token(found, change)
        else:
            _account(found, change)
    return found


def _account(found: Standing, change: Change) -> None:
    before = found.principals.get(change.principal)
    facts = change.facts or {}
    if "username" in facts:
        now = Principal(
            change.principal,
            change.text("username"),
            change.text("person"),
            active=bool(facts.get("is_active", True)),
        )
    else:  # A new password, or a payload that was erased.
        now = before or Principal(change.principal, UNKNOWN, UNKNOWN)
    if change.action == Action.PERSON_DISABLED:
        now = replace(now, active=False)
    found.principals[change.principal] = now


def _token(found: Standing, change: Change) -> None:
    before = found.principals.get(change.principal)
    if change.facts is None and before is not None:
        now = before
    else:
        now = Principal(
            change.principal,
            change.text("name"),
            owner=change.text("owner"),
            expires_at=_moment(change.text("expires_at")),
        )
    ended = change.action == Action.TOKEN_REVOKED or (before is not None and not before.active)
    found.principals[change.principal] = replace(now, active=not ended)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
