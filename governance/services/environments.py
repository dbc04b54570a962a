"""Every write to an environment."""

from typing import Any, NamedTuple

from django.db import IntegrityError, transaction

from governance import names
from governance.access import Permission, require
from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.errors import Conflict, Invalid
from governance.models import Environment

LAST_POSITION = 32_767


class Defined(NamedTuple):
    """An environment as it now is, and whether that is news."""

    environment: Environment
    changed: bool


@transaction.atomic
def define_environment(*, slug: str, kind: str, actor: Actor, position: int = 0) -> Defined:
    """Make an environment be like this: added, changed or left alone.

    Raises:
        Forbidden: the actor does not administer it.
        Invalid: a field is wrong.
        Conflict: somebody else is adding the same one.
    """
    _check(slug, kind, position)
    environment = Environment.objects.select_for_update(no_key=True).filter(slug=slug).first()

    require(actor, Permission.ADMINISTER, environment=environment)
    wanted = {"kind": kind, "position": position}
    if environment and all(getattr(environment, name) == wanted[name] for name in wanted):
        return Defined(environment, changed=False)

    if environment is None:
        environment = _added(slug, wanted)
    else:
        environment.kind, environment.position = kind, position
        environment.save(update_fields=["kind", "position"])

    audit.record(
        Action.ENVIRONMENT_DEFINED,
        actor=actor,
        object=f"environment:{slug}",
        subject=f"environment:{environment.pk}",
        environment=slug,
        details=wanted,
    )
    return Defined(environment, changed=True)


def _added(slug: str, fields: dict[str, object]) -> Environment:
    environment = Environment(slug=slug, **fields)
    try:
        with transaction.atomic():
            environment.save(force_insert=True)
    except IntegrityError:
        message = f"The environment {slug} was added at the same moment."
        raise Conflict(message) from None
    return environment


def _check(slug: str, kind: str, position: int) -> None:
    problems: dict[str, Any] = {}
    if not names.is_slug(slug):
        problems["slug"] = "is not 1 to 63 lower-case letters, digits and inner hyphens"
    if kind not in Environment.Kind.values:
        problems["kind"] = f"is none of {', '.join(Environment.Kind.values)}"
    if not 0 <= position <= LAST_POSITION:
        problems["position"] = f"is not between 0 and {LAST_POSITION}"
    if problems:
        message = "This is no environment as we keep them."
        raise Invalid(message, **problems)
