"""Fields that take what they say and convert nothing: ``"1"`` is no number, ``1`` no truth."""

import math
import re
from datetime import date
from typing import Any
from uuid import UUID

from rest_framework import serializers

from governance import names

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Strict(serializers.Serializer[Any]):
    """A document whose every field is known. An unknown one is a mistake, so it is refused."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            writable = {name for name, field in self.fields.items() if not field.read_only}
            unknown = sorted(map(str, set(data) - writable))
            if unknown:
                raise serializers.ValidationError(
                    {name: ["This field does not exist here."] for name in unknown}
                )
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """Free text as ``governance.names`` allows it, exactly as sent."""

    def __init__(self, *, limit: int = 2_000, blank: bool = False, **options: Any) -> None:
        self._limit = limit
        super().__init__(allow_blank=blank, max_length=limit, trim_whitespace=False, **options)

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        problem = names.problem_with(data, limit=self._limit, blank=self.allow_blank)
        if problem:
            raise serializers.ValidationError(problem)
        return data


class Slug(serializers.CharField):
    """A name for URLs: 1 to 63 lower-case letters, digits and inner hyphens."""

    default_error_messages = {  # noqa: RUF012 - the framework's way
        "slug": "must be 1 to 63 lower-case letters, digits and inner hyphens"
    }

    def to_internal_value(self, data: object) -> str:
        if not names.is_slug(data):
            self.fail("slug")
        return str(data)


class Digest(serializers.CharField):
    """A SHA-256 in 64 lower-case hexadecimal digits."""

    default_error_messages = {  # noqa: RUF012 - the framework's way
        "digest": "must be a SHA-256 in 64 lower-case hexadecimal digits"
    }

    def to_internal_value(self, data: object) -> str:
        if not names.is_sha256(data):
            self.fail("digest")
        return str(data)


class Integer(serializers.IntegerField):
    """An integer written as one."""

    def to_internal_value(self, data: object) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class Number(serializers.FloatField):
    """A finite number written as one."""

    def to_internal_value(self, data: object) -> float:
        if not isinstance(data, int | float) or isinstance(data, bool) or not math.isfinite(data):
            self.fail("invalid")
        return float(data)


class Truth(serializers.BooleanField):
    """``true`` or ``false``."""

    def to_internal_value(self, data: object) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Choice(serializers.ChoiceField):
    """One of a few texts."""

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", input=str(data)[:100])
        return data


class Day(serializers.DateField):
    """A day as ``2026-11-20`` and in no other way."""

    def to_internal_value(self, value: object) -> date:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            self.fail("invalid", format="YYYY-MM-DD")
        return super().to_internal_value(value)


class Id(serializers.UUIDField):
    """A UUID in its usual form."""

    def to_internal_value(self, data: object) -> UUID:
        if not isinstance(data, str) or len(data) != len(str(UUID(int=0))):
            self.fail("invalid", value=str(data)[:100])
        return super().to_internal_value(data)
