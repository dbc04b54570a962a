"""Every path of the web process. Apps are composed by dotted name."""

from django.contrib import admin
from django.urls import include, path

from governance.admin import doors
from governance.api import health, schema

handler400 = "governance.api.problems.bad_request"
handler403 = "governance.api.problems.forbidden"
handler404 = "governance.api.problems.not_found"
handler500 = "governance.api.problems.server_error"

# The uppermost first: a path that two apps have is answered by the one that knows more.
API = ("promotion.api.urls", "registry.api.urls", "governance.api.urls")

urlpatterns = [
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", include("promotion.api.metrics")),
    path("api/schema", schema.SchemaView.as_view(), name="schema"),
    path("api/v1/", include(([path("", include(name)) for name in API], "api"))),
    path("admin/login/", doors.sign_in),
    path("admin/password_change/", doors.ChangePassword.as_view()),
    path("admin/", admin.site.urls),
    path("", include("promotion.views.urls")),
]
