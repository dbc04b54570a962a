"""Reading people, roles, tokens and environments."""

from uuid import UUID

from django.db.models import QuerySet

from governance.actors import Actor
from governance.errors import NotFound
from governance.models import Environment, RoleBinding, ServiceToken, User


def environment(slug: str) -> Environment:
    """Return an environment by its slug.

    Raises:
        NotFound: there is none.
    """
    found = Environment.objects.filter(slug=slug).first()
    if found is None:
        message = f"There is no environment {slug}."
        raise NotFound(message, environment=slug)
    return found


def person(username: str) -> User:
    """Return an account by its name.

    Raises:
        NotFound: there is none.
    """
    found = User.objects.filter(username=username).first()
    if found is None:
        message = "There is no such account."
        raise NotFound(message)
    return found


def roles(holder: User) -> QuerySet[RoleBinding]:
    """Return an account's live bindings."""
    return RoleBinding.objects.filter(user=holder, revoked_at=None).select_related("environment")


def roles_held_by(actor: Actor) -> QuerySet[RoleBinding]:
    """Return the live bindings of whoever acts."""
    live = RoleBinding.objects.filter(revoked_at=None).select_related("environment")
    if actor.kind == "user":
        return live.filter(user=UUID(actor.id))
    if actor.kind == "service":
        return live.filter(token=UUID(actor.id))
    return live.none()


def tokens_of(owner: User) -> QuerySet[ServiceToken]:
    """Return the tokens a person answers for, ended ones too."""
    return ServiceToken.objects.filter(owner=owner)
