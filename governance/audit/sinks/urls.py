"""From ``CHECKPOINT_SINKS`` to sinks."""

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from governance.audit.sinks.directory import DirectorySink
from governance.audit.sinks.interface import Sink

MODES = {"compliance", "governance"}
DAYS = 3_650
"""How long an object is locked, unless the URL says otherwise: ten years."""


def open_sinks(urls: str) -> list[Sink]:
    """Open the sinks that are named, separated by white space. Touches neither disk nor network.

    Raises:
        ValueError: one is not ``file:///folder`` or
            ``s3://bucket/prefix?endpoint=URL&region=NAME&mode=compliance&days=3650``.
    """
    return [_open(url) for url in urls.split()]


def _open(url: str) -> Sink:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path and not options:
        return DirectorySink(Path(unquote(parts.path)))
    mode, days = options.pop("mode", "compliance"), options.pop("days", str(DAYS))
    known = not options.keys() - {"endpoint", "region"} and mode in MODES and days.isdigit()
    if parts.scheme == "s3" and parts.netloc and known:
        # boto3 takes a third of a second to import: only those who use S3 wait for it.
        from governance.audit.sinks.s3 import S3Sink  # noqa: PLC0415

        return S3Sink(
            bucket=parts.netloc,
            prefix=unquote(parts.path).strip("/"),
            endpoint=options.get("endpoint"),
            region=options.get("region"),
            mode=mode,
            days=int(days),
        )
    raise ValueError(
        "a sink's URL looks like file:///folder or"
        " s3://bucket/prefix?endpoint=URL&region=NAME&mode=compliance&days=3650"
    )
