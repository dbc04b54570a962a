"""A sink takes each checkpoint once and for good; one that fails loses nothing."""

import resource
import shutil
import signal
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from governance.audit.models import Checkpoint, SealerReport
from governance.audit.sinks import Taken, open_sinks
from governance.errors import Unavailable
from tests.registry.store.conftest import s3_endpoint

__all__ = ["s3_endpoint"]


@pytest.fixture
def bucket_url(s3_endpoint):
    """A bucket that was made with object lock."""
    bucket = f"sealed-{uuid4().hex[:12]}"
    url = f"s3://{bucket}/log?endpoint={s3_endpoint}&region=us-east-1&days=30"
    (opened,) = open_sinks(url)
    opened.client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    return url


@pytest.fixture(params=["directory", "s3"])
def opened(request, sink):
    url = sink.as_uri() if request.param == "directory" else request.getfixturevalue("bucket_url")
    return open_sinks(url)[0]


def test_a_name_is_taken_once(opened):
    for size in (3, 20_000, 7, 10_001):
        opened.put(1, size, f"note {size}\n")
    opened.put(1, 7, "note 7\n")
    opened.put(2, 7, "another epoch\n")
    with pytest.raises(Taken):
        opened.put(1, 7, "another note\n")

    assert list(opened.sizes(1, after=-1)) == [3, 7, 10_001, 20_000]
    assert list(opened.sizes(1, after=7)) == [10_001, 20_000]
    assert list(opened.sizes(3, after=0)) == []
    assert [opened.read(epoch, 7) for epoch in (1, 2)] == ["note 7\n", "another epoch\n"]


def test_an_object_is_locked(bucket_url):
    (opened,) = open_sinks(bucket_url)
    opened.put(1, 3, "note\n")
    place = {"Bucket": opened._bucket, "Key": opened._key(1, 3)}
    found = opened.client.head_object(**place)
    assert found["ObjectLockMode"] == "COMPLIANCE"
    (version,) = opened.client.list_object_versions(Bucket=opened._bucket)["Versions"]
    with pytest.raises(ClientError, match="AccessDenied"):
        opened.client.delete_object(**place, VersionId=version["VersionId"])


@pytest.mark.parametrize(
    "url",
    ["ftp://there", "file://host/folder", "s3:///x", "s3://b?mode=none", "s3://b?days=many", "x"],
)
def test_what_is_no_sink_is_refused(url):
    with pytest.raises(ValueError, match="a sink's URL looks like"):
        open_sinks(url)


@pytest.mark.parametrize("url", ["file:///nowhere/at/all", "s3://b?endpoint=http://127.0.0.1:9"])
def test_a_sink_that_is_not_there_says_so(url, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    (opened,) = open_sinks(url)
    for call in (
        lambda: opened.put(1, 1, "note"),
        lambda: list(opened.sizes(1, after=0)),
        lambda: opened.read(1, 1),
    ):
        with pytest.raises(Unavailable) as refusal:
            call()
        assert refusal.value.code == "sink_unavailable"


@pytest.fixture
def full_disk():
    """No file may hold a byte, until it is let go."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def full(*, is_full):
        resource.setrlimit(resource.RLIMIT_FSIZE, (0 if is_full else before[0], before[1]))

    yield full
    full(is_full=False)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.django_db(transaction=True)
def test_while_the_only_sink_is_full_nothing_is_sealed_and_nothing_lost(
    sealer, log, write, kept, full_disk, sink
):
    write(2)
    sealer.round(log)
    write(3)
    full_disk(is_full=True)
    done = sealer.round(log)
    assert (done.sealed, done.waiting) == (0, 3)
    assert done.trouble == f"{sink.as_uri()}: The sink is full."
    assert Checkpoint.objects.count() == len(kept()) == 1
    assert [path.name for path in sink.rglob("*.new")] == []
    write(1)

    full_disk(is_full=False)
    done = sealer.round(log)
    assert (done.sealed, done.waiting, done.trouble) == (4, 0, "")
    assert list(Checkpoint.objects.values_list("size", flat=True)) == [2, 6]


@pytest.mark.django_db(transaction=True)
def test_a_second_sink_that_was_away_gets_everything_later_in_order(
    make_sealer, log, write, kept, tmp_path
):
    other = tmp_path / "other"
    sealer = make_sealer(other.as_uri())
    for _ in range(3):
        write(2)
        done = sealer.round(log)
        assert done.trouble == f"{other.as_uri()}: The sink does not work: no such folder."
    report = SealerReport.objects.get().said
    assert [each["size"] for each in report["sinks"]] == [6, 0]
    assert report["sinks"][1]["since"]
    assert Checkpoint.objects.count() == 3

    other.mkdir()
    assert sealer.round(log, seal=False).trouble == ""
    assert sorted(path.name for path in other.rglob("*.note")) == [
        name.rpartition("/")[2] for name in kept()
    ]
    shutil.rmtree(other)
    other.mkdir()
    write(1)
    assert make_sealer(other.as_uri()).round(log).trouble == ""
    assert len(list(other.rglob("*.note"))) == 4


@pytest.mark.django_db(transaction=True)
def test_checkpoints_go_to_s3_as_well(make_sealer, log, write, bucket_url):
    sealer = make_sealer(bucket_url)
    write(2)
    assert sealer.round(log).trouble == ""
    assert sealer.sinks[1].read(1, 2) == Checkpoint.objects.get().note
