"""Views that fail in every way, for the tests of what all views share."""

from django.core.exceptions import PermissionDenied, SuspiciousOperation, ValidationError
from django.db import DataError, IntegrityError, OperationalError, connection
from django.http import Http404
from django.urls import include, path
from django_fsm import TransitionNotAllowed
from rest_framework import exceptions as drf
from rest_framework.permissions import AllowAny
from rest_framework.response import Response

from governance import errors
from governance.api import health
from governance.api.authentication import actor_of, agent_token_of
from governance.api.base import ApiView, require_match
from governance.api.fields import Choice, Digest, Id, Integer, Number, Slug, Strict, Text, Truth
from governance.services.environments import define_environment

handler400 = "governance.api.problems.bad_request"
handler403 = "governance.api.problems.forbidden"
handler404 = "governance.api.problems.not_found"
handler500 = "governance.api.problems.server_error"

FAILURES = {
    "not_found": errors.NotFound("x"),
    "conflict": errors.Conflict("x", code="rollout_in_progress", status="hidden", held={1}),
    "stale": errors.Stale("x"),
    "invalid": errors.Invalid("x", name="is wrong"),
    "too_large": errors.TooLarge("x"),
    "unauthenticated": errors.Unauthenticated("x"),
    "guessing": errors.Unauthenticated("x", code="too_many_attempts"),
    "forbidden": errors.Forbidden("x"),
    "refused": errors.Refused("x", rule="four_eyes", object="model:x", subject="request:x"),
    "unavailable": errors.Unavailable("x"),
    "validation": drf.ValidationError({"files": [{}, {"sha256": ["no"]}]}),
    "throttled": drf.Throttled(wait=3),
    "gone": Http404(),
    "denied": PermissionDenied(),
    "transition": TransitionNotAllowed("cannot promote"),
    "operational": OperationalError(),
    "integrity": IntegrityError(),
    "data": DataError(),
    "django": ValidationError("no"),
    "suspicious": SuspiciousOperation(),
    "bug": RuntimeError("secret"),
}


class Failing(ApiView):
    permission_classes = (AllowAny,)

    def get(self, request, name):
        raise FAILURES[name]


class Document(Strict):
    text = Text(limit=10, required=False)
    number = Number(required=False)
    integer = Integer(required=False)
    truth = Truth(required=False)
    slug = Slug(required=False)
    digest = Digest(required=False)
    choice = Choice(choices=["a", "b"], required=False)
    id = Id(required=False)


class Echo(ApiView):
    def post(self, request):
        body = Document(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(body.validated_data)

    def put(self, request):
        require_match(request, '"1"')
        return Response({})


class Whoami(ApiView):
    def get(self, request):
        actor = actor_of(request)
        return Response({"kind": actor.kind, "persons": sorted(actor.persons())})


class AgentsOnly(ApiView):
    def get(self, request):
        return Response({"token": str(agent_token_of(request).pk)})


class Define(ApiView):
    """A POST that changes something, so that a repeated one would be seen."""

    def post(self, request, slug):
        fields = {"kind": request.data.get("kind", "qa"), "actor": actor_of(request)}
        defined = define_environment(slug=slug, **fields)
        return Response({"changed": defined.changed}, status=201, headers={"Location": "/x"})


class Dangling(ApiView):
    """A change that only the commit refuses, when the answer is made already."""

    def post(self, request):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO auth_group_permissions (group_id, permission_id) VALUES (0, 0)"
            )
        return Response({})


urlpatterns = [
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("api/v1/", include("governance.api.urls")),
    path("api/v1/test/failing/<str:name>", Failing.as_view()),
    path("api/v1/test/echo", Echo.as_view()),
    path("api/v1/test/whoami", Whoami.as_view()),
    path("api/v1/test/agents", AgentsOnly.as_view()),
    path("api/v1/test/dangling", Dangling.as_view()),
    path("api/v1/test/define/<slug:slug>", Define.as_view()),
]
