"""What every store promises. Each test runs on a folder and on S3."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from governance.errors import Invalid, NotFound
from registry.adapters.store import Store

BYTES = b"\x00\x01 some bytes \xff" * 1000
DIGEST = hashlib.sha256(BYTES).hexdigest()


def put(store: Store, data: bytes, *, sha256: str | None = None) -> bool:
    with store.open_write() as upload:
        for start in range(0, len(data), 1000):
            upload.write(data[start : start + 1000])
        return upload.commit(sha256=sha256 or hashlib.sha256(data).hexdigest(), size=len(data))


def read(store: Store, sha256: str) -> bytes:
    with store.open_read(sha256) as reader:
        return b"".join(reader)


def test_what_was_put_is_what_is_read(store):
    assert put(store, BYTES) is True
    assert read(store, DIGEST) == BYTES
    assert store.size(DIGEST) == len(BYTES)
    assert store.exists(DIGEST)


def test_several_pieces_come_back_whole(store):
    data = bytes(range(256)) * 4096  # 1 MiB: four pieces
    put(store, data)

    with store.open_read(hashlib.sha256(data).hexdigest()) as reader:
        pieces = list(reader)

    assert len(pieces) > 1
    assert b"".join(pieces) == data


def test_the_same_bytes_again_are_found_there(store):
    assert put(store, BYTES) is True
    assert put(store, BYTES) is False
    assert read(store, DIGEST) == BYTES


@pytest.mark.parametrize("said", ["0" * 64, hashlib.sha256(b"other").hexdigest()])
def test_other_bytes_than_said_are_not_kept(store, said):
    with pytest.raises(Invalid) as refusal:
        put(store, BYTES, sha256=said)

    assert refusal.value.code == "digest_mismatch"
    assert not store.exists(said)
    assert not store.exists(DIGEST)


def test_another_size_than_said_is_not_kept(store):
    with store.open_write() as upload:
        upload.write(BYTES)
        with pytest.raises(Invalid):
            upload.commit(sha256=DIGEST, size=len(BYTES) + 1)

    assert not store.exists(DIGEST)


def test_an_upload_that_is_not_committed_leaves_nothing(store):
    with store.open_write() as upload:
        upload.write(BYTES)

    assert not store.exists(DIGEST)


def test_what_is_not_there_cannot_be_read(store):
    with pytest.raises(NotFound) as refusal:
        store.open_read("0" * 64)

    assert refusal.value.code == "no_such_blob"
    assert store.size("0" * 64) is None
    assert not store.exists("0" * 64)


def test_preparing_again_changes_nothing(store):
    put(store, BYTES)
    store.prepare()
    assert read(store, DIGEST) == BYTES


def test_parallel_uploads_of_one_digest_keep_it_once(store):
    together = threading.Barrier(8)

    def upload(_: int) -> bool:
        with store.open_write() as upload:
            upload.write(BYTES)
            together.wait(timeout=20)
            return upload.commit(sha256=DIGEST)

    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(upload, range(8)))

    assert sorted(kept) == [False] * 7 + [True]
    assert read(store, DIGEST) == BYTES
