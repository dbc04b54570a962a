"""The audit vocabulary: closed, past tense."""

from enum import StrEnum


class Action(StrEnum):
    """What happened, as ``<subject>.<past participle>``.

    The values are stored for good. Add to this list, and never rename or
    reuse one.
    """

    SYSTEM_STARTED = "system.started"
    PERSON_ADDED = "person.added"
    PERSON_CHANGED = "person.changed"
    PERSON_DISABLED = "person.disabled"
    ROLE_GRANTED = "role.granted"
    ROLE_REVOKED = "role.revoked"
    TOKEN_ISSUED = "token.issued"  # noqa: S105 - a name, not a secret
    TOKEN_ROTATED = "token.rotated"  # noqa: S105 - a name, not a secret
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - a name, not a secret
    ENVIRONMENT_DEFINED = "environment.defined"
    TARGET_DEFINED = "target.defined"
    TARGET_HISTORY_LOST = "target.history_lost"
    TARGET_HISTORY_ADOPTED = "target.history_adopted"
    TARGET_HISTORY_OVERRIDDEN = "target.history_overridden"
    POLICY_PUBLISHED = "policy.published"
    JOIN_TOKEN_ISSUED = "join_token.issued"  # noqa: S105 - a name, not a secret
    MODEL_REGISTERED = "model.registered"
    VERSION_REGISTERED = "version.registered"
    VERSION_INSPECTED = "version.inspected"
    VERSION_ATTESTED = "version.attested"
    REQUEST_OPENED = "request.opened"
    REQUEST_APPROVED = "request.approved"
    REQUEST_REJECTED = "request.rejected"
    REQUEST_WITHDRAWN = "request.withdrawn"
    REQUEST_VOIDED = "request.voided"
    REQUEST_EXPIRED = "request.expired"
    REQUEST_STARTED = "request.started"
    REQUEST_EXECUTED = "request.executed"
    REQUEST_FAILED = "request.failed"
    REQUEST_REVIEWED = "request.reviewed"
    REQUEST_SUPERSEDED = "request.superseded"
    DEPLOYMENT_OPENED = "deployment.opened"
    DEPLOYMENT_DARKENED = "deployment.darkened"
    DEPLOYMENT_ADMITTED = "deployment.admitted"
    DEPLOYMENT_RECALLED = "deployment.recalled"
    DEPLOYMENT_PROMOTED = "deployment.promoted"
    DEPLOYMENT_BAKED = "deployment.baked"
    DEPLOYMENT_RESTORED = "deployment.restored"
    DEPLOYMENT_RETIRED = "deployment.retired"
    DEPLOYMENT_RELEASED = "deployment.released"
    ROLLOUT_STARTED = "rollout.started"
    ROLLOUT_ADVANCED = "rollout.advanced"
    ROLLOUT_PAUSED = "rollout.paused"
    ROLLOUT_RESUMED = "rollout.resumed"
    ROLLOUT_HALTED = "rollout.halted"
    ROLLOUT_ABORTED = "rollout.aborted"
    ROLLOUT_FINISHED = "rollout.finished"
    ROLLOUT_FAILED = "rollout.failed"
    STATE_PUBLISHED = "state.published"
    WEBHOOK_ADDED = "webhook.added"
    WEBHOOK_REKEYED = "webhook.rekeyed"
    WEBHOOK_REMOVED = "webhook.removed"
    AGENT_ENROLLED = "agent.enrolled"
    AGENT_LEFT = "agent.left"
    AGENT_CORDONED = "agent.cordoned"
    AGENT_UNCORDONED = "agent.uncordoned"
    AGENT_EVICTED = "agent.evicted"
    AGENT_DECOMMISSIONED = "agent.decommissioned"
    AGENT_CLONED = "agent.cloned"
    AGENT_CHANGED_SERVING = "agent.changed_serving"
    AGENT_REFUSED_STATE = "agent.refused_state"
    ATTEMPT_REFUSED = "attempt.refused"
