"""Paths of ``governance`` below ``/api/v1/``. Environments are promotion's, with their targets."""

from django.urls import path

from governance.api import erasing, sealing, views

urlpatterns = [
    path("me", views.Me.as_view()),
    path("people", views.People.as_view()),
    path("people/<str:username>", views.Person.as_view()),
    path("people/<str:username>/roles", views.Roles.as_view()),
    path("roles/<uuid:binding_id>", views.RoleView.as_view()),
    path("tokens", views.Tokens.as_view()),
    path("tokens/<uuid:token_id>", views.Token.as_view()),
    path("audit/checkpoints", sealing.Checkpoints.as_view()),
    path("audit/history", sealing.History.as_view()),
    path("audit/entries", views.Entries.as_view()),
    path("audit/entries/<int:seq>", views.EntryView.as_view()),
    path("audit/entries/<int:seq>/erasure", erasing.EntryErasure.as_view()),
    path("audit/entries/<int:seq>/erasure/decision", erasing.ErasureDecision.as_view()),
    path("audit/erasures", erasing.Erasures.as_view()),
]
