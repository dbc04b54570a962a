"""Uploads through the web server of production, by raw sockets: whole, or not at all."""

import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection

from governance import config
from registry.adapters import store

pytestmark = pytest.mark.django_db(transaction=True)

DATA = bytes(range(256)) * 4_000
DIGEST = hashlib.sha256(DATA).hexdigest()
LIMIT = 2_000_000


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def port(transactional_db, tmp_path) -> Iterator[int]:
    """A gunicorn as the supervisor starts it, on the database of the tests."""
    url = urlsplit(os.environ["DATABASE_URL"])
    name = str(connection.settings_dict["NAME"])
    environ = {
        **os.environ,
        "DATABASE_URL": urlunsplit(url._replace(path=f"/{name}")),
        "UPLOAD_LIMIT": str(LIMIT),
        "DJANGO_SETTINGS_MODULE": "governance.settings",
    }
    port = free_port()
    command = [
        sys.executable, "-m", "gunicorn", "governance.wsgi", "--bind", f"127.0.0.1:{port}",
        "--worker-class", "gthread", "--threads", "4", "--no-control-socket",
    ]  # fmt: skip
    with (tmp_path / "gunicorn.log").open("wb") as log:
        server = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:
        _wait_for(port, server)
        yield port
        assert server.poll() is None
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("gunicorn did not come up")


@pytest.fixture
def send(port, bearer, asha) -> Callable[..., bytes]:
    """Send bytes as they are, close our side, and return what comes back."""
    token = bearer(asha)

    def send(headers: str, body: bytes, *, digest: str = DIGEST) -> bytes:
        head = (
            f"PUT /api/v1/blobs/sha256:{digest} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {token}\r\nConnection: close\r\n{headers}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
            link.sendall(head.encode())
            try:
                link.sendall(body)
                link.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # Refused before all of it was read.
            answer = b""
            try:
                while piece := link.recv(65536):
                    answer += piece
            except ConnectionResetError:
                pass
            return answer

    return send


@pytest.fixture
def stored() -> Callable[[], set[Path]]:
    root = Path(urlsplit(config.load().store_url).path)
    return lambda: {path for path in root.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def _as_before(stored) -> Iterator[None]:
    """Forget the blob again: the store outlives a test, the table does not."""
    yield
    for path in stored():
        if path.name in {DIGEST, hashlib.sha256(DATA + b"!").hexdigest()}:
            path.unlink()


def chunked(data: bytes, *, end: bytes = b"0\r\n\r\n") -> bytes:
    pieces = [data[start : start + 70_000] for start in range(0, len(data), 70_000)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end


CHUNKED = "Transfer-Encoding: chunked"


def test_uploads_with_a_length_and_in_chunks_are_the_same(send):
    assert send(f"Content-Length: {len(DATA)}", DATA).startswith(b"HTTP/1.1 201")
    assert send(CHUNKED, chunked(DATA)).startswith(b"HTTP/1.1 200")
    assert store.default().size(DIGEST) == len(DATA)


BROKEN = [
    (f"Content-Length: {len(DATA)}", DATA[:-1]),
    (f"Content-Length: {len(DATA)}", b""),
    (CHUNKED, chunked(DATA, end=b"")),
    (CHUNKED, chunked(DATA[:-9])),
    (CHUNKED, b"nonsense\r\n"),
    (CHUNKED, b"10\r\nshort"),
    (CHUNKED, b"-1\r\nx\r\n0\r\n\r\n"),
    ("Content-Length: 0", b""),
    ("Content-Length: -5", DATA),
    ("Content-Length: 5\r\nContent-Length: 6", DATA),
    (f"Content-Length: 5\r\n{CHUNKED}", chunked(DATA)),
    ("X-Nothing: 1", b""),
    ("Content-Length: 10", DATA),
]


def test_half_an_upload_is_none_and_the_next_one_is_served(send, stored):
    before = stored()
    for headers, body in BROKEN:
        status = send(headers, body).split(b" ", 2)[1:2]
        # Either a refusal, or the server hung up on what is no HTTP.
        assert status in ([b"400"], []), (headers, body[:40])
        assert stored() == before, (headers, body[:40])
    assert send(f"Content-Length: {len(DATA)}", DATA).startswith(b"HTTP/1.1 201")


def test_an_upload_over_the_limit_is_refused_in_either_form(send, stored):
    before, data = stored(), bytes(LIMIT + 1)
    digest = hashlib.sha256(data).hexdigest()
    for headers, body in ((f"Content-Length: {len(data)}", data), (CHUNKED, chunked(data))):
        answer = send(headers, body, digest=digest)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 413")
    assert stored() == before


@pytest.mark.parametrize("path", ["/api/v1/blobs/sha256:" + "0" * 64, "/accounts/sign-in/"])
def test_head_is_answered_without_a_body_and_without_a_warning(port, bearer, asha, tmp_path, path):
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as link:
        for method in ("GET", "HEAD"):
            link.request(method, path, headers={"Authorization": f"Bearer {bearer(asha)}"})
            answer = link.getresponse()
            body, length = answer.read(), int(answer.headers["Content-Length"])
            assert length == len(body) or (method == "HEAD" and body == b"" and length > 0)
    assert "no-body" not in (tmp_path / "gunicorn.log").read_text()
