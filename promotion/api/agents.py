"""What agents call. Documents are checked by ``promotion.wire``; nothing here decides."""

import base64
import hashlib
from typing import IO, Any, TypeVar, cast

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import BaseModel, ValidationError
from rest_framework import status
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance import signing
from governance.actors import Actor
from governance.api.authentication import agent_token_of, bearer
from governance.api.base import ApiView
from governance.errors import Invalid, NotFound, TooLarge, Unauthenticated
from promotion import wire
from promotion.api.bodies import AnyObject
from promotion.api.negotiation import AnyAccept
from promotion.models import Agent, PredictionBatch
from promotion.selectors import states
from promotion.services import agents, predictions
from registry.services import blobs

B = TypeVar("B", bound=BaseModel)
ENVELOPE_TYPE = "application/vnd.dsse.envelope+json"
PARQUET_TYPE = "application/vnd.apache.parquet"


class RawParser(BaseParser):
    """Leaves a body as it comes."""

    media_type = PARQUET_TYPE

    def parse(self, stream: IO[bytes], *_: object, **__: object) -> Any:
        return stream


class EnrolView(ApiView):
    """Joining a target."""

    answers_hold_secrets = True

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="enrol_agent", request=AnyObject, responses={201: OpenApiTypes.OBJECT}, auth=[]
    )
    def post(self, request: HttpRequest) -> Response:
        """Let an agent join with a join token; its own token is shown this once."""
        joined = agents.enrol(body=_read(wire.Enrolment, request.data))
        target = joined.agent.target
        keys = [
            {"keyid": signing.keyid(raw), "public": base64.b64encode(raw).decode()}
            for raw in signing.public_keys()
        ]
        return Response(
            {
                "agent_id": str(joined.agent.pk),
                "token": joined.secret,
                "expires_at": joined.expires_at,
                "environment": target.environment.slug,
                "tier": target.tier,
                "keys": keys,
                "generation": target.generation,
            },
            status=status.HTTP_201_CREATED,
        )


class DesiredStateView(ApiView):
    """What an agent should serve."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="show_desired_state",
        responses={(200, ENVELOPE_TYPE): OpenApiTypes.BINARY, 304: None},
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """Give the exact signed bytes, or 304 when the agent has them."""
        state = states.current(agent_of(request).target)
        if state is None:
            message = "Nothing was published to this target yet."
            raise NotFound(message, code="no_desired_state")
        tag = f'"{state.sha256}"'
        if request.META.get("HTTP_IF_NONE_MATCH") == tag:
            return HttpResponse(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": tag})
        return HttpResponse(
            bytes(state.envelope), content_type=ENVELOPE_TYPE, headers={"ETag": tag}
        )


class ReportView(ApiView):
    """What an agent says of itself."""

    @extend_schema(operation_id="put_report", request=AnyObject, responses=OpenApiTypes.OBJECT)
    def put(self, request: HttpRequest) -> Response:
        """Store a report, advance what waits for it, and answer the newest generation."""
        agent = agent_of(request)
        body = _read(wire.Report, request.data)
        return Response({"generation": agents.report(agent=agent, body=body, actor=_actor(agent))})


class RenewView(ApiView):
    """A new token before the old one ends."""

    answers_hold_secrets = True

    @extend_schema(operation_id="renew_agent", request=None, responses=OpenApiTypes.OBJECT)
    def post(self, request: HttpRequest) -> Response:
        """Give the agent a new token; the old one lasts five more minutes."""
        issued = agents.renew(secret=bearer(request) or "", actor=_actor(agent_of(request)))
        return Response({"token": issued.secret, "expires_at": issued.token.expires_at})


class LeaveView(ApiView):
    """Stopping on purpose."""

    @extend_schema(operation_id="leave", request=None, responses={204: None})
    def post(self, request: HttpRequest) -> Response:
        """Note that the agent stops: no rollout waits for it any more."""
        agent = agent_of(request)
        agents.leave(agent_id=agent.pk, actor=_actor(agent))
        return Response(status=status.HTTP_204_NO_CONTENT)


class PredictionsView(ApiView):
    """Prediction logs."""

    parser_classes = (RawParser,)

    @extend_schema(
        operation_id="upload_predictions",
        request={PARQUET_TYPE: OpenApiTypes.BINARY},
        parameters=[
            OpenApiParameter("kind", OpenApiTypes.STR, enum=PredictionBatch.Kind.values),
            OpenApiParameter("X-Content-SHA256", OpenApiTypes.STR, OpenApiParameter.HEADER),
        ],
        responses={201: OpenApiTypes.OBJECT, 200: OpenApiTypes.OBJECT},
    )
    def post(self, request: HttpRequest) -> Response:
        """Keep a Parquet file of decisions or dark scores; the same file counts once."""
        agent = agent_of(request)
        kind = request.query_params.get("kind", "")
        if kind not in PredictionBatch.Kind.values:
            message = "A prediction log is of kind decision or dark."
            raise Invalid(message, kind="must be decision or dark")
        data = _body(request, limit=predictions.MAX_BYTES)
        table = predictions.read(kind, data)
        blob = blobs.keep(data, actor=_actor(agent))
        batch, is_new = predictions.accept(agent=agent, kind=kind, blob=blob, table=table)
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response({"sha256": blob.sha256, "rows": batch.rows}, status=code)


def agent_of(request: HttpRequest) -> Agent:
    """Return the agent whose token the request carries, with its target.

    Raises:
        Forbidden: ``not_an_agent``.
        Unauthenticated: ``bad_token``, a token no agent holds.
    """
    token = agent_token_of(request)
    rows = Agent.objects.select_related("target__environment")
    agent = rows.filter(token=token).first()
    if agent is None:
        message = "No agent holds this token."
        raise Unauthenticated(message, code="bad_token")
    return agent


def _actor(agent: Agent) -> Actor:
    return Actor.from_agent(agent.pk, name=agent.name)


def _read(kind: type[B], data: Any) -> B:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        problems = {
            ".".join(map(str, found["loc"])) or "body": found["msg"]
            for found in error.errors(include_url=False, include_input=False)[:20]
        }
        message = "The document is not as it should be."
        raise Invalid(message, **problems) from None


def _body(request: HttpRequest, *, limit: int) -> bytes:
    # The framework parses no empty body: what it gives then is no stream.
    stream = cast("IO[bytes]", request.data) if request.META.get("CONTENT_LENGTH") != "0" else None
    data = stream.read(limit + 1) if stream else b""
    if len(data) > limit:
        message = f"A prediction log has at most {limit} bytes."
        raise TooLarge(message, limit=limit)
    said = request.META.get("HTTP_X_CONTENT_SHA256", "")
    if hashlib.sha256(data).hexdigest() != said:
        message = "These bytes do not have the SHA-256 that was said."
        raise Invalid(message, code="digest_mismatch")
    return data
