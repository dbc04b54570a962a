"""Paths of ``registry`` below ``/api/v1/``."""

from django.urls import path

from registry.api import views

urlpatterns = [
    path("blobs/<str:name>", views.BlobView.as_view()),
    path("models", views.ModelsView.as_view()),
    path("models/<str:model>", views.ModelView.as_view()),
    path("models/<str:model>/versions", views.VersionsView.as_view()),
    path("models/<str:model>/versions/<int:number>", views.VersionView.as_view()),
    path(
        "models/<str:model>/versions/<int:number>/attestations",
        views.AttestationsView.as_view(),
    ),
]
