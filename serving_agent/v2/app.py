"""The inference listener: which call goes where.

Bad input is the caller's and answered with a reason, never with a 500. More
requests than the agent can hold are turned away at once, because one that
waits for seconds is of no use to a payment.
"""

import hmac
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from msgspec import structs

from serving_agent.errors import BadRequest
from serving_agent.loaded import Loaded
from serving_agent.metrics import CONTENT_TYPE, Metrics
from serving_agent.ports import Recorder
from serving_agent.runtime import Routes, Runtime
from serving_agent.v2 import binary, describe, infer
from serving_agent.v2.admission import Admission, Bounds, Held
from serving_agent.v2.http import (
    Gone,
    Receive,
    Response,
    Scope,
    Send,
    error,
    header,
    read_small,
    reply,
    send_response,
)
from serving_agent.v2.spares import Spares
from serving_agent.v2.workers import Workers

logger = logging.getLogger(__name__)

GROUP_HEADER = b"lockgate-group"
PIPELINE_HEADER = b"lockgate-pipeline-digest"
MODEL_METHODS = {"": "GET", "config": "GET", "stats": "GET", "ready": "GET", "infer": "POST"}
OPEN_TO_ALL = ("/v2/health/live", "/v2/health/ready")


def _asks_for_health(path: str) -> bool:
    """Tell the calls of a load balancer, which has no token and asks also when all is full."""
    if path in OPEN_TO_ALL:
        return True
    return path.endswith("/ready") and path.startswith("/v2/models/")


@dataclass(slots=True)
class Gate:
    """Whether callers should come here at all."""

    started: Callable[[], bool]
    wedged: Callable[[], bool]
    draining: bool = False

    @property
    def ready(self) -> bool:
        return not self.draining and self.started() and not self.wedged()


@dataclass(frozen=True, slots=True)
class Options:
    software: str
    answers: bool
    """False on the dark tier: what is scored there is for nobody to see."""
    token: str | None
    bounds: Bounds
    threads: int
    spare_deadline_factor: float


@dataclass(slots=True)
class _Exchange:
    scope: Scope
    receive: Receive
    held: Held = field(default_factory=Held)


class App:
    def __init__(
        self,
        runtime: Runtime,
        *,
        gate: Gate,
        options: Options,
        recorder: Recorder | None,
        metrics: Metrics,
    ) -> None:
        self._runtime, self._gate, self._options = runtime, gate, options
        self._recorder, self._metrics = recorder, metrics
        self._token = f"Bearer {options.token}".encode() if options.token else None
        self.admission = Admission(options.bounds, metrics.turned_away)
        self._workers = Workers("score", options.threads, self.admission)
        self._spares = Spares(
            self._workers,
            # A champion that hangs holds all of its workers, and none of these.
            Workers("spare", options.threads, self.admission),
            factor=options.spare_deadline_factor,
        )
        self._refusals = metrics.refusals
        self._fixed: dict[tuple[str, str], Callable[[_Exchange], Awaitable[Response]]] = {
            ("GET", "/v2"): self._server,
            ("GET", "/v2/health/live"): self._live,
            ("GET", "/v2/health/ready"): self._ready,
            ("POST", "/v2/repository/index"): self._index,
            ("GET", "/v2/models/stats"): self._all_stats,
            ("GET", "/metrics"): self._metrics_text,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = _Exchange(scope, receive)
        try:
            response = await self._answer(exchange)
            if response.status >= 400:
                self._refusals[response.status] += 1
            await send_response(send, response, closing=self._gate.draining)
            if response.then is not None:
                response.then()
        except Gone:
            return
        finally:
            self.admission.release(exchange.held)

    async def _answer(self, exchange: _Exchange) -> Response:
        path: str = exchange.scope["path"]
        try:
            if not _asks_for_health(path):
                self.admission.check()
                if not self._may(exchange.scope):
                    bearer = (b"www-authenticate", b"Bearer")
                    return error(401, "a bearer token is needed", headers=[bearer])
            return await self._route(exchange, path)
        except BadRequest as exc:
            return error(exc.status, str(exc))
        except Gone:
            raise
        except Exception:
            logger.exception("%s %s failed", exchange.scope["method"], path[:200])
            return error(500, "the agent failed to answer this")

    def _may(self, scope: Scope) -> bool:
        given = header(scope, b"authorization") or b""
        return self._token is None or hmac.compare_digest(given, self._token)

    async def _route(self, exchange: _Exchange, path: str) -> Response:
        method = exchange.scope["method"]
        if b"%2" in exchange.scope["raw_path"] and b"%2f" in exchange.scope["raw_path"].lower():
            raise BadRequest("a path holds no slash in disguise", status=404)
        if path.startswith("/v2/models/") and not self._is_of_all(path):
            return await self._model_route(exchange, path[11:].split("/"))
        fixed = self._fixed.get((method, path.rstrip("/")))
        if fixed is not None:
            return await fixed(exchange)
        if any(known == path.rstrip("/") for _, known in self._fixed):
            raise BadRequest(f"{method} is not for this path", status=405)
        raise BadRequest("there is nothing at this path", status=404)

    def _is_of_all(self, path: str) -> bool:
        """Tell a call about all models from one about a model that is called "stats"."""
        return path == "/v2/models/stats" and "stats" not in self._runtime.known

    async def _model_route(self, exchange: _Exchange, parts: list[str]) -> Response:
        model, rest = parts[0], parts[1:]
        version = None
        if rest[:1] == ["versions"]:
            if len(rest) < 2:
                raise BadRequest("a version number is missing", status=404)
            version, rest = rest[1], rest[2:]
        expected = MODEL_METHODS.get("/".join(rest))
        if expected is None:
            raise BadRequest("there is nothing at this path", status=404)
        if exchange.scope["method"] != expected:
            raise BadRequest(f"{exchange.scope['method']} is not for this path", status=405)
        if rest == ["infer"]:
            return await self._infer(exchange, model, version)
        loaded, routes = self._find(model, version)
        if rest == ["ready"]:
            return await self._model_ready(loaded, routes.spare if version is None else None)
        about = {"config": describe.config, "stats": describe.stats}.get("/".join(rest))
        content = about(loaded) if about else describe.model(loaded, routes)
        return reply(content, headers=loaded.headers)

    # About the agent

    async def _server(self, _: _Exchange) -> Response:
        return reply(describe.server(self._options.software))

    async def _live(self, _: _Exchange) -> Response:
        return reply({"live": True})

    async def _ready(self, _: _Exchange) -> Response:
        ready = self._gate.ready
        return reply({"ready": ready}, status=200 if ready else 503)

    async def _index(self, exchange: _Exchange) -> Response:
        body = await read_small(exchange.scope, exchange.receive, limit=4096)
        return reply(describe.index(self._runtime, ready=infer.wants_ready(body)))

    async def _all_stats(self, _: _Exchange) -> Response:
        return reply(describe.all_stats(self._runtime))

    async def _metrics_text(self, _: _Exchange) -> Response:
        return Response(200, self._metrics.text(), content_type=CONTENT_TYPE)

    # About models

    def _find(self, model: str, version: str | None) -> tuple[Loaded, Routes]:
        """Choose who answers. Reads the routing table once."""
        routes = self._runtime.table.models.get(model)
        if routes is None:
            if model in self._runtime.known:
                raise BadRequest(f"model {model!r} is not loaded (yet)", status=503)
            raise BadRequest(f"there is no model {model[:80]!r} here", status=404)
        found = routes.champion if version is None else routes.by_version.get(version)
        if found is None and version is None:
            raise BadRequest(f"nothing answers for {model!r} now", status=503)
        if found is None:
            raise BadRequest(f"version {version!r:.80} of {model!r} does not answer", status=404)
        return found, routes

    def _acquire(
        self, model: str, version: str | None, asked: infer.Asked, group: bytes | None
    ) -> tuple[Loaded, Routes]:
        """Choose who answers this caller, and take part in what is in flight there."""
        while True:
            loaded, routes = self._find(model, version)
            if routes.candidate is not None:
                caller = asked.caller(parameter=routes.rule.parameter, group=group)
                chosen = routes.answering(version, caller)
                if chosen is None:
                    raise BadRequest(f"version {version!r:.80} is not for you", status=404)
                loaded = chosen
            # Refused only if it was told to leave since the table was read; then the table is new.
            if loaded.acquire():
                return loaded, routes

    async def _model_ready(self, loaded: Loaded, spare: Loaded | None) -> Response:
        if self._gate.draining:
            return reply({"name": loaded.model, "ready": False}, status=503)
        if spare is None or spare is loaded:
            passed = await self._workers.check(loaded)
        else:
            loaded, passed = await self._spares.check(loaded, spare)
        content = {"name": loaded.model, "ready": passed}
        return reply(content, status=200 if passed else 503, headers=loaded.headers)

    async def _infer(self, exchange: _Exchange, model: str, version: str | None) -> Response:
        if not self._options.answers:
            raise BadRequest("this agent is of the dark tier and answers nobody", status=403)
        self._find(model, version)  # A model that is not here is told before a body is read.
        heads = dict(exchange.scope["headers"])  # Once, for all that is asked of them.
        body = await self.admission.body(heads, exchange.receive, exchange.held)
        started = time.perf_counter()
        asked = infer.parse(body, json_length=heads.get(binary.LENGTH_HEADER))
        chosen, routes = self._acquire(model, version, asked, heads.get(GROUP_HEADER))
        try:
            pipeline = heads.get(PIPELINE_HEADER)
            loaded, call = chosen, infer.read(asked, chosen, pipeline=pipeline)
            if routes.spare is None or version is not None or chosen is not routes.champion:
                outputs = await self._workers.run(loaded, call)
                response = infer.write(call, loaded, outputs)
            else:
                found = await self._spares.score(asked, call, routes, pipeline=pipeline)
                loaded, call, outputs, instead = found
                response = infer.write(call, loaded, outputs, instead=instead)
        except Exception as exc:
            if not isinstance(exc, BadRequest):
                chosen.count(milliseconds=0.0, failed=True)
            raise
        finally:
            chosen.release()
        latency_ms = (time.perf_counter() - started) * 1000
        score = infer.score_of(call, loaded, outputs)
        loaded.count(milliseconds=latency_ms, failed=False, score=score)
        if self._recorder is None:
            return response
        answer = infer.answer(call, loaded, score=score, latency_ms=latency_ms)
        then = partial(self._recorder.answered, answer)
        return structs.replace(response, then=then)
