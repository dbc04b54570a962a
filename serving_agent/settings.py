"""The agent's settings: one typed reader of the environment and the command line.

Everything has a default but where it listens beyond loopback: that needs a
token of its own, and the process says so at start instead of serving openly.
"""

import ipaddress
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

GIB = 1024**3


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="LOCKGATE_AGENT_", extra="ignore")

    home: Path = Path(".lockgate/agent")
    """Identity, the last good document and the model files. One folder, one agent."""

    url: str | None = None
    """The control plane. Kept in the home folder when enrolling; given later, it has moved."""
    join_token: SecretStr | None = None
    key: str | None = None
    """SHA-256 of the control plane's raw public key, 64 hex digits, from another channel."""
    name: str = ""
    """What people call this agent; the host's name if nothing is given."""
    labels: Annotated[dict[str, str], NoDecode] = {}
    """``k=v`` pairs, comma separated in the environment."""
    ca_file: Path | None = None
    """Certificates to trust for https, where the system's own are not enough."""

    host: str = "127.0.0.1"
    advertise_host: str = ""
    """The host in the URLs the agent reports, where it listens on all interfaces."""
    port: int = Field(default=0, ge=0, le=65535)
    """0: the port of the last run, else a free one."""
    control_port: int = Field(default=0, ge=0, le=65535)
    inference_token: SecretStr | None = None

    poll_seconds: float = Field(default=2.0, gt=0)
    """How long a change may go unnoticed when no hint comes. Costs one conditional GET each."""
    report_seconds: float = Field(default=5.0, gt=0)
    """A third of the shortest lease in use, so that two lost reports lose no lease."""
    http_seconds: float = Field(default=5.0, gt=0, le=5.0)

    mirror_url: str | None = None
    """Valkey or Redis for copies of transactions; without it nothing is mirrored."""

    fetch_bytes: int = Field(default=4 * GIB, gt=0)
    """The largest single file of a version."""
    fetch_seconds: float = Field(default=900.0, gt=0)
    """The deadline of one file; a transfer that stalls for 5 s ends sooner."""
    disk_reserve_bytes: int = Field(default=64 * 1024**2, ge=0)
    """Left free on the home folder's disk, so that the state can always be written."""

    validation_seconds: float = Field(default=300.0, gt=0)
    validation_memory_bytes: int = Field(default=12 * GIB, gt=0)
    """Address space of the child. A 25-million-node forest in one node peaks at 10.6 GB."""

    memory_budget_bytes: int | None = Field(default=None, gt=0)
    """What this process may have resident, its models with all else. A version that does not fit
    makes dark, spare and preloaded ones leave, and is refused before it does harm."""
    memory_share: float = Field(default=0.8, gt=0, le=1)
    """Without a budget: the share of what the container or the host has. For several agents on
    one host, give each its own budget."""

    body_bytes: int = Field(default=16 * 1024**2, gt=0)
    bodies_bytes: int = Field(default=256 * 1024**2, gt=0)
    """All large bodies together; a small one is always taken, as ordinary requests are."""
    head_seconds: float = Field(default=10.0, gt=0)
    body_seconds: float = Field(default=30.0, gt=0)
    """From the first byte a caller may send to the last: a slow one gives way."""
    connections: int = Field(default=4096, gt=0)
    concurrency: int = Field(default=512, gt=0)
    """Whole requests waiting for their answer; more are told to come back, so that none waits
    for long."""
    threads: int = Field(default=2, gt=0)
    """Workers for models too slow for the event loop."""
    dear_ms: float = Field(default=1.0, gt=0)
    """What takes longer is scored by the workers. Handing it over wakes two threads, which costs
    up to half of that when few call: then a large forest is out of the caches, too, and looks
    dearer than it is when many do."""

    spare_deadline_factor: float = Field(default=4.0, ge=1)
    """Times the latency budget, for each transaction of a call: when a spare answers instead."""

    check_seconds: float = Field(default=5.0, gt=0)
    """How often each version in memory is asked for its golden transaction."""
    check_patience: float = Field(default=10.0, gt=0)
    """Seconds after which one that has not answered is reported as wedged."""

    rehash_seconds: float = Field(default=60.0, gt=0)
    """Between two passes over the files on this disk: what somebody changes there is reported
    within about that long. A pass reads 100 MB a second at most."""

    drain_seconds: float = Field(default=15.0, ge=0)

    @field_validator("labels", mode="before")
    @classmethod
    def _split_labels(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [pair.strip() for pair in value.split(",") if pair.strip()]
        return parse_labels(pairs)

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @field_validator("key")
    @classmethod
    def _whole_fingerprint(cls, value: str | None) -> str | None:
        if value is None:
            return None
        digits = value.lower().removeprefix("sha256:")
        if len(digits) != 64 or set(digits) - set("0123456789abcdef"):
            raise ValueError("the key fingerprint is 64 hexadecimal digits, none left out")
        return digits

    @field_validator("url")
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("the control plane's URL begins with http:// or https://")
        return value.rstrip("/") if value else None

    @model_validator(mode="after")
    def _token_beyond_loopback(self) -> Self:
        if not is_loopback(self.host) and self.inference_token is None:
            raise ValueError(
                f"listening on {self.host} needs LOCKGATE_AGENT_INFERENCE_TOKEN:"
                " only loopback is open to everybody"
            )
        return self


def parse_labels(pairs: list[str]) -> dict[str, str]:
    """Turn ``["zone=a"]`` into ``{"zone": "a"}``."""
    labels: dict[str, str] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise ValueError(f"a label is key=value, not {pair!r}")
        labels[key] = value
    return labels
