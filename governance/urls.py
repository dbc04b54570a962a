"""Every path of the web process. Apps are composed by dotted name."""

from importlib.util import find_spec

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from governance.admin import doors
from governance.api import health, schema

handler400 = "governance.api.problems.bad_request"
handler403 = "governance.api.problems.forbidden"
handler404 = "governance.api.problems.not_found"
handler500 = "governance.api.problems.server_error"


def _api() -> list[URLPattern | URLResolver]:
    apps = ("promotion.api.urls", "registry.api.urls", "governance.api.urls")
    return [path("", include(name)) for name in apps if find_spec(name)]


urlpatterns = [
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("api/schema", schema.SchemaView.as_view(), name="schema"),
    path("api/v1/", include((_api(), "api"))),
    path("admin/login/", doors.sign_in),
    path("admin/password_change/", doors.ChangePassword.as_view()),
    path("admin/", admin.site.urls),
]
if find_spec("promotion.views.urls"):
    urlpatterns.append(path("", include("promotion.views.urls")))
