"""Every write to a token, and the one place that tells whose a secret is.

A secret reads ``lg_<scope>_<43 characters>``: 256 random bits, shown once. We keep
its SHA-256, which is enough to know it again and of no use to a thief.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from governance import names
from governance.access import Permission, require
from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.errors import Conflict, Invalid, NotFound, Unauthenticated
from governance.models import Environment, ServiceToken, User

SECRET = re.compile(r"lg_(ci|agent|personal)_[A-Za-z0-9_-]{43}\Z")
LONGEST_LIFE = timedelta(days=366)
OVERLAP = timedelta(minutes=5)
"""How long the old secret lasts after a rotation: the answer with the new one may be lost."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A token and its secret, which nobody can ask for again."""

    token: ServiceToken
    secret: str


@transaction.atomic
def issue(
    *,
    name: str,
    scope: str,
    actor: Actor,
    owner: User | None = None,
    lifetime: timedelta = timedelta(days=90),
) -> Issued:
    """Make a token.

    Args:
        scope: ``personal`` acts as its owner; ``ci`` has roles of its own; ``agent`` has
            none, and is what an enrolled agent shows.
        owner: who answers for it. People issue their own; for others, an administrator.

    Raises:
        Forbidden: for somebody else, and the actor does not administer.
        Invalid: a field is wrong.
    """
    _check(name=name, scope=scope, owner=owner, lifetime=lifetime)
    if scope != ServiceToken.Scope.AGENT and (owner is None or owner.actor != actor):
        require(actor, Permission.ADMINISTER)

    secret = _secret(scope)
    token = ServiceToken(
        name=name,
        scope=scope,
        prefix=_visible(secret),
        sha256=_sha256(secret),
        owner=owner,
        expires_at=timezone.now() + lifetime,
    )
    token.save(force_insert=True)

    _record(Action.TOKEN_ISSUED, token, actor=actor)
    return Issued(token, secret)


def authenticate(secret: str) -> ServiceToken:
    """Return the live token a secret belongs to. One query, whatever the secret.

    Raises:
        Unauthenticated: unknown, expired or revoked, or its owner's account has ended.
    """
    now, digest = timezone.now(), _sha256(secret)
    token = (
        ServiceToken.objects.select_related("owner")
        .filter(Q(sha256=digest) | Q(previous_sha256=digest, previous_until__gt=now))
        .filter(revoked_at=None, expires_at__gt=now)
        .filter(Q(owner=None) | Q(owner__is_active=True))
        .first()
    )
    if token is None or not SECRET.match(secret):
        message = "This token is unknown, has expired or was revoked."
        raise Unauthenticated(message, code="bad_token")
    return token


@transaction.atomic
def revoke(*, token_id: UUID, actor: Actor, environment: Environment | None = None) -> ServiceToken:
    """End a token; its next request is refused.

    Args:
        environment: an agent's, whose operators may end its token. Agents end their own.

    Raises:
        Forbidden: somebody else's, and the actor does not administer.
        Conflict: ``already_revoked``.
    """
    token = _locked(token_id)

    if token.scope != ServiceToken.Scope.AGENT:
        _require_own(actor, token)
    elif actor.kind != "agent" or actor.id != str(token.pk):
        require(actor, Permission.OPERATE, environment=environment)
    if token.revoked_at is not None:
        message = "This token was revoked before."
        raise Conflict(message, code="already_revoked")

    token.revoked_at = timezone.now()
    token.save(update_fields=["revoked_at"])

    _record(Action.TOKEN_REVOKED, token, actor=actor)
    return token


@transaction.atomic
def rotate(*, secret: str, lifetime: timedelta, actor: Actor) -> Issued:
    """Give the holder of an agent's secret a new one; the old one lasts five more minutes.

    The token stays the same row, so whatever refers to it goes on doing so.

    Raises:
        Unauthenticated: the secret is not good.
        Invalid: not an agent's.
    """
    token = _locked(authenticate(secret).pk)

    if token.scope != ServiceToken.Scope.AGENT:
        message = "Only agents renew their tokens; issue a new one instead."
        raise Invalid(message, scope=token.scope)
    _check(name=token.name, scope=token.scope, owner=token.owner, lifetime=lifetime)

    now, fresh = timezone.now(), _secret(token.scope)
    token.previous_sha256, token.previous_until = _sha256(secret), now + OVERLAP
    token.sha256, token.prefix = _sha256(fresh), _visible(fresh)
    token.expires_at = now + lifetime
    token.save(
        update_fields=["previous_sha256", "previous_until", "sha256", "prefix", "expires_at"]
    )

    _record(Action.TOKEN_ROTATED, token, actor=actor)
    return Issued(token, fresh)


def _secret(scope: str) -> str:
    return f"lg_{scope}_{secrets.token_urlsafe(32)}"


def _visible(secret: str) -> str:
    """What lists show of a secret: enough to tell tokens apart, too little to guess the rest."""
    return secret.split("_", 2)[2][:8]


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _check(*, name: str, scope: str, owner: User | None, lifetime: timedelta) -> None:
    problems = {"name": names.problem_with(name, limit=100)}
    if scope not in ServiceToken.Scope.values:
        problems["scope"] = f"is none of {', '.join(ServiceToken.Scope.values)}"
    elif (owner is None) != (scope == ServiceToken.Scope.AGENT):
        problems["owner"] = "is needed, except for an agent's token, which has none"
    if not timedelta() < lifetime <= LONGEST_LIFE:
        problems["lifetime"] = f"is not between a second and {LONGEST_LIFE.days} days"
    found = {field: problem for field, problem in problems.items() if problem}
    if found:
        message = "This is no token as we issue them."
        raise Invalid(message, **found)


def _require_own(actor: Actor, token: ServiceToken) -> None:
    if token.owner is None or token.owner.actor != actor:
        require(actor, Permission.ADMINISTER)


def _locked(token_id: UUID) -> ServiceToken:
    rows = ServiceToken.objects.select_for_update(of=("self",), no_key=True).select_related("owner")
    try:
        return rows.get(pk=token_id)
    except ServiceToken.DoesNotExist:
        message = "No such token."
        raise NotFound(message) from None


def _record(action: Action, token: ServiceToken, *, actor: Actor) -> None:
    audit.record(
        action,
        actor=actor,
        object=f"principal:{token.pk}",
        subject=f"token:{token.pk}",
        details={
            "name": token.name,
            "scope": token.scope,
            "owner": token.owner.username if token.owner else None,
            "expires_at": token.expires_at.isoformat(),
        },
    )
