"""Who calls the API: a bearer token in the header, and nothing else.

Not in the query, where logs would keep it, and not a session's cookie, which other
sites could make a browser send.
"""

from dataclasses import dataclass
from typing import cast

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from governance.actors import Actor
from governance.api.problems import CHALLENGE
from governance.errors import Forbidden, Unauthenticated
from governance.models import ServiceToken, User
from governance.services import tokens


@dataclass(frozen=True, slots=True)
class ServiceCaller:
    """A service's token: acts by itself, with a person who answers for it."""

    token: ServiceToken
    is_authenticated = True
    is_active = True

    @property
    def pk(self) -> str:
        return str(self.token.pk)

    @property
    def actor(self) -> Actor:
        owner = self.token.owner
        return Actor.from_service(
            self.token.pk, name=self.token.name, owner=owner.person if owner else ""
        )


@dataclass(frozen=True, slots=True)
class AgentCaller:
    """An agent's token. Which agent it is, is for ``promotion`` to find out."""

    agent_token: ServiceToken
    is_authenticated = True
    is_active = True

    @property
    def pk(self) -> str:
        return str(self.agent_token.pk)

    @property
    def actor(self) -> Actor:
        return Actor.from_agent(self.agent_token.pk, name=self.agent_token.name)


Caller = User | ServiceCaller | AgentCaller


class BearerToken(BaseAuthentication):
    """``Authorization: Bearer lg_...``: a person's, a service's or an agent's token."""

    def authenticate(self, request: Request) -> tuple[Caller, ServiceToken] | None:
        secret = bearer(request)
        if secret is None:
            return None
        token = tokens.authenticate(secret)
        return _caller(token), token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - the framework's
        return CHALLENGE


def bearer(request: HttpRequest | Request) -> str | None:
    """Return the secret of the request's header; None if it carries none."""
    scheme, _, secret = str(request.META.get("HTTP_AUTHORIZATION", "")).partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def actor_of(request: HttpRequest | Request) -> Actor:
    """Return who asks, by token or by a page's session.

    Raises:
        Unauthenticated: nobody we know.
    """
    actor = getattr(request.user, "actor", None)
    if not isinstance(actor, Actor):
        message = "Say who you are: this needs a token."
        raise Unauthenticated(message)
    return actor


def agent_token_of(request: Request) -> ServiceToken:
    """Return the token of the agent that asks.

    Raises:
        Forbidden: ``not_an_agent``, somebody else asks.
    """
    caller = cast("Caller | None", request.user)
    if not isinstance(caller, AgentCaller):
        message = "Only an agent's own token opens this."
        raise Forbidden(message, code="not_an_agent")
    return caller.agent_token


def _caller(token: ServiceToken) -> Caller:
    if token.scope == ServiceToken.Scope.AGENT:
        return AgentCaller(token)
    if token.scope == ServiceToken.Scope.PERSONAL and token.owner is not None:
        return token.owner
    return ServiceCaller(token)
