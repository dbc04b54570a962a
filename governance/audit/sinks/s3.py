"""Checkpoints in a bucket with object lock: ``prefix/<epoch>/<size>.note``.

Each is put with ``If-None-Match: *`` and a date until which nobody removes it, not even
who owns the bucket (mode ``compliance``). The bucket was made with object lock on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from urllib3.exceptions import HTTPError

from governance.audit.sinks.interface import Taken
from governance.errors import Unavailable

LONGEST = 64 * 1024
_CONFIG = Config(
    signature_version="s3v4",
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "max_attempts": 2},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}


class S3Sink:
    """A sink in one bucket."""

    def __init__(
        self,
        *,
        bucket: str,
        prefix: str,
        endpoint: str | None,
        region: str | None,
        mode: str,
        days: int,
    ) -> None:
        addressing = {"addressing_style": "path"} if endpoint else {}
        self.client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint,
            region_name=region,
            config=_CONFIG.merge(Config(s3=addressing)),
        )
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._mode, self._days = mode, days

    @property
    def name(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def put(self, epoch: int, size: int, note: str) -> None:
        key = self._key(epoch, size)
        until = datetime.now(UTC) + timedelta(days=self._days)
        locked = {"ObjectLockMode": self._mode.upper(), "ObjectLockRetainUntilDate": until}
        try:
            with _translated():
                self.client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=note.encode(),
                    IfNoneMatch="*",
                    ContentType="text/plain; charset=utf-8",
                    ChecksumAlgorithm="SHA256",  # a lock asks for a checksum
                    **locked,
                )
        except ClientError:
            if self._read(key) != note:
                message = f"{self.name}/{key} holds another checkpoint of this size"
                raise Taken(message) from None

    def sizes(self, epoch: int, *, after: int) -> Iterator[int]:
        asked = {
            "Bucket": self._bucket,
            "Prefix": f"{self._prefix}{epoch:04d}/",
            "StartAfter": self._key(epoch, max(after, 0)),
        }
        while True:
            with _translated():
                page = self.client.list_objects_v2(**asked)
            for item in page.get("Contents", []):
                name = item["Key"].rpartition("/")[2].removesuffix(".note")
                if name.isascii() and name.isdigit():
                    yield int(name)
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def read(self, epoch: int, size: int) -> str:
        return self._read(self._key(epoch, size))

    def _key(self, epoch: int, size: int) -> str:
        return f"{self._prefix}{epoch:04d}/{size:015d}.note"

    def _read(self, key: str) -> str:
        with _translated():
            body = self.client.get_object(Bucket=self._bucket, Key=key)["Body"]
            content: bytes = body.read(LONGEST)
        return content.decode(errors="replace")


@contextmanager
def _translated() -> Iterator[None]:
    """A lost race stays what it is; all else is a sink that does not work."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _TAKEN:
            raise
        raise _unavailable(code) from error
    except (BotoCoreError, HTTPClientError, HTTPError, OSError) as error:
        raise _unavailable(type(error).__name__) from error


def _unavailable(reason: str) -> Unavailable:
    return Unavailable(f"The sink does not work: {reason}.", code="sink_unavailable")
