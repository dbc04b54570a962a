"""``copy_blobs``: what a backup takes away and brings back, between folders and S3."""

import hashlib
import io
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from registry.adapters.store import open_store
from registry.models import Blob

pytestmark = pytest.mark.django_db
TEXTS = (b"a manifest", b"a model " * 200_000, b"golden transactions")
DIGESTS = tuple(hashlib.sha256(text).hexdigest() for text in TEXTS)


@pytest.fixture
def elsewhere(s3_endpoint):
    """A second bucket."""
    return f"s3://bucket-{uuid4().hex[:12]}/backup?endpoint={s3_endpoint}&region=eu-west-1"


@pytest.fixture
def folder(tmp_path):
    return (tmp_path / "a store").as_uri()


def fill(url):
    """Put all artifacts there, and name them in the database."""
    store = open_store(url)
    store.prepare()
    for text, sha256 in zip(TEXTS, DIGESTS, strict=True):
        with store.open_write() as upload:
            upload.write(text)
            upload.commit(sha256=sha256)
        Blob.objects.create(sha256=sha256, size=len(text), created_by="tests")


def copy(source, destination):
    said = StringIO()
    call_command("copy_blobs", source, destination, stdout=said)
    return said.getvalue()


def held(url):
    store, found = open_store(url), []
    for sha256 in DIGESTS:
        with store.open_read(sha256) as pieces:
            found.append(b"".join(pieces))
    return tuple(found)


def of_both(request, *names):
    return [request.getfixturevalue(name) for name in names]


@pytest.mark.parametrize(
    "ways", [("folder", "s3_url"), ("s3_url", "folder"), ("s3_url", "elsewhere")]
)
def test_all_arrive_and_a_second_copy_brings_nothing_new(request, ways):
    source, destination = of_both(request, *ways)
    fill(source)
    total = f"{sum(map(len, TEXTS)):,}"

    assert copy(source, destination) == f"3 artifacts copied ({total} bytes), 0 were there.\n"
    assert held(destination) == TEXTS
    assert copy(source, destination) == "0 artifacts copied (0 bytes), 3 were there.\n"


def test_what_is_damaged_in_the_bucket_is_named_and_stops_no_other(s3_url, folder):
    fill(s3_url)
    store = open_store(s3_url)
    wrong = io.BytesIO(b"A" + TEXTS[1][1:])
    store.client.put_object(Bucket=store.bucket, Key=store.key(DIGESTS[1]), Body=wrong)

    with pytest.raises(CommandError, match="1 artifacts are not there") as error:
        copy(s3_url, folder)

    assert DIGESTS[1] in str(error.value)
    arrived = open_store(folder)
    assert [arrived.size(sha256) for sha256 in DIGESTS] == [len(TEXTS[0]), None, len(TEXTS[2])]


def test_what_the_bucket_lost_is_named(s3_url, elsewhere):
    fill(s3_url)
    store = open_store(s3_url)
    store.client.delete_object(Bucket=store.bucket, Key=store.key(DIGESTS[0]))

    with pytest.raises(CommandError, match=DIGESTS[0]):
        copy(s3_url, elsewhere)


def test_a_destination_that_is_down_copies_nothing_and_says_so(folder):
    fill(folder)
    down = "s3://bucket/backup?endpoint=http://127.0.0.1:9&region=eu-west-1"

    with pytest.raises(Exception, match="store") as error:
        copy(folder, down)

    assert getattr(error.value, "code", "store_unavailable") == "store_unavailable"
