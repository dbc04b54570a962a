"""Reading what callers send: strictly, so that what is stored is what was meant.

Two readers of one text may not see two things in it: duplicate keys, numbers a double
cannot hold and half characters are refused, and so is what PostgreSQL cannot store.
"""

import json
from collections.abc import Mapping
from typing import IO, Any, Never

from django.conf import settings
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from governance.errors import Invalid, TooLarge

DEEPEST = 64
LARGEST_INTEGER = 2**53
BOM = b"\xef\xbb\xbf"


class StrictJSONParser(BaseParser):
    """JSON objects in UTF-8, up to Django's limit for bodies in memory."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Read one object.

        Raises:
            Invalid: ``invalid_json``, with the reason.
            TooLarge: over ``DATA_UPLOAD_MAX_MEMORY_SIZE``.
        """
        _check_encoding(media_type or "", parser_context or {})
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            message = f"The body is larger than {limit} bytes."
            raise TooLarge(message, limit=limit)
        return loads(body)


def loads(body: bytes) -> dict[str, Any]:
    """Read one JSON object from bytes.

    Raises:
        Invalid: ``invalid_json``, with the reason.
    """
    if body.startswith(BOM):
        _refuse("begins with a byte order mark")
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except UnicodeDecodeError:
        _refuse("is not UTF-8")
    except RecursionError:
        _refuse(f"is nested deeper than {DEEPEST}")
    except ValueError as error:
        _refuse(f"is not JSON: {error}")
    if not isinstance(value, dict):
        _refuse("is not an object")
    _check_inside(value)
    return value


def query(request: Request, *names: str) -> dict[str, str]:
    """Return the query's parameters, each at most once, none but these.

    Raises:
        Invalid: ``invalid_query``, naming each that is wrong.
    """
    problems = {}
    for name, values in request.query_params.lists():
        if name not in names:
            problems[name] = f"is none of {', '.join(names) or 'the parameters this path takes'}"
        elif len(values) > 1:
            problems[name] = "is given more than once"
    if problems:
        message = "The query cannot be understood."
        raise Invalid(message, code="invalid_query", **problems)
    return request.query_params.dict()


def _check_encoding(media_type: str, context: Mapping[str, Any]) -> None:
    request = context.get("request")
    if request is not None and request.META.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        _refuse("is compressed, which this path does not take")
    _, _, parameters = media_type.partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        charset = value.strip('"').lower()
        if name.strip().lower() == "charset" and charset not in {"utf-8", "utf8"}:
            _refuse("is not UTF-8")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            _refuse(f"has the key {key[:100]!r} twice in one object")
        found[key] = value
    return found


def _constant(name: str) -> Never:
    _refuse(f"holds {name}, which JSON does not have")


def _float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        _refuse("holds a number too large for a double")
    return number


def _integer(text: str) -> int:
    if len(text) > len(str(LARGEST_INTEGER)) + 1 or abs(int(text)) > LARGEST_INTEGER:
        _refuse("holds an integer beyond 2^53, which not every reader reads the same")
    return int(text)


def _check_inside(value: dict[str, Any]) -> None:
    """Look at every text, and at how deep things lie."""
    level: list[object] = [value]
    for _ in range(DEEPEST):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.keys()
                inner += item.values()
            elif isinstance(item, list):
                inner += item
            elif isinstance(item, str):
                _check_text(item)
        if not inner:
            return
        level = inner
    if any(isinstance(item, dict | list) for item in level):
        _refuse(f"is nested deeper than {DEEPEST}")
    for item in level:
        if isinstance(item, str):
            _check_text(item)


def _check_text(text: str) -> None:
    if "\0" in text:
        _refuse("holds the character U+0000")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            _refuse("holds half of a surrogate pair")


def _refuse(reason: str) -> Never:
    message = f"The body {reason}."
    raise Invalid(message, code="invalid_json")
