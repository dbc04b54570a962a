"""Whose a request is: its account's, and the person's behind that account or token."""

from typing import Protocol
from uuid import UUID

from governance import access
from governance.actors import Actor
from governance.models import ServiceToken, User
from promotion.models import Request


class Asked(Protocol):
    """Who asked, as a request of either kind keeps it."""

    requester_kind: str
    requester_id: str


def is_theirs(request: Asked, actor: Actor) -> bool:
    """Whether they asked themselves, by another account of theirs, or by a token they own.

    A pipeline's token is gone sooner than what it asked for; its owner answers for it.
    """
    if (request.requester_kind, request.requester_id) == (actor.kind, actor.id):
        return True
    return bool(actor.person) and actor.person == _person_behind(request)


def may_withdraw(request: Request, actor: Actor) -> bool:
    """Whether somebody may take a request back, in the state it is in.

    Once it is approved it needs nobody to begin, so operators may as well.
    """
    if request.state not in {Request.State.OPEN, Request.State.APPROVED}:
        return False
    if is_theirs(request, actor):
        return True
    return request.state == Request.State.APPROVED and access.allowed(
        actor,
        access.Permission.OPERATE,
        environment=request.environment,
        group=request.model.group,
    )


def _person_behind(request: Asked) -> str | None:
    if request.requester_kind == "user":
        rows = User.objects.filter(pk=UUID(request.requester_id))
        return rows.values_list("person", flat=True).first()
    if request.requester_kind == "service":
        tokens = ServiceToken.objects.filter(pk=UUID(request.requester_id))
        return tokens.values_list("owner__person", flat=True).first()
    return None
