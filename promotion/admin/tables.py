"""Every table of promotion but requests, as it is."""

from typing import Any

from django.contrib import admin
from django.db.models import Model

from governance.admin import ReadOnlyAdmin
from promotion.models import (
    Agent,
    AgentReport,
    Approval,
    Comment,
    DarkSeen,
    DarkTally,
    Delivery,
    Deployment,
    DesiredState,
    Finding,
    Incident,
    JoinToken,
    LatencySlot,
    LiveReview,
    Placement,
    Policy,
    PolicyApproval,
    PolicyRequest,
    PredictionBatch,
    Pulse,
    Review,
    Rollout,
    RolloutStep,
    ServingInterval,
    Target,
    Telling,
    Waiver,
    Webhook,
)


def register(model: type[Model], **attributes: Any) -> None:
    """Register a model that is only shown, and whose history is what the log says of it."""
    name = f"{model.__name__}Admin"
    admin.site.register(model, type(name, (ReadOnlyAdmin,), attributes))


register(
    Deployment,
    list_display=("version", "environment", "state", "role", "hold", "champion_at", "changed_at"),
    list_filter=("environment", "state", "role"),
    list_select_related=("version__model", "environment"),
    search_fields=("model__name",),
    subject_kind="deployment",
)
register(
    Approval,
    list_display=("name", "role", "decision", "meaning", "request", "at"),
    list_filter=("decision", "meaning"),
    list_select_related=("request",),
    subject_kind="approval",
)
register(
    Rollout,
    list_display=("request", "target", "step", "attempt", "generation", "started_at", "ended_at"),
    list_filter=("step",),
    list_select_related=("request", "target__environment"),
    subject_kind="rollout",
)
register(
    RolloutStep,
    list_display=("rollout", "step", "agent", "required", "asked_at", "done_at", "failed_at"),
    list_select_related=("rollout", "agent"),
)
register(
    Target,
    list_display=("environment", "tier", "generation", "mirror_fraction"),
    list_select_related=("environment",),
    subject_kind="target",
)
register(
    DesiredState,
    list_display=("target", "generation", "sha256", "cause", "at"),
    list_select_related=("target__environment",),
    fields=("target", "generation", "sha256", "cause", "at"),
)
register(
    Policy,
    list_display=("environment", "number", "sha256", "at"),
    list_select_related=("environment",),
    subject_kind="policy",
)
register(
    Agent,
    list_display=("name", "target", "cordoned", "enrolled_at", "left_at"),
    list_filter=("cordoned",),
    list_select_related=("target__environment",),
    search_fields=("name",),
    subject_kind="agent",
)
register(
    AgentReport,
    list_display=("agent", "at", "observed_generation", "software", "draining"),
    list_select_related=("agent",),
)
register(
    ServingInterval,
    list_display=("agent", "version", "role", "generation", "began_at", "ended_at"),
    list_select_related=("agent", "version__model"),
)
register(
    Telling,
    list_display=("agent", "action", "version", "generation", "told_at", "done_at"),
    list_select_related=("agent", "version__model"),
)
register(
    JoinToken,
    list_display=("prefix", "target", "uses_left", "created_at", "expires_at", "revoked_at"),
    list_select_related=("target__environment",),
    fields=("prefix", "target", "uses_left", "created_at", "expires_at", "revoked_at"),
)
register(
    DarkSeen,
    list_display=("environment", "version", "since"),
    list_select_related=("environment", "version__model"),
)
register(
    DarkTally,
    list_display=("environment", "version", "champion", "scored", "errors", "last_at"),
    list_select_related=("environment", "version__model", "champion__model"),
)
register(
    PredictionBatch,
    list_display=("agent", "kind", "blob", "rows", "at"),
    list_filter=("kind",),
    list_select_related=("agent", "blob"),
)
register(
    Webhook,
    list_display=("url", "environment", "secret_version", "created_at", "removed_at"),
    list_select_related=("environment",),
    subject_kind="webhook",
)
register(
    Delivery,
    list_display=("action", "webhook", "attempts", "status", "created_at", "delivered_at"),
    list_filter=("action",),
    list_select_related=("webhook",),
)
register(
    LiveReview,
    list_display=("deployment", "outcome", "name", "trigger", "next_by", "at"),
    list_filter=("outcome",),
    list_select_related=("deployment__version__model", "deployment__environment"),
    subject_kind="live_review",
)
register(
    Finding,
    list_display=("title", "version", "severity", "owner_name", "due", "recorded_at", "closed_at"),
    list_filter=("severity",),
    list_select_related=("version__model",),
    subject_kind="finding",
)
register(
    Incident,
    list_display=("title", "environment", "model", "severity", "opened_at", "closed_at"),
    list_filter=("environment", "severity"),
    list_select_related=("environment", "model"),
    subject_kind="incident",
)
register(
    Placement,
    list_display=("model", "environment", "labels", "minimum", "changed_at"),
    list_filter=("environment",),
    list_select_related=("environment", "model"),
    subject_kind="placement",
)
register(Pulse, list_display=("name", "at"))
register(
    Review,
    list_display=("name", "role", "verdict", "request", "at"),
    list_select_related=("request",),
)
register(
    Comment,
    list_display=("name", "request", "policy_request", "at"),
    list_select_related=("request", "policy_request__environment"),
    search_fields=("name", "text"),
    subject_kind="comment",
)
register(PolicyRequest)
register(PolicyApproval)
register(Waiver)
register(
    LatencySlot,
    list_display=("version", "target", "at", "sum_ms", "over_budget"),
    list_filter=("target",),
    list_select_related=("version__model", "target__environment"),
    search_fields=("version__model__name",),
)
