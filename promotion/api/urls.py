"""Paths of the promotion API, below ``/api/v1/``."""

from django.urls import path

from promotion.api import (
    agents,
    artifacts,
    environments,
    fleet,
    lineage,
    policies,
    promotions,
    rollouts,
    webhooks,
)

urlpatterns = [
    # Before the registry's own of the same paths: these know the upper half too.
    path("blobs/<str:name>", artifacts.BlobView.as_view()),
    path("models/<str:model>/versions/<int:number>", artifacts.VersionView.as_view()),
    path("models/<str:name>/versions/<int:number>/lineage", lineage.LineageView.as_view()),
    path("promotions", promotions.PromotionsView.as_view()),
    path("promotions/<uuid:pk>", promotions.PromotionView.as_view()),
    path("promotions/<uuid:pk>/approvals", promotions.ApprovalsView.as_view()),
    path("promotions/<uuid:pk>/withdraw", promotions.WithdrawView.as_view()),
    path("rollouts/<uuid:pk>/pause", rollouts.PauseView.as_view()),
    path("rollouts/<uuid:pk>/resume", rollouts.ResumeView.as_view()),
    path("rollouts/<uuid:pk>/abort", rollouts.AbortView.as_view()),
    path("policies", policies.PoliciesView.as_view()),
    path("policies/schema", policies.PolicySchemaView.as_view()),
    path("policies/<str:slug>", policies.EnvironmentPoliciesView.as_view()),
    path("policies/<str:slug>/trial", policies.PolicyTrialView.as_view()),
    path("policies/<str:slug>/<int:number>", policies.PolicyView.as_view()),
    path("environments", environments.EnvironmentsView.as_view()),
    path("environments/<str:slug>", environments.EnvironmentView.as_view()),
    path("environments/<str:slug>/state", environments.EnvironmentStateView.as_view()),
    path("environments/<str:slug>/targets/<str:tier>/history", environments.HistoryView.as_view()),
    path(
        "environments/<str:environment>/models/<str:model>/rollback",
        promotions.RollbackView.as_view(),
    ),
    path("environments/<str:environment>/models/<str:model>/stop", promotions.StopView.as_view()),
    path("join-tokens", environments.JoinTokensView.as_view()),
    path("webhooks", webhooks.WebhooksView.as_view()),
    path("webhooks/<uuid:pk>", webhooks.WebhookView.as_view()),
    path("webhooks/<uuid:pk>/secret", webhooks.SecretView.as_view()),
    path("webhooks/<uuid:pk>/deliveries", webhooks.DeliveriesView.as_view()),
    path("deliveries/<uuid:pk>/replay", webhooks.ReplayView.as_view()),
    path("agents/enrol", agents.EnrolView.as_view()),
    path("agents/<uuid:pk>/cordon", fleet.CordonView.as_view()),
    path("agents/<uuid:pk>/uncordon", fleet.UncordonView.as_view()),
    path("agents/<uuid:pk>/evict", fleet.EvictView.as_view()),
    path("agents/<uuid:pk>/decommission", fleet.DecommissionView.as_view()),
    path("agents/self/desired-state", agents.DesiredStateView.as_view()),
    path("agents/self/report", agents.ReportView.as_view()),
    path("agents/self/renew", agents.RenewView.as_view()),
    path("agents/self/leave", agents.LeaveView.as_view()),
    path("agents/self/predictions", agents.PredictionsView.as_view()),
]
