"""Searching the audit log: each filter has an index, whatever is asked for together.

Who did it is found by the ids an account, a token or a machine has, so that somebody who
changed their name is still found. Words are found in what people and machines wrote, by
their beginnings: ``fra ring`` finds "a fraud ring".
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchVectorField
from django.db.models import F, Func, Q, QuerySet

from governance import names
from governance.audit.models import Entry
from governance.models import ServiceToken, User

WORDS = 10
"""Of a text that is searched for; more say nothing new."""
THING = re.compile(r"[a-z_]{1,30}:\S{1,160}\Z")
"""A subject or an object as the log names it, such as ``model:credit-default``."""
WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked for; what is blank is not asked for."""

    action: str = ""
    """One, or with a final dot all that begin so: ``request.``"""
    actor: str = ""
    """A person, an account, a token or a machine, by name or by id."""
    object: str = ""
    """Whose chain: ``model:credit-default``."""
    model: str = ""
    version: int | None = None
    environment: str = ""
    request: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""

    def is_empty(self) -> bool:
        return self == Search()


def entries(search: Search, *, machines: Iterable[str] = ()) -> QuerySet[Entry]:
    """Return the entries that fit, in no order yet. Cut a page before reading them.

    Args:
        machines: more ids that the actor asked for acts under.
    """
    found = Entry.objects.all()
    for name in ("object", "model", "environment", "request"):
        if value := getattr(search, name):
            found = found.filter(**{name: value})
    if search.action.endswith("."):
        # A slash follows the dot: a range of the index, whatever the database's collation.
        found = found.filter(action__gte=search.action, action__lt=f"{search.action[:-1]}/")
    elif search.action:
        found = found.filter(action=search.action)
    if search.version is not None:
        found = found.filter(model_version=search.version)
    if search.since is not None:
        found = found.filter(at__gte=search.since)
    if search.until is not None:
        found = found.filter(at__lt=search.until)
    return narrowed(found, actor=search.actor, text=search.text, machines=machines)


def narrowed(
    found: QuerySet[Entry], *, actor: str, text: str, machines: Iterable[str] = ()
) -> QuerySet[Entry]:
    """Keep what somebody did, and what says something; blank keeps all."""
    if actor:
        found = found.filter(actor_id__in=[*actors(actor), *machines])
    return _written(found, text) if text else found


def actors(who: str) -> list[str]:
    """Return the ids that a person, an account, a token or a machine acts under. Two queries."""
    accounts = list(
        User.objects.filter(Q(username__iexact=who) | Q(person__iexact=who)).values_list(
            "pk", flat=True
        )
    )
    owned = Q(owner__in=accounts, scope=ServiceToken.Scope.CI)
    tokens = ServiceToken.objects.filter(Q(name=who) | owned).values_list("pk", flat=True)
    return sorted({who, *map(str, accounts), *map(str, tokens)})


def _written(found: QuerySet[Entry], text: str) -> QuerySet[Entry]:
    """Keep the entries about a thing, of a hash, or with words."""
    if names.is_sha256(text):
        return found.filter(hash=text)
    if THING.match(text):
        return found.filter(Q(subject=text) | Q(object=text))
    vector = Func(F("payload__body"), function="audit_words", output_field=SearchVectorField())
    query = SearchQuery(_query(text), config="simple", search_type="raw")
    return found.annotate(words=vector).filter(words=query)


def _query(text: str) -> str:
    """Write words as PostgreSQL reads them: all of them, each by its beginning."""
    found = [word.replace("\\", "\\\\").replace("'", "''") for word in WORD.findall(text)]
    return " & ".join(f"'{word}':*" for word in found[:WORDS])
