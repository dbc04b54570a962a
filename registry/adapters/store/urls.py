"""From ``STORE_URL`` to a store."""

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from registry.adapters.store.directory import DirectoryStore
from registry.adapters.store.interface import Store

_S3_OPTIONS = {"endpoint", "region"}


def open_store(url: str) -> Store:
    """Open the store a URL names. Touches neither disk nor network.

    Raises:
        ValueError: another scheme, no folder or bucket, or an unknown option.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path and not options:
        return DirectoryStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc and not options.keys() - _S3_OPTIONS:
        # boto3 takes a third of a second to import: only those who use S3 wait for it.
        from registry.adapters.store.s3 import S3Store  # noqa: PLC0415

        return S3Store(
            bucket=parts.netloc,
            prefix=unquote(parts.path).strip("/"),
            endpoint=options.get("endpoint"),
            region=options.get("region"),
        )
    message = (
        "a store's URL looks like file:///folder or s3://bucket/prefix?endpoint=URL&region=NAME"
    )
    raise ValueError(message)
