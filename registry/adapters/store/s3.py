"""Bytes in an S3 bucket: ``prefix/sha256/ab/cd/abcd...``.

Uploads are spooled to an unnamed file first, so that nothing reaches the bucket
before its digest is right. Every object is written with ``If-None-Match: *``.
Credentials come the way boto3 finds them: environment, profile, or role.
"""

import base64
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from urllib3.exceptions import HTTPError

from governance.errors import NotFound, Unavailable
from registry.adapters.store import disk
from registry.adapters.store.interface import Reader, Source, Upload, damaged

PART = 16 * 1024 * 1024
"""Bytes of one part, all that an upload ever holds in memory. 10,000 parts make 160 GB."""

_CONFIG = Config(
    signature_version="s3v4",
    connect_timeout=3,
    read_timeout=20,
    retries={"mode": "standard", "max_attempts": 3},
    max_pool_connections=16,
    # Whole objects and parts carry a SHA-256; stores other than AWS refuse the default trailers.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
_MISSING = {"404", "NoSuchKey", "NotFound"}
_TAKEN = "PreconditionFailed"
_MEANWHILE = "ConditionalRequestConflict"
_ATTEMPTS = 3


class S3Store:
    """A store in one bucket. Any number of processes may use it at once."""

    def __init__(
        self,
        *,
        bucket: str,
        prefix: str = "",
        endpoint: str | None = None,
        region: str | None = None,
        part_size: int = PART,
    ) -> None:
        addressing = {"addressing_style": "path"} if endpoint else {}
        self.client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint,
            region_name=region,
            config=_CONFIG.merge(Config(s3=addressing)),
        )
        self.bucket = bucket
        self.part_size = part_size
        self._prefix = f"{prefix}/" if prefix else ""

    def prepare(self) -> None:
        with _translated():
            if not self._has_bucket():
                self.client.create_bucket(Bucket=self.bucket, **self._location())
            self.client.put_bucket_versioning(
                Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"}
            )

    def open_write(self) -> Upload:
        with disk.errors_translated():
            return _S3Upload(self)

    def open_read(self, sha256: str) -> Reader:
        with _translated():
            answer = self.client.get_object(Bucket=self.bucket, Key=self.key(sha256))
        return Reader(_Body(answer["Body"]), sha256=sha256, size=answer["ContentLength"])

    def size(self, sha256: str) -> int | None:
        try:
            with _translated():
                answer = self.client.head_object(Bucket=self.bucket, Key=self.key(sha256))
        except NotFound:
            return None
        return int(answer["ContentLength"])

    def exists(self, sha256: str) -> bool:
        return self.size(sha256) is not None

    def key(self, sha256: str) -> str:
        """Name the object of a digest."""
        return f"{self._prefix}sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"

    def _has_bucket(self) -> bool:
        try:
            self.client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            if _code(error) in _MISSING | {"NoSuchBucket"}:
                return False
            raise
        return True

    def _location(self) -> dict[str, Any]:
        region = self.client.meta.region_name
        if region in {None, "us-east-1", "aws-global"}:
            return {}
        return {"CreateBucketConfiguration": {"LocationConstraint": region}}


class _S3Upload(Upload):
    def __init__(self, store: S3Store) -> None:
        super().__init__()
        self._store = store
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - the upload is the context

    def _spool(self, chunk: bytes) -> None:
        with disk.errors_translated():
            self._file.write(chunk)

    def _keep(self, sha256: str) -> bool:
        there = self._store.size(sha256)
        if there is None:
            return self._put(sha256)
        if there != self.size:
            raise damaged(sha256)
        return False

    def _put(self, sha256: str) -> bool:
        target = {"Bucket": self._store.bucket, "Key": self._store.key(sha256)}
        send = self._put_whole if self.size <= self._store.part_size else self._put_parts
        for attempt in range(_ATTEMPTS):
            self._file.seek(0)
            try:
                with _translated():
                    send(target)
            except ClientError as error:
                if _code(error) == _TAKEN:
                    return False
                if attempt == _ATTEMPTS - 1:
                    raise _unavailable(error) from error
            else:
                return True
        raise AssertionError  # pragma: no cover - the loop above returns or raises

    def _put_whole(self, target: dict[str, str]) -> None:
        checksum = base64.b64encode(self._hash.digest()).decode()
        self._store.client.put_object(
            **target, Body=self._file, IfNoneMatch="*", ChecksumSHA256=checksum
        )

    def _put_parts(self, target: dict[str, str]) -> None:
        client = self._store.client
        begun = client.create_multipart_upload(**target, ChecksumAlgorithm="SHA256")
        upload = {**target, "UploadId": begun["UploadId"]}
        try:
            parts = [self._put_part(upload, number, chunk) for number, chunk in self._parts()]
            client.complete_multipart_upload(
                **upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
            )
        except BaseException:
            with suppress(BotoCoreError, ClientError):
                client.abort_multipart_upload(**upload)
            raise

    def _parts(self) -> Iterator[tuple[int, bytes]]:
        number = 1
        while chunk := self._file.read(self._store.part_size):
            yield number, chunk
            number += 1

    def _put_part(self, upload: dict[str, str], number: int, chunk: bytes) -> dict[str, Any]:
        checksum = base64.b64encode(hashlib.sha256(chunk).digest()).decode()
        answer = self._store.client.upload_part(
            **upload, PartNumber=number, Body=chunk, ChecksumSHA256=checksum
        )
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}

    def _discard(self) -> None:
        with suppress(OSError):
            self._file.close()


class _Body:
    """The body of a response, with errors our callers know."""

    def __init__(self, body: Source) -> None:
        self._body = body

    def read(self, size: int, /) -> bytes:
        with _translated():
            return self._body.read(size)

    def close(self) -> None:
        self._body.close()


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _unavailable(error: Exception) -> Unavailable:
    message = f"The artifact store does not answer as it should: {type(error).__name__}."
    return Unavailable(message, code="store_unavailable")


@contextmanager
def _translated() -> Iterator[None]:
    """Say what an answer of S3 means to the caller. A lost race stays what it is."""
    try:
        yield
    except ClientError as error:
        if _code(error) in _MISSING:
            message = "There are no bytes with this digest."
            raise NotFound(message, code="no_such_blob") from None
        if _code(error) in {_TAKEN, _MEANWHILE}:
            raise
        raise _unavailable(error) from error
    except (BotoCoreError, HTTPClientError, HTTPError, OSError) as error:
        raise _unavailable(error) from error
