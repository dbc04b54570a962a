"""A control plane of a few hundred lines: real HTTP, real signatures, and faults on demand."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .versions import Version, sha256

PAYLOAD_TYPE = "application/vnd.lockgate.desired-state+json"
JOIN_TOKEN = "join-me"
Answer = tuple[int, dict[str, str], bytes]


class Key:
    def __init__(self) -> None:
        self.private = Ed25519PrivateKey.generate()
        self.raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.fingerprint = hashlib.sha256(self.raw).hexdigest()
        self.id = self.fingerprint[:16]

    @property
    def public(self) -> dict[str, str]:
        return {"keyid": self.id, "public": base64.b64encode(self.raw).decode()}


def envelope(payload: bytes, key: Key, *, payload_type: str = PAYLOAD_TYPE) -> bytes:
    kind = payload_type.encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    signature = base64.b64encode(key.private.sign(signed)).decode()
    return json.dumps(
        {
            "payloadType": payload_type,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": key.id, "sig": signature}],
        }
    ).encode()


def model(name: str = "credit", **slots: Any) -> dict[str, Any]:
    """One model's slots; versions stand for their references."""

    def ref(one: Any) -> Any:
        return one.ref if isinstance(one, Version) else one

    document: dict[str, Any] = {
        "model": name,
        "champion": None,
        "candidate": None,
        "bake": None,
        "spare": None,
        "dark": [],
        "load": [],
        "hold": [],
        "switch": {"to": "all"},
        "placement": {"labels": {}, "minimum": 1},
        "latency_budget_ms": 30.0,
        "golden_interval": None,
    }
    for slot, value in slots.items():
        document[slot] = [ref(one) for one in value] if isinstance(value, list) else ref(value)
    return document


def payload(
    generation: int,
    models: Iterable[dict[str, Any]],
    *,
    keys: Iterable[Key],
    environment: str = "qa",
    tier: str = "live",
    **changes: Any,
) -> dict[str, Any]:
    return {
        "schema": "lockgate.desired-state/1",
        "requires": ["switch.all"],
        "environment": environment,
        "tier": tier,
        "generation": generation,
        "issued_at": "2026-01-01T00:00:00Z",
        "keys": [key.public for key in keys],
        "models": list(models),
        "mirror": None,
        "may_remove": [],
        **changes,
    }


class ControlPlane:
    def __init__(self, *, tier: str = "live") -> None:
        self.key, self.tier = Key(), tier
        self.environment = "qa"
        self.generation = 0
        self.document: bytes | None = None
        self.blobs: dict[str, bytes] = {}
        self.reports: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str, dict[str, str]]] = []
        self.fetches: list[float] = []
        self.left = 0
        self.predictions: list[tuple[str, bytes]] = []
        self.token = "agent-token"
        self.token_seconds = 86400.0
        self.renewals = 0
        self.renews = True
        self.ahead_seconds = 0.0
        self.enrolment_keys: list[Key] | None = None
        self.faults: dict[str, Callable[[], Answer | None]] = {}
        """By the beginning of ``METHOD path``: an answer instead of the right one, or None."""
        self._routes: dict[str, Callable[[str, dict[str, str], bytes], Answer]] = {
            "GET /api/v1/agents/self/desired-state": self._desired,
            "PUT /api/v1/agents/self/report": self._report,
            "POST /api/v1/agents/self/renew": self._renew,
            "POST /api/v1/agents/self/leave": self._leave,
            "POST /api/v1/agents/self/predictions": self._predictions,
            "GET /api/v1/blobs/sha256:": self._blob,
        }
        self._news = threading.Condition()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    # What tests do with it

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        handler = type("Handler", (_Handler,), {"plane": self})
        self._server = _Server(("127.0.0.1", self.port), handler)
        self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def publish(
        self, *models: dict[str, Any], versions: Iterable[Version] = (), **changes: Any
    ) -> int:
        """Sign and put out the next generation."""
        for version in versions:
            self.blobs.update(version.blobs)
        self.generation += 1
        content = payload(
            self.generation,
            models,
            **{
                "keys": [self.key],
                "environment": self.environment,
                "tier": self.tier,
                **changes,
            },
        )
        self.generation = content["generation"]
        self.document = envelope(json.dumps(content).encode(), self.key)
        return self.generation

    def publish_raw(self, raw: bytes) -> None:
        """Put out these bytes, whatever they are, as something newer."""
        self.generation += 1
        self.document = raw

    def wait_report(
        self, holds: Callable[[dict[str, Any]], bool], *, seconds: float = 15.0
    ) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        seen = 0
        with self._news:
            while True:
                for report in self.reports[seen:]:
                    if holds(report):
                        return report
                seen = len(self.reports)
                left = deadline - time.monotonic()
                if left <= 0:
                    last = json.dumps(self.reports[-1:], indent=1)
                    raise AssertionError(f"no such report in {seconds} s; the last: {last}")
                self._news.wait(left)

    def wait_champion(self, version: Version, *, seconds: float = 15.0) -> dict[str, Any]:
        def answers(report: dict[str, Any]) -> bool:
            return any(
                one["digest"] == version.digest
                and one["role"] == "champion"
                and one["phase"] == "ready"
                for one in report["models"]
            )

        return self.wait_report(answers, seconds=seconds)

    def wait_refusal(self, reason: str, *, seconds: float = 15.0) -> dict[str, Any]:
        return self.wait_report(
            lambda report: bool(report["refused"]) and report["refused"]["reason"] == reason,
            seconds=seconds,
        )

    def wait_failure(
        self, version: Version, reason: str, *, seconds: float = 20.0
    ) -> dict[str, Any]:
        return self.wait_report(
            lambda report: any(
                one["digest"] == version.digest
                and one["phase"] == "failed"
                and one["reason"] == reason
                for one in report["models"]
            ),
            seconds=seconds,
        )

    # What agents ask of it

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        self.calls.append((method, path, headers))
        call = f"{method} {path}"
        for prefix, fault in list(self.faults.items()):
            if call.startswith(prefix) and (answer := fault()) is not None:
                return answer
        if call == "POST /api/v1/agents/enrol":
            return self._enrol(json.loads(body))
        if headers.get("authorization") != f"Bearer {self.token}":
            return problem(401, "unauthenticated")
        for beginning, handle in self._routes.items():
            if call.startswith(beginning):
                return handle(path, headers, body)
        return problem(404, "not_found")

    def _leave(self, *_: object) -> Answer:
        self.left += 1
        return 204, {}, b""

    def _blob(self, path: str, *_: object) -> Answer:
        content = self.blobs.get(path.rpartition(":")[2])
        return problem(404, "not_found") if content is None else (200, {}, content)

    def _predictions(self, path: str, __: object, body: bytes) -> Answer:
        self.predictions.append((path.rpartition("=")[2], body))
        return 201, {}, json.dumps({"sha256": sha256(body), "rows": 1}).encode()

    def _expires(self) -> str:
        moment = time.gmtime(time.time() + self.token_seconds)
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", moment)

    def _enrol(self, asked: dict[str, Any]) -> Answer:
        if asked["join_token"] != JOIN_TOKEN:
            return problem(403, "join_token_invalid")
        keys = self.enrolment_keys or [self.key]
        content = {
            "agent_id": "agent-1",
            "token": self.token,
            "expires_at": self._expires(),
            "environment": self.environment,
            "tier": self.tier,
            "keys": [key.public for key in keys],
            "generation": self.generation,
        }
        return 201, {}, json.dumps(content).encode()

    def _desired(self, _: str, headers: dict[str, str], __: bytes) -> Answer:
        self.fetches.append(time.monotonic())
        if self.document is None:
            return problem(404, "no_desired_state")
        tag = f'"{sha256(self.document)}"'
        if headers.get("if-none-match") == tag:
            return 304, {"etag": tag}, b""
        kind = "application/vnd.dsse.envelope+json"
        return 200, {"etag": tag, "content-type": kind}, self.document

    def _report(self, _: str, __: object, body: bytes) -> Answer:
        report = json.loads(body)
        with self._news:
            self.reports.append(report)
            self._news.notify_all()
        return 200, {}, json.dumps({"generation": self.generation}).encode()

    def _renew(self, *_: object) -> Answer:
        if not self.renews:
            return problem(503, "unavailable")
        self.renewals += 1
        self.token = f"agent-token-{self.renewals}"
        self.token_seconds = 86400.0
        content = {"token": self.token, "expires_at": self._expires()}
        return 200, {}, json.dumps(content).encode()


def problem(status: int, code: str) -> Answer:
    content = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": ""}
    return status, {"content-type": "application/problem+json"}, json.dumps(content).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Agents are killed in the middle of a call: no news."""


class _Handler(BaseHTTPRequestHandler):
    plane: ControlPlane
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((timestamp or time.time()) + self.plane.ahead_seconds)

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, extra, content = self.plane.answer(self.command, self.path, headers, body)
        self.send_response(status)
        for name, value in extra.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        if status != 304:
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = _handle  # noqa: N815 - the names http.server calls
