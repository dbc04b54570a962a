"""The control plane, as the agent calls it.

Every call has a deadline of a few seconds and a limit on what it reads, and
none runs on a thread that serves. The token goes to the control plane's own
origin and nowhere else, whatever a redirect says.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from serving_agent.documents import MAX_BYTES
from serving_agent.errors import Nack, PermanentFailure, Reason, TemporaryFailure, Unauthorized
from serving_agent.ports import PredictionKind
from serving_agent.signing import PublicKey
from serving_agent.skew import Skew

ANSWER_BYTES = 1024 * 1024
REDIRECTS = 3
UPLOAD_SECONDS = 60.0
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_MALFORMED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
T = TypeVar("T")


class Enrolled(msgspec.Struct, frozen=True):
    agent_id: str
    token: str
    expires_at: str
    environment: str
    tier: str
    keys: list[PublicKey]


class Renewed(msgspec.Struct, frozen=True):
    token: str
    expires_at: str


class _ReportAnswer(msgspec.Struct):
    generation: int


class _Problem(msgspec.Struct):
    code: str = ""
    detail: str = ""
    title: str = ""


@dataclass(slots=True)
class BlobStream:
    """Bytes on their way, beginning at ``offset`` of the file."""

    offset: int
    chunks: Iterator[bytes] = field(repr=False)


def _problem(raw: bytes) -> _Problem:
    try:
        return msgspec.json.decode(raw, type=_Problem)
    except _MALFORMED:
        return _Problem()


def _retry_after(response: httpx.Response) -> float | None:
    try:
        return min(300.0, max(0.0, float(response.headers["retry-after"])))
    except (KeyError, ValueError):
        return None


def _raise_for(response: httpx.Response, body: bytes) -> None:
    """Sort an answer by what the caller should do about it."""
    status = response.status_code
    if status < 300:
        return
    problem = _problem(body)
    said = problem.detail or problem.title
    message = f"{response.request.method} {response.request.url.path}: {status} {said}"[:500]
    if status == 401:
        raise Unauthorized(message, status=status, code=problem.code)
    if status in RETRIED or status >= 500:
        raise TemporaryFailure(message, retry_after=_retry_after(response))
    raise PermanentFailure(message, status=status, code=problem.code)


class ControlPlane:
    """One client for all threads."""

    def __init__(
        self, url: str, *, token: str = "", seconds: float = 5.0, ca_file: Path | None = None
    ) -> None:
        self._base = httpx.URL(url.rstrip("/") + "/api/v1/")
        self._seconds = seconds
        self.token = token
        self.skew = Skew()
        verify: Any = str(ca_file) if ca_file else True
        # No proxies or .netrc from the environment: the token goes where the operator said.
        self._http = httpx.Client(
            timeout=httpx.Timeout(seconds, connect=min(2.0, seconds)),
            follow_redirects=False,
            trust_env=False,
            verify=verify,
        )

    def close(self) -> None:
        self._http.close()

    def enrol(self, body: dict[str, Any]) -> Enrolled:
        answer = self._json("POST", "agents/enrol", body, authorized=False)
        return _decode(answer, Enrolled)

    def renew(self) -> Renewed:
        return _decode(self._json("POST", "agents/self/renew", None), Renewed)

    def leave(self, *, seconds: float) -> None:
        self._call("POST", "agents/self/leave", seconds=seconds)

    def report(self, content: bytes) -> int:
        """Send a report; return the newest generation there is."""
        headers = {"content-type": "application/json"}
        _, body = self._call("PUT", "agents/self/report", content=content, headers=headers)
        return _decode(body, _ReportAnswer).generation

    def desired_state(self, etag: str | None) -> bytes | None:
        """Return the exact bytes of the newest document, or None when it is still ``etag``.

        Raises:
            Nack: OVERSIZED.
            PermanentFailure: with code ``no_desired_state`` when there is none yet.
        """
        headers = {"accept": "application/vnd.dsse.envelope+json"}
        if etag:
            headers["if-none-match"] = etag
        try:
            response, body = self._call(
                "GET", "agents/self/desired-state", headers=headers, limit=MAX_BYTES
            )
        except _TooLargeError as exc:
            raise Nack(Reason.OVERSIZED, str(exc)) from exc
        return None if response.status_code == 304 else body

    def upload_predictions(self, kind: PredictionKind, path: Path) -> None:
        content = path.read_bytes()
        headers = {
            "content-type": "application/vnd.apache.parquet",
            "x-content-sha256": hashlib.sha256(content).hexdigest(),
        }
        place = f"agents/self/predictions?kind={kind}"
        self._call("POST", place, content=content, headers=headers, deadline=UPLOAD_SECONDS)

    def _json(
        self, method: str, place: str, body: dict[str, Any] | None, *, authorized: bool = True
    ) -> bytes:
        content = msgspec.json.encode(body or {})
        headers = {"content-type": "application/json"}
        _, answer = self._call(
            method, place, content=content, headers=headers, authorized=authorized
        )
        return answer

    def _call(
        self,
        method: str,
        place: str,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        limit: int = ANSWER_BYTES,
        seconds: float | None = None,
        deadline: float | None = None,
        authorized: bool = True,
    ) -> tuple[httpx.Response, bytes]:
        sent = dict(headers or {})
        if authorized:
            sent["authorization"] = f"Bearer {self.token}"
        seconds = seconds or self._seconds
        request = self._http.build_request(
            method,
            self._base.join(place),
            content=content,
            headers=sent,
            timeout=httpx.Timeout(seconds, connect=min(2.0, seconds)),
        )
        latest, began = time.monotonic() + (deadline or seconds), time.time()
        with self._sent(request) as response:
            self.skew.note(response.headers.get("date"), sent=began, now=time.time())
            body = _read(response, limit=limit, deadline=latest)
            if response.status_code != 304:
                _raise_for(response, body)
            return response, body

    @contextmanager
    def blob(self, digest: str, *, offset: int, seconds: float) -> Iterator[BlobStream]:
        """Open a file's bytes, from ``offset`` if the other side can."""
        deadline = time.monotonic() + seconds
        with self._followed(self._base.join(f"blobs/sha256:{digest}"), offset) as response:
            if response.status_code not in (200, 206):
                _raise_for(response, _read(response, limit=ANSWER_BYTES, deadline=deadline))
                raise PermanentFailure(f"unexpected status {response.status_code}")
            # An encoded body would be bytes nobody named; only identity was asked for.
            chunks = _until(response.iter_raw(), deadline)
            yield BlobStream(offset if response.status_code == 206 else 0, chunks)

    @contextmanager
    def _followed(self, url: httpx.URL, offset: int) -> Iterator[httpx.Response]:
        for _ in range(REDIRECTS + 1):
            headers = {"accept-encoding": "identity"}
            if offset:
                headers["range"] = f"bytes={offset}-"
            if _origin(url) == _origin(self._base):
                headers["authorization"] = f"Bearer {self.token}"
            with self._sent(self._http.build_request("GET", url, headers=headers)) as response:
                if not response.is_redirect:
                    yield response
                    return
                url = url.join(response.headers["location"])
        raise PermanentFailure("too many redirects")

    @contextmanager
    def _sent(self, request: httpx.Request) -> Iterator[httpx.Response]:
        """Send, and turn every way the network can fail into one error."""
        try:
            response = self._http.send(request, stream=True)
            try:
                yield response
            finally:
                response.close()
        except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as exc:
            message = f"{request.method} {request.url.path}: {type(exc).__name__} {exc}"
            raise TemporaryFailure(message[:500]) from exc


class _TooLargeError(PermanentFailure):
    """More came than this call may read."""


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _until(chunks: Iterator[bytes], deadline: float) -> Iterator[bytes]:
    for chunk in chunks:
        if time.monotonic() > deadline:
            raise TemporaryFailure("the answer took too long")
        yield chunk


def _read(response: httpx.Response, *, limit: int, deadline: float) -> bytes:
    parts, total = [], 0
    for part in _until(response.iter_bytes(), deadline):
        total += len(part)
        if total > limit:
            raise _TooLargeError(f"more than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


def _decode(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except _MALFORMED as exc:
        raise TemporaryFailure(f"an answer that cannot be read: {exc}") from exc
