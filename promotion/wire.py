"""What agents send, checked strictly before anything reads it. No framework, no database."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from governance.names import is_slug, problem_with
from promotion.latencies import LARGEST_SUM, SIZE

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, lt=2**53)]  # what JSON numbers hold exactly
Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Offset = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]  # s, either way
Age = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]  # ms, a third of a century
Code = Annotated[str, Field(max_length=40, pattern=r"^[A-Z0-9_]*$")]
Name = Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9][a-z0-9-]*$")]
Text = Annotated[str, Field(max_length=2_000)]
Url = Annotated[str, Field(max_length=200, pattern=r"^(https?://[!-?A-~]+)?$")]  # ASCII, no @
SCHEMA = "lockgate.agent-report/1"
MAX_VERSIONS = 2_000


class _Lenient(BaseModel):
    """Ignores fields it does not know: agents may be of a newer release than we are."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


def clean(text: str) -> str:
    """Make free text from an agent safe to store and to print: no control characters."""
    return "".join(
        c if not problem_with(c, blank=True) else "\N{REPLACEMENT CHARACTER}" for c in text
    )


class Golden(_Lenient):
    passed: Count
    total: Count
    max_error: Annotated[float, Field(ge=0)] | None = None

    @field_validator("max_error")
    @classmethod
    def _finite(cls, value: float | None) -> float | None:
        return value if value is None or value < float("inf") else None


class Window(_Lenient):
    """Answers of the last so many seconds."""

    count: Count
    seconds: Count = 60
    mean_ms: Number = 0.0
    sd_ms: Number = 0.0
    p50_ms: Number = 0.0
    p95_ms: Number = 0.0
    p99_ms: Number = 0.0


class Counted(_Lenient):
    """Answers since the version was loaded, by bucket of ``promotion.latencies``."""

    first: Annotated[int, Field(ge=0, lt=SIZE)]
    """The bucket that ``counts`` begins with."""
    counts: Annotated[list[Count], Field(max_length=SIZE)]
    sum_ms: Annotated[float, Field(ge=0, le=LARGEST_SUM)]
    squares: Annotated[float, Field(ge=0, le=LARGEST_SUM)]

    @model_validator(mode="after")
    def _on_the_scale(self) -> Self:
        if self.first + len(self.counts) > SIZE:
            message = f"the scale has {SIZE} buckets"
            raise ValueError(message)
        return self


class Latency(Window):
    """The last minute, and more from agents that know more."""

    windows: Annotated[list[Window], Field(max_length=8)] = []
    since_load: Counted | None = None
    over_budget: Count = 0
    """Answers since load that took longer than ``budget_ms``, as the agent was told it."""
    budget_ms: Number | None = None


class Scores(_Lenient):
    """Answers with a score, and how many of them were at or above the live threshold."""

    count: Count
    positive: Count


class Guard(_Lenient):
    """Values that a version was not trained on, by what became of them."""

    refused: Count = 0
    clipped: Count = 0
    passed: Count = 0
    other_pipelines: Count = 0
    """Calls refused because their features came from another pipeline."""


class SpareAnswers(_Lenient):
    """Calls a spare answered in place of the champion, by why."""

    error: Count = 0
    deadline: Count = 0
    golden: Count = 0
    """The champion's golden transaction last came out wrong."""
    stopped: Count = 0
    """No champion is decided."""
    missing: Count = 0
    """One is decided, and is not in memory."""


class Held(_Lenient):
    """One version an agent has in memory, or tries to."""

    model: Name
    version: Annotated[int, Field(ge=1, lt=2**31)]
    digest: Digest
    role: Literal["champion", "candidate", "bake", "spare", "dark", "load", "leaving"]
    phase: Literal["fetching", "validating", "ready", "failed"]
    reason: Code | None = None
    detail: Text = ""
    memory_bytes: Count = 0
    load_seconds: Number = 0.0
    golden: Golden | None = None
    in_flight: Count = 0
    answers: bool | None = None
    """Whether its golden transaction came out right when it was last put; None: not yet."""
    requests: Count = 0
    errors: Count = 0
    latency: Latency | None = None
    scores: Scores | None = None
    guard: Guard | None = None
    spare_answers: SpareAnswers | None = None


class Refused(_Lenient):
    generation: Count
    reason: Code
    detail: Text = ""


class Event(_Lenient):
    kind: Annotated[str, Field(max_length=40)]
    model: Name | None = None
    digest: Digest | None = None
    age_ms: Number = 0.0
    detail: Text = ""


class Override(_Lenient):
    """A former champion that somebody on the agent's host lets answer, against what is decided."""

    id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z-]+$")]
    model: Name
    version: Annotated[int, Field(ge=1, lt=2**31)]
    digest: Digest
    since_age_ms: Age = 0.0
    reason: Text = ""
    by: Annotated[str, Field(max_length=200)] = ""
    ended_age_ms: Age | None = None
    """None while it stands."""
    ended: Annotated[str, Field(max_length=40)] = ""


class Report(_Lenient):
    """Everything an agent says of itself."""

    schema_: Literal["lockgate.agent-report/1"] = Field(alias="schema")
    boot_id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z-]+$")]
    seq: Count
    observed_generation: Count
    software: Annotated[str, Field(max_length=40)] = ""
    control_url: Url | None = None
    inference_url: Url | None = None
    draining: bool = False
    refused: Refused | None = None
    models: Annotated[list[Held], Field(max_length=MAX_VERSIONS)]
    held: Annotated[list[Digest], Field(max_length=10_000)] = []
    mirror: dict[str, Count] | None = None
    dark: dict[str, Count] | None = None
    resident_bytes: Count = 0
    memory_budget_bytes: Count = 0
    """What the agent may have resident; 0 when it does not say."""
    events: Annotated[list[Event], Field(max_length=1_000)] = []
    changed_on_disk: Annotated[
        list[Annotated[str, Field(max_length=200)]], Field(max_length=100)
    ] = []
    """Files of its own that are not as the agent left them."""
    clock_offset_seconds: Offset = 0.0
    """By how much the agent's clock is ahead of ours, as it sees it; behind below 0."""
    overrides: Annotated[list[Override], Field(max_length=MAX_VERSIONS)] = []


class Enrolment(_Lenient):
    """An agent asks to join a target."""

    join_token: Annotated[str, Field(min_length=1, max_length=200)]
    name: Name
    labels: dict[Name, Annotated[str, Field(max_length=63)]] = {}
    control_url: Url | None = None
    inference_url: Url | None = None
    software: Annotated[str, Field(max_length=40)] = ""
    features: Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=100)] = []

    @field_validator("name")
    @classmethod
    def _a_slug(cls, value: str) -> str:
        if not is_slug(value):
            message = "must be lower-case letters, digits and inner hyphens"
            raise ValueError(message)
        return value
