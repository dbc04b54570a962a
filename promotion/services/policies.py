"""Puts policies in force. A document is never changed, only followed by the next."""

import re

from pydantic import ValidationError

from governance import access
from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.errors import Invalid, NotFound
from governance.models import Environment
from promotion import content
from promotion.models import Policy as PolicyRow
from promotion.policies import TIERS
from promotion.policies import Policy as Rules

NO_FIELD = re.compile(r"constrained-|.*\[")
"""What the library puts into a path to name an alternative, and nobody has written."""


def read(document: object) -> Rules:
    """Check a document and return the rules it says.

    Raises:
        Invalid: it is no policy; ``problems`` by field.
    """
    try:
        return Rules.model_validate(document)
    except ValidationError as error:
        message = "This is no policy."
        raise Invalid(message, problems=problems_of(error)) from None


def problems_of(error: ValidationError) -> dict[str, str]:
    """What is wrong with a document, by the path of the field.

    Where a field may be one thing or another, both complaints are told.
    """
    found: dict[str, dict[str, None]] = {}
    for one in error.errors():
        named = [str(part) for part in one["loc"] if not NO_FIELD.match(str(part))]
        found.setdefault(".".join(named) or "document", {})[one["msg"]] = None
    return {path: "; or: ".join(told) for path, told in found.items()}


def check(
    environment: str, *, tier: str, document: object, actor: Actor
) -> tuple[Rules, Environment]:
    """Return the rules a document says, and the environment they are for.

    Raises:
        NotFound: ``unknown_environment``.
        Invalid: the document is no policy, or one that nothing can meet; or the tier is none.
        Forbidden: the actor does not administer the environment.
    """
    rules = read(document)
    if tier not in {"", *TIERS}:
        message = "There is no such risk tier."
        raise Invalid(message, tier=f"must be empty or one of {', '.join(TIERS)}")
    place = Environment.objects.filter(slug=environment).first()
    if place is None:
        message = f"There is no environment {environment!r}."
        raise NotFound(message, code="unknown_environment")
    access.require(actor, access.Permission.ADMINISTER, environment=place)
    refuse_places(rules, slug=place.slug)
    return rules, place


def refuse_places(rules: Rules, *, slug: str, may_come: bool = False) -> None:
    """Refuse rules that no version can ever meet, as a slip of the pen makes them.

    Args:
        may_come: environments that do not exist are not looked for: they are applied as code,
            in the order of a file.

    Raises:
        Invalid: an environment must be passed before itself, or one that is not there.
    """
    named = {"through": rules.through, "gates.live_hours": rules.gates.live_hours or {}}
    wanted = {place for places in named.values() for place in places}
    rows = Environment.objects.filter(slug__in=wanted).values_list("slug", flat=True)
    known = wanted if may_come else set(rows)
    problems = {}
    for field, places in named.items():
        unknown = [place for place in places if place not in known]
        if slug in places:
            problems[field] = f"names {slug} itself: nothing could ever be promoted there"
        elif unknown:
            problems[field] = f"names what is no environment: {', '.join(unknown)}"
    if problems:
        message = "This policy could never be met."
        raise Invalid(message, problems=problems)


def put(
    environment: Environment, *, tier: str, rules: Rules, actor: Actor, reason: str = ""
) -> PolicyRow | None:
    """Publish rules unless they are in force; the environment's targets are locked."""
    newest = newest_of(environment, tier)
    if newest and Rules.model_validate(newest.document) == rules:
        return None
    document = rules.model_dump(mode="json")
    sha256 = content.hash_of(document)
    number = PolicyRow.objects.filter(environment=environment).count() + 1
    row = PolicyRow.objects.create(
        environment=environment, tier=tier, number=number, document=document, sha256=sha256
    )
    audit.record(
        Action.POLICY_PUBLISHED,
        actor=actor,
        object=f"environment:{environment.slug}",
        subject=f"policy:{row.pk}",
        environment=environment.slug,
        details={
            "number": number,
            "tier": tier,
            "sha256": sha256,
            "document": document,
            **({"reason": reason} if reason else {}),
        },
    )
    return row


def newest_of(environment: Environment, tier: str) -> PolicyRow | None:
    """Return the newest document of exactly this tier."""
    return PolicyRow.objects.filter(environment=environment, tier=tier).first()
