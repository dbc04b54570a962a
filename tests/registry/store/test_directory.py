"""What only the store in a folder can get wrong."""

import errno
import hashlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from governance.errors import Unavailable
from registry.adapters.store import Store, open_store

BYTES = b"bytes of a model" * 64
DIGEST = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "store").as_uri())


def put(store: Store, data: bytes = BYTES) -> bool:
    with store.open_write() as upload:
        upload.write(data)
        return upload.commit(sha256=hashlib.sha256(data).hexdigest())


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_bytes_lie_two_folders_deep_and_read_only(store, tmp_path):
    put(store)

    (file,) = files(tmp_path)
    assert file == tmp_path / "store" / "sha256" / DIGEST[:2] / DIGEST[2:4] / DIGEST
    assert file.stat().st_mode & 0o222 == 0


def test_a_flipped_byte_is_noticed_before_the_last_piece(store):
    data = bytes(1024 * 1024)
    put(store, data)
    digest = hashlib.sha256(data).hexdigest()
    path = store.path(digest)
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(17)
        file.write(b"\x01")

    received: list[bytes] = []
    with store.open_read(digest) as reader, pytest.raises(Unavailable) as refusal:
        received.extend(reader)

    assert refusal.value.code == "blob_damaged"
    assert len(b"".join(received)) < len(data)


def test_a_file_cut_short_is_not_taken_for_the_bytes(store):
    put(store)
    path = store.path(DIGEST)
    path.chmod(0o644)
    os.truncate(path, 10)

    with pytest.raises(Unavailable) as refusal:
        put(store)

    assert refusal.value.code == "blob_damaged"


def test_a_full_disk_is_said_and_leaves_nothing(store, tmp_path):
    store.prepare()
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.SIGXFSZ
    handler = signal.signal(ignored, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(Unavailable) as refusal:
            put(store, bytes(200_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(ignored, handler)

    assert refusal.value.code == "store_full"
    assert refusal.value.__cause__.errno == errno.EFBIG
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "taken").write_text("a file")
    store = open_store((tmp_path / "taken").as_uri())

    with pytest.raises(Unavailable) as refusal:
        store.open_write()

    assert refusal.value.code == "store_unavailable"


def test_what_a_killed_upload_left_is_removed_later(store, tmp_path):
    script = (
        "import os, signal, sys; from registry.adapters.store import open_store;"
        "upload = open_store(sys.argv[1]).open_write(); upload.write(b'x' * 1_000_000);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    url = (tmp_path / "store").as_uri()
    subprocess.run([sys.executable, "-c", script, url], check=False)
    (left,) = files(tmp_path)

    with store.open_write():
        assert left.exists()  # Too young: its writer may be about to lock it.
    os.utime(left, (0, 0))
    with store.open_write():
        pass

    assert files(tmp_path) == []


def test_an_upload_under_way_is_left_alone_however_slow(store, tmp_path):
    with store.open_write() as slow:
        slow.write(BYTES)
        (file,) = files(tmp_path)
        os.utime(file, (0, 0))
        with store.open_write():
            pass
        assert slow.commit(sha256=DIGEST) is True
