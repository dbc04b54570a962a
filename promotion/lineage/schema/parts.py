"""What rows of a report are made of. Nothing is blank: a gap is a word."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1)]
Entry = Annotated[int, Field(ge=1, description="The number of an entry in the audit log.")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Time = Annotated[
    str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$", description="UTC, by the log.")
]
Gap = Literal["not supplied", "unknown", "erased"]
Absent = Literal["none"]
Open = Literal["goes on"]
Told = Text | int | float | bool | dict[str, Any] | list[Any]
"""A value as somebody gave it, or a word for that nobody did."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)


class Who(Part):
    """Whoever did it; the name as it was then."""

    kind: Literal["user", "service", "agent", "task"]
    id: Text
    name: Text


class Done(Part):
    """One entry: when, and by whom."""

    entry: Entry
    at: Time
    by: Who
