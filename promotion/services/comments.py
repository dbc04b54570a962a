"""What people and services say about a request: kept, recorded, and no part of the decision.

A comment is taken in any state, also afterwards: it changes nothing that was decided.
"""

from uuid import UUID

from django.db import transaction

from governance import access
from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.errors import Conflict, Invalid, NotFound
from governance.models import User
from governance.names import problem_with
from promotion.models import Comment, PolicyRequest, Request
from promotion.models.comments import LONGEST
from promotion.services.journal import Journal

MOST = 500
"""Comments on one request."""


@transaction.atomic
def comment(*, request_id: UUID, text: str, actor: Actor) -> Comment:
    """Say something about a request.

    Raises:
        NotFound: no such request.
        Forbidden: the actor holds no role here but to view.
        Invalid: a text that is blank, too long, or may not be stored.
        Conflict: ``too_many_comments``.
    """
    request = Request.objects.locked(request_id)
    access.require(
        actor,
        access.Permission.COMMENT,
        environment=request.deployment.environment,
        group=request.deployment.model.group,
    )
    made = _write(Comment(request=request, text=text), actor=actor)
    journal = Journal(actor)
    journal.comment(made, request)
    journal.write()
    return made


@transaction.atomic
def comment_on_policy(*, request_id: UUID, text: str, actor: Actor) -> Comment:
    """Say something about a policy that waits, or waited.

    Raises:
        NotFound: ``unknown_policy_request``.
        Forbidden, Invalid, Conflict: as for ``comment``.
    """
    rows = PolicyRequest.objects.select_for_update(of=("self",), no_key=True)
    request = rows.select_related("environment").filter(pk=request_id).first()
    if request is None:
        message = "There is no such policy request."
        raise NotFound(message, code="unknown_policy_request")
    access.require(actor, access.Permission.COMMENT, environment=request.environment)
    made = _write(Comment(policy_request=request, text=text), actor=actor)
    slug = request.environment.slug
    audit.record(
        Action.POLICY_REQUEST_COMMENTED,
        actor=actor,
        object=f"environment:{slug}",
        subject=f"comment:{made.pk}",
        environment=slug,
        details={
            "policy_request": str(request.pk),
            "name": made.name,
            "person": made.person,
            "comment": made.text,
        },
    )
    return made


def _write(made: Comment, *, actor: Actor) -> Comment:
    """Keep a comment on a request that the caller has locked."""
    if problem := problem_with(made.text, limit=LONGEST):
        message = "The comment cannot be taken as it is."
        raise Invalid(message, text=problem)
    others = Comment.objects.filter(request=made.request, policy_request=made.policy_request)
    if others.count() >= MOST:
        message = f"It has {MOST} comments already."
        raise Conflict(message, code="too_many_comments", limit=MOST)
    made.author_kind, made.author_id, made.person = actor.kind, actor.id, actor.person
    made.name = _name(actor)
    made.save(force_insert=True)
    return made


def _name(actor: Actor) -> str:
    """Return whom to name: a person as they are called, a service by its token's name."""
    if actor.kind != "user":
        return actor.label[:200]
    return User.objects.get(pk=actor.id).display()[:200]
