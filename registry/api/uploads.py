"""Read a body as it comes: in pieces, of any size, and to its end or not at all."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from rest_framework.request import Request

from governance.errors import GovernanceError, Invalid, Unavailable

CHUNK = 256 * 1024
_DIGITS = 15
MOST_AT_ONCE = 8
"""Uploads of one process: half of the web server's threads, so that agents find one free
however slowly somebody sends."""
_places = threading.BoundedSemaphore(MOST_AT_ONCE)


@contextmanager
def place() -> Iterator[None]:
    """Hold one of the places for uploads.

    Raises:
        Unavailable: ``busy``, all are taken; nothing of the body was read.
    """
    if not _places.acquire(blocking=False):
        message = f"{MOST_AT_ONCE} uploads are under way. Try again in a moment."
        raise Unavailable(message, code="busy")
    try:
        yield
    finally:
        _places.release()


def length_of(request: Request) -> int | None:
    """Return how many bytes the sender announced; None for a body in chunks.

    Raises:
        Invalid: ``bad_length``; or ``length_required``, where the web server does not mark
            the end of a body without a length.
    """
    text = str(request.META.get("CONTENT_LENGTH") or "")
    if text:
        if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
            message = "Content-Length is not a number of bytes."
            raise Invalid(message, code="bad_length")
        return int(text)
    if request.META.get("wsgi.input_terminated"):
        return None
    message = "Send Content-Length: how many bytes there are."
    raise Invalid(message, code="length_required")


def chunks_of(request: Request, *, length: int | None) -> Iterator[bytes]:
    """Yield the body in pieces.

    Raises:
        Invalid: ``truncated``, the connection ended or broke before the body did.
    """
    stream = cast("IO[bytes]", request.META["wsgi.input"])
    left = length
    while left is None or left > 0:
        chunk = _read(stream, CHUNK if left is None else min(CHUNK, left))
        if not chunk:
            return  # Whether it is all of it is for the reader to say, who counts.
        if left is not None:
            left -= len(chunk)
        yield chunk


def _read(stream: IO[bytes], size: int) -> bytes:
    try:
        return stream.read(size)
    except GovernanceError:
        raise
    except Exception as error:
        # Web servers each have their own errors for a body that breaks off.
        message = "The upload broke off."
        raise Invalid(message, code="truncated") from error
