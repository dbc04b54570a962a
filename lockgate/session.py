"""One connection to the service: the token, problems as errors, and trying again.

Whatever is sent can be sent again: GET and PUT by their nature, POST by a fresh
``Idempotency-Key`` that all attempts of one call share. So an answer that was
lost on the way never makes anything happen twice. A DELETE sent again may find that
there is nothing left to take away.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

from lockgate.errors import ApiError, Unreachable

ATTEMPTS = 3
PAUSE_SECONDS = 0.5
_LONGEST_PAUSE = 5.0
_AGAIN = frozenset({429, 502, 503, 504})


class Session:
    """Requests below ``{url}/api/v1/``. Not for several threads at once."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            message = f"{url!r} is no address of a service: it begins with https:// or http://"
            raise Unreachable(message)
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1/",
            headers={"Authorization": f"Bearer {token}", "User-Agent": "lockgate"},
            timeout=httpx.Timeout(timeout, connect=5.0),
            follow_redirects=False,  # The token is for this service and for no other.
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **query: str | int | None) -> dict[str, Any]:
        """Read a document."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._document(self.send("GET", path, params=given))

    def post(self, path: str, document: Mapping[str, Any] | bytes, **query: str) -> dict[str, Any]:
        """Send a document, once, however often it has to be sent."""
        headers = {"Idempotency-Key": str(uuid4()), "Content-Type": "application/json"}
        body = document if isinstance(document, bytes) else _json(document)
        answer = self.send("POST", path, params=query, headers=headers, content=body)
        return self._document(answer)

    def put(self, path: str, document: Mapping[str, Any], **query: str) -> dict[str, Any]:
        """Make something be like this."""
        headers = {"Content-Type": "application/json"}
        body = _json(document)
        return self._document(self.send("PUT", path, params=query, headers=headers, content=body))

    def delete(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Take something away, and say why."""
        headers = {"Content-Type": "application/json"}
        return self._document(self.send("DELETE", path, headers=headers, content=_json(document)))

    def send(
        self,
        method: str,
        path: str,
        *,
        stream: Callable[[], Iterator[bytes]] | None = None,
        accept: frozenset[int] = frozenset(),
        **options: Any,
    ) -> httpx.Response:
        """Send a request until it is answered.

        Args:
            stream: makes the body anew for each attempt.
            accept: statuses that are an answer here though they are errors elsewhere.

        Raises:
            ApiError: the service said no.
            Unreachable: it did not answer, though asked several times.
        """
        lost = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE_SECONDS * attempt)
            try:
                if stream is not None:
                    options["content"] = stream()
                response = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                lost = (
                    f"{self._http.base_url.host} does not answer: {error or type(error).__name__}"
                )
                continue
            if response.status_code in _AGAIN and attempt < ATTEMPTS - 1:
                time.sleep(_pause(response))
                continue
            if response.is_success or response.status_code in accept:
                return response
            raise _error(response)
        raise Unreachable(lost)

    def _document(self, response: httpx.Response) -> dict[str, Any]:
        try:
            document = response.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            message = f"{response.url.host} does not answer as Lockgate does."
            raise Unreachable(message)
        return document


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(document), allow_nan=False).encode()


def _pause(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return min(float(text), _LONGEST_PAUSE) if text.isdigit() else 0.0


def _error(response: httpx.Response) -> ApiError | Unreachable:
    try:
        problem = response.json()
        return ApiError(
            response.status_code,
            str(problem["code"]),
            str(problem["detail"]),
            context=problem,
        )
    except (ValueError, KeyError, TypeError):
        status = f"{response.status_code} {response.reason_phrase}"
        return Unreachable(f"{response.url.host} answered {status}, not as Lockgate does.")
