"""Collects a transaction's audit entries, so that they are written last.

Appending locks the head of the chain until commit. A journal is filled while
a service decides and changes, and written as its final beat.
"""

from collections.abc import Mapping
from functools import partial

from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from promotion.models import (
    Agent,
    Approval,
    Comment,
    Deployment,
    Finding,
    Incident,
    LiveReview,
    Placement,
    Request,
    Review,
    Rollout,
    Target,
)
from promotion.services import outbox
from promotion.services.outbox import Happened
from registry.models import ModelVersion


class Journal:
    """The entries of one transaction, in the order in which things happened."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self._entries: list[partial[int]] = []

    def deployment(
        self, action: Action, deployment: Deployment, request: Request | None, **details: object
    ) -> None:
        """A deployment's state or role changed, or it was opened."""
        facts = {
            "state": deployment.state,
            "role": deployment.role,
            "hold": deployment.hold,
            "barred": deployment.barred,
            "digest": deployment.version.digest,
        }
        self._about(
            deployment,
            action,
            f"deployment:{deployment.pk}",
            request=request,
            details={**facts, **details},
        )

    def request(self, action: Action, request: Request, **details: object) -> None:
        """A request was opened, signed or settled."""
        facts = {"kind": request.kind, "state": request.state, "content_hash": request.content_hash}
        self._about(
            request.deployment,
            action,
            request.subject,
            request=request,
            details={**facts, **details},
        )

    def approval(
        self, action: Action, approval: Approval, request: Request, **more: object
    ) -> None:
        """Somebody signed."""
        details = {
            "name": approval.name,
            "person": approval.person,
            "role": approval.role,
            "meaning": approval.meaning,
            "comment": approval.comment,
            "content_hash": approval.content_hash,
            "method": approval.method,
            **more,
        }
        self._about(
            request.deployment, action, f"approval:{approval.pk}", request=request, details=details
        )

    def comment(self, comment: Comment, request: Request) -> None:
        """Somebody said something about it."""
        details = {"name": comment.name, "person": comment.person, "comment": comment.text}
        self._about(
            request.deployment,
            Action.REQUEST_COMMENTED,
            f"comment:{comment.pk}",
            request=request,
            details=details,
        )

    def review(self, action: Action, review: Review, request: Request) -> None:
        """A second person reviewed what one had carried out alone."""
        details = {
            "kind": request.kind,
            "name": review.name,
            "person": review.person,
            "role": review.role,
            "verdict": review.verdict,
            "comment": review.comment,
            "due_at": request.review_due_at.isoformat() if request.review_due_at else None,
        }
        self._about(
            request.deployment, action, f"review:{review.pk}", request=request, details=details
        )

    def rollout(self, action: Action, rollout: Rollout, **details: object) -> None:
        """A rollout began, moved on or ended."""
        facts = {
            "step": rollout.step,
            "attempt": rollout.attempt,
            "stage": rollout.stage,
            "generation": rollout.generation,
            "detail": rollout.detail,
        }
        request = rollout.request
        self._about(
            request.deployment,
            action,
            f"rollout:{rollout.pk}",
            request=request,
            details={**facts, **details},
        )

    def target(self, action: Action, target: Target, **details: object) -> None:
        """A target was defined, or told something new."""
        slug = target.environment.slug
        facts = {"tier": target.tier, "generation": target.generation}
        self._entries.append(
            partial(
                audit.record,
                action,
                actor=self.actor,
                object=f"environment:{slug}",
                subject=f"target:{target.pk}",
                environment=slug,
                details={**facts, **details},
            )
        )

    def agent(self, action: Action, agent: Agent, **details: object) -> None:
        """An agent joined, left, or changed what it serves."""
        self._entries.append(
            partial(
                audit.record,
                action,
                actor=self.actor,
                object=f"agent:{agent.pk}",
                subject=f"agent:{agent.pk}",
                environment=agent.target.environment.slug,
                details={"name": agent.name, "tier": agent.target.tier, **details},
            )
        )

    def override(self, action: Action, agent: Agent, row: ModelVersion, **details: object) -> None:
        """Somebody on an agent's host let another version answer: part of the model's story."""
        name, target = row.model.name, agent.target
        facts = {"name": agent.name, "tier": target.tier, "digest": row.digest}
        self._entries.append(
            partial(
                audit.record,
                action,
                actor=self.actor,
                object=f"model:{name}",
                subject=f"agent:{agent.pk}",
                model=name,
                version=row.number,
                environment=target.environment.slug,
                details={**facts, **details},
            )
        )

    def incident(self, action: Action, incident: Incident, **details: object) -> None:
        """Something went wrong, or is over."""
        slug, name = incident.environment.slug, incident.model.name if incident.model else None
        facts = {"severity": incident.severity, "title": incident.title}
        self._entries.append(
            partial(
                audit.record,
                action,
                actor=self.actor,
                object=f"model:{name}" if name else f"environment:{slug}",
                subject=f"incident:{incident.pk}",
                model=name,
                environment=slug,
                details={**facts, **details},
            )
        )

    def finding(self, action: Action, finding: Finding, **details: object) -> None:
        """A reviewer held something against a version, or it is resolved."""
        version = finding.version
        self._entries.append(
            partial(
                audit.record,
                action,
                actor=self.actor,
                object=f"model:{version.model.name}",
                subject=f"finding:{finding.pk}",
                model=version.model.name,
                version=version.number,
                request=finding.condition_of_id,
                details={"finding": str(finding.pk), **details},
            )
        )

    def live_review(self, action: Action, review: LiveReview) -> None:
        """Somebody looked again at what answers."""
        details = {
            "name": review.name,
            "person": review.person,
            "outcome": review.outcome,
            "comment": review.comment,
            "trigger": review.trigger,
            "next_by": review.next_by.isoformat() if review.next_by else None,
        }
        self._about(
            review.deployment, action, f"live_review:{review.pk}", request=None, details=details
        )

    def placement(self, action: Action, placement: Placement, **details: object) -> None:
        """A model was placed on other agents."""
        facts = {"labels": dict(placement.labels), "minimum": placement.minimum}
        name = placement.model.name
        self._entries.append(
            partial(
                audit.record,
                action,
                actor=self.actor,
                object=f"model:{name}",
                subject=f"placement:{placement.pk}",
                model=name,
                environment=placement.environment.slug,
                details={**facts, **details},
            )
        )

    def write(self) -> None:
        """Append everything, as the last thing the transaction does.

        What the outside is told goes into the outbox first: appending locks the log.
        """
        outbox.put([_happened(entry) for entry in self._entries])
        for entry in self._entries:
            entry()
        self._entries.clear()

    def _about(
        self,
        deployment: Deployment,
        action: Action,
        subject: str,
        *,
        request: Request | None,
        details: Mapping[str, object],
    ) -> None:
        self._entries.append(
            partial(
                audit.record,
                action,
                actor=self.actor,
                object=f"model:{deployment.model.name}",
                subject=subject,
                model=deployment.model.name,
                version=deployment.version.number,
                environment=deployment.environment.slug,
                request=request.pk if request else None,
                details=details,
            )
        )


def _happened(entry: partial[int]) -> Happened:
    told = entry.keywords
    facts = {name: told.get(name) for name in ("model", "version", "environment")}
    request = str(told["request"]) if told.get("request") else None
    return Happened(
        action=str(entry.args[0]),
        subject=told["subject"],
        facts={**told["details"], **facts, "request": request},
    )
