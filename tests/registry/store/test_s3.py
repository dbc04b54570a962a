"""What only the store on S3 can get wrong."""

import hashlib
import io
from pathlib import Path

import pytest

from governance.errors import NotFound, Unavailable
from registry.adapters.store.s3 import S3Store
from registry.adapters.store.urls import open_store

MEGABYTE = 1024 * 1024
BYTES = bytes(range(256)) * (12 * MEGABYTE // 256)
DIGEST = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture
def store(s3_url: str) -> S3Store:
    store = open_store(s3_url)
    assert isinstance(store, S3Store)
    store.prepare()
    return store


def put(store: S3Store, data: bytes) -> bool:
    with store.open_write() as upload:
        upload.write(data)
        return upload.commit(sha256=hashlib.sha256(data).hexdigest())


def test_the_bucket_is_versioned(store):
    assert store.client.get_bucket_versioning(Bucket=store.bucket)["Status"] == "Enabled"


def test_large_bytes_go_up_in_parts(store):
    store.part_size = 5 * MEGABYTE

    assert put(store, BYTES) is True

    head = store.client.head_object(Bucket=store.bucket, Key=store.key(DIGEST))
    assert head["ETag"].strip('"').endswith("-3")
    with store.open_read(DIGEST) as reader:
        assert b"".join(reader) == BYTES


def test_parts_never_replace_what_came_meanwhile(store):
    store.part_size = 5 * MEGABYTE
    with store.open_write() as late:
        late.write(BYTES)
        # The look before the upload saw nothing: the race is lost at completion.
        late_put = late._put
        assert put(store, BYTES) is True
        assert late_put(DIGEST) is False

    assert not store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads")
    versions = store.client.list_object_versions(Bucket=store.bucket)["Versions"]
    assert len(versions) == 1


def test_bytes_damaged_in_the_bucket_are_noticed(store):
    damaged = io.BytesIO(b"\x01" + BYTES[1:])
    store.client.put_object(Bucket=store.bucket, Key=store.key(DIGEST), Body=damaged)

    received: list[bytes] = []
    with store.open_read(DIGEST) as reader, pytest.raises(Unavailable) as refusal:
        received.extend(reader)

    assert refusal.value.code == "blob_damaged"
    assert len(b"".join(received)) < len(BYTES)


def test_something_else_under_the_name_is_not_taken_for_the_bytes(store):
    store.client.put_object(Bucket=store.bucket, Key=store.key(DIGEST), Body=b"short")

    with pytest.raises(Unavailable) as refusal:
        put(store, BYTES)

    assert refusal.value.code == "blob_damaged"


def test_a_server_that_is_down_is_said(s3_endpoint):
    store = S3Store(bucket="bucket", endpoint="http://127.0.0.1:9", region="eu-west-1")

    for attempt in (lambda: store.size(DIGEST), lambda: store.open_read(DIGEST), store.prepare):
        with pytest.raises(Unavailable) as refusal:
            attempt()
        assert refusal.value.code == "store_unavailable"


def test_a_bucket_that_is_not_there_is_said_not_made(s3_endpoint):
    store = S3Store(bucket="no-such-bucket", endpoint=s3_endpoint, region="eu-west-1")

    with pytest.raises(Unavailable):
        put(store, b"bytes")
    with pytest.raises((NotFound, Unavailable)):
        store.open_read(DIGEST)


@pytest.mark.parametrize(
    "url",
    [
        "http://bucket/prefix",
        "s3:///prefix",
        "s3://bucket/prefix?secret=x",
        "file://elsewhere/folder",
        "file:///folder?x=1",
        "folder",
        "",
    ],
)
def test_a_url_that_names_no_store_is_refused(url):
    with pytest.raises(ValueError, match="looks like"):
        open_store(url)


def test_a_folder_with_spaces_is_opened(tmp_path: Path):
    folder = tmp_path / "ä folder"
    open_store(folder.as_uri()).prepare()
    assert folder.is_dir()
