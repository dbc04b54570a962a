"""Uploads: whole, right and once, or not at all."""

import hashlib
import http.client
import io
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connections
from rest_framework.test import APIClient

from governance import config
from registry.adapters import store
from registry.api import uploads
from registry.models import Blob
from registry.services import blobs

pytestmark = pytest.mark.django_db

BYTES = b"bytes of a model " * 1000


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def submitter(api, asha) -> APIClient:
    return api(asha)


@pytest.fixture
def put(submitter) -> Callable[..., object]:
    def put(data: bytes, *, name: str | None = None, **extra: object) -> object:
        return submitter.put(
            f"/api/v1/blobs/{name or 'sha256:' + digest(data)}",
            data,
            content_type="application/octet-stream",
            **extra,
        )

    return put


@pytest.fixture
def stored() -> Callable[[], set[Path]]:
    """List every file of the store, also what is on its way in."""
    root = Path(urlsplit(config.load().store_url).path)
    return lambda: {path for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def small_limit(monkeypatch) -> Iterator[int]:
    monkeypatch.setenv("UPLOAD_LIMIT", "5000")
    config.load.cache_clear()
    yield 5000
    monkeypatch.undo()
    config.load.cache_clear()


def code(response) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def test_bytes_are_kept_once(put, submitter):
    data = BYTES + b"kept once"

    first, second = put(data), put(data)

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == {"sha256": digest(data), "size": len(data)}
    with blobs.open_blob(digest(data)) as reader:
        assert b"".join(reader) == data
    found = submitter.head(f"/api/v1/blobs/sha256:{digest(data)}")
    assert (found.status_code, found["Content-Length"]) == (200, str(len(data)))
    assert Blob.objects.get(pk=digest(data)).created_by == "asha"


def test_bytes_that_are_not_there_are_not_found(submitter):
    response = submitter.head(f"/api/v1/blobs/sha256:{'0' * 64}")
    assert response.status_code == 404


@pytest.mark.parametrize("again", [False, True])
def test_other_bytes_than_their_name_are_refused(put, stored, again):
    data = BYTES + b"mismatch"
    if again:
        put(data)
    before = stored(), Blob.objects.count()

    response = put(data[:-1] + b"x", name=f"sha256:{digest(data)}")

    assert code(response) == (400, "digest_mismatch")
    assert (stored(), Blob.objects.count()) == before


@pytest.mark.parametrize(
    "name",
    [
        "0" * 64,
        "sha256:" + "0" * 63,
        "sha256:" + "A" * 64,
        "sha256:sha256:" + "0" * 64,
        "md5:" + "0" * 32,
        "sha256:%3Cscript%3E",
        "sha256:" + "0" * 62 + "..",
        "sha256:" + "0" * 64 + "%0a",
    ],
)
def test_a_name_that_is_no_digest_is_refused(put, name):
    assert code(put(BYTES, name=name)) == (400, "bad_digest")


def test_a_name_with_nul_is_refused(put):
    assert put(BYTES, name="sha256:%00").status_code == 400


def test_an_empty_upload_is_refused(put, stored):
    before = stored()
    assert code(put(b"", CONTENT_LENGTH="0")) == (400, "empty")
    assert stored() == before


def test_a_truncated_upload_is_refused(put, stored):
    before = stored()
    data = BYTES + b"truncated"
    response = put(data[:-9], name=f"sha256:{digest(data)}", CONTENT_LENGTH=str(len(data)))
    assert code(response) == (400, "truncated")
    assert stored() == before
    assert not Blob.objects.filter(pk=digest(data)).exists()


def test_bytes_beyond_the_announced_length_do_not_count(put):
    data = BYTES + b"announced"
    response = put(data + b"more", name=f"sha256:{digest(data)}", CONTENT_LENGTH=str(len(data)))
    assert response.status_code == 201


@pytest.mark.parametrize("length", ["-1", "x", "1" * 30, "٣", "1.5"])
def test_a_length_that_is_no_number_is_refused(put, length):
    assert put(BYTES, CONTENT_LENGTH=length).status_code == 400


def test_an_upload_over_the_limit_is_refused(put, stored, small_limit):
    before = stored()
    assert code(put(bytes(small_limit + 1))) == (413, "too_large")
    assert put(b"x" * small_limit).status_code == 201
    assert len(stored() - before) == 1


def test_an_upload_over_the_limit_without_a_length_is_refused(put, stored, small_limit):
    before = stored()
    data = bytes(small_limit + 1)
    body = {"wsgi.input": io.BytesIO(data), "wsgi.input_terminated": True}
    response = put(data, CONTENT_LENGTH="", **body)
    assert code(response) == (413, "too_large")
    assert stored() == before


def test_an_upload_in_chunks_is_taken_where_its_end_is_marked(put):
    data = BYTES + b"chunked"
    body = {"wsgi.input": io.BytesIO(data), "wsgi.input_terminated": True}
    assert put(data, CONTENT_LENGTH="", **body).status_code == 201


def test_an_upload_without_a_length_is_refused_elsewhere(put):
    assert code(put(BYTES, CONTENT_LENGTH="")) == (400, "length_required")


class Broken(io.RawIOBase):
    """A connection that breaks while it is read."""

    def __init__(self) -> None:
        self.reads = 0

    def readable(self) -> bool:
        return True

    def read(self, _size: int = -1) -> bytes:
        self.reads += 1
        if self.reads > 2:
            message = "connection reset by peer"
            raise ConnectionResetError(message)
        return b"x" * 1000


def test_a_broken_connection_leaves_nothing(put, stored):
    before = stored()
    body = {"wsgi.input": Broken(), "wsgi.input_terminated": True}
    assert code(put(BYTES, CONTENT_LENGTH="", **body)) == (400, "truncated")
    assert stored() == before


def test_more_uploads_than_there_are_places_are_told_to_wait(put, stored):
    before = stored()
    with ExitStack() as taken:
        for _ in range(uploads.MOST_AT_ONCE):
            taken.enter_context(uploads.place())
        response = put(BYTES + b"busy")

    assert code(response) == (503, "busy")
    assert response["Retry-After"]
    assert stored() == before
    assert put(BYTES + b"busy").status_code == 201


def test_who_submits_nothing_uploads_nothing(api, vera, stored):
    before = stored()
    response = api(vera).put(
        f"/api/v1/blobs/sha256:{digest(BYTES)}", BYTES, content_type="application/octet-stream"
    )
    assert code(response) == (403, "forbidden")
    assert stored() == before


def test_nobody_uploads_nothing(api):
    response = api().put(f"/api/v1/blobs/sha256:{digest(BYTES)}", BYTES, content_type="x/y")
    assert code(response) == (401, "unauthenticated")


def test_a_submitter_of_one_group_uploads_too(api, make_person):
    actor = make_person("gus", "submitter", group="fraud").actor
    data = BYTES + b"group"
    response = api(actor).put(
        f"/api/v1/blobs/sha256:{digest(data)}", data, content_type="application/octet-stream"
    )
    assert response.status_code == 201


def test_a_row_without_bytes_is_healed_by_uploading_again(put, stored):
    data = BYTES + b"lost"
    put(data)
    (path,) = [path for path in stored() if path.name == digest(data)]
    path.unlink()

    assert put(data).status_code == 200
    assert store.default().exists(digest(data))


@pytest.mark.django_db(transaction=True)
def test_parallel_uploads_of_the_same_bytes_are_one_blob(asha, stored):
    data = BYTES + b"parallel"
    before = stored()
    together = threading.Barrier(8)

    def upload(_: int) -> bool:
        def chunks() -> Iterator[bytes]:
            yield data[:5]
            together.wait(timeout=20)
            yield data[5:]

        try:
            return blobs.receive(sha256=digest(data), chunks=chunks(), actor=asha).is_new
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(upload, range(8)))

    assert sorted(new) == [False] * 7 + [True]
    assert Blob.objects.filter(pk=digest(data)).count() == 1
    assert len(stored() - before) == 1


@pytest.mark.django_db(transaction=True)
class TestOverTheNetwork:
    """By a real server and socket: what a test client cannot do."""

    @pytest.fixture
    def connect(self, live_server, bearer, asha) -> Callable[[], http.client.HTTPConnection]:
        self.token = bearer(asha)
        return lambda: http.client.HTTPConnection(
            live_server.thread.host, live_server.thread.port, timeout=10
        )

    def headers(self, length: int) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Length": str(length)}

    def test_megabytes_go_through(self, connect):
        data = bytes(range(256)) * 20_000
        with closing(connect()) as link:
            path = f"/api/v1/blobs/sha256:{digest(data)}"
            link.request("PUT", path, data, self.headers(len(data)))
            assert link.getresponse().status == 201

    def test_a_sender_who_hangs_up_leaves_nothing(self, connect, stored):
        before = stored()
        data = bytes(300_000)
        with closing(connect()) as link:
            link.putrequest("PUT", f"/api/v1/blobs/sha256:{digest(data)}")
            for name, value in self.headers(len(data)).items():
                link.putheader(name, value)
            link.endheaders()
            link.send(data[:200_000])
            link.sock.shutdown(socket.SHUT_WR)
            assert link.getresponse().status == 400

        assert stored() == before
