"""The one typed reader of the environment.

Values differ between deployments, code does not. A missing or malformed
variable stops the process at start, and all mistakes are named in one message.
With no server's URL set, ``governance.embedded`` starts the embedded servers
and puts their URLs and keys into the environment before this is read.
"""

from functools import cache
from pathlib import Path
from typing import Self

from pydantic import Field, FilePath, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from governance import addresses


class Misconfigured(SystemExit):
    """A variable is missing or malformed; the message names every one."""


class Config(BaseSettings):
    """What may differ from one deployment to the next."""

    model_config = SettingsConfigDict(env_prefix="", case_sensitive=False, extra="ignore")

    lockgate_home: Path = Path(".lockgate")
    """The folder of everything embedded servers, keys and the directory store keep."""

    database_url: str
    """``postgresql://`` URL of the application's role: it may not change the audit log."""

    database_owner_url: str | None = None
    """URL of the role that owns the tables, for migrations only.

    Without it the application's role migrates, and the log is not safe from it.
    """

    broker_url: str
    """Celery's broker, ``redis://`` or ``amqp://``. Agents never hold it."""

    mirror_url: str
    """The mirror stream agents write to and dark agents read, ``redis://``."""

    store_url: str
    """Artifacts: ``file:///folder`` or ``s3://bucket/prefix?endpoint=URL&region=NAME``."""

    secret_key_file: Path
    """Django's secret key, at least 50 characters."""

    signing_key_file: Path
    """Ed25519 private key (PEM) that signs desired states."""

    successor_key_file: Path | None = None
    """The key that will follow; agents learn its public half beforehand."""

    checkpoint_sinks: str = ""
    """Where the sealer keeps checkpoints of the audit log, separated by white space:
    ``file:///folder``, ``s3://bucket/prefix?endpoint=URL&region=NAME``. This process only
    reads them: it stays read-only while the database is behind. Empty: nothing is sealed."""

    checkpoint_keys_file: FilePath | None = None
    """Public keys of the sealer, one a line, as ``python -m governance.sealing keys`` prints."""

    sealer_role: str = "lockgate_sealer"
    """The sealer's role in the database: migrations grant it what it needs."""

    public_url: str = "http://127.0.0.1:8000"
    """Where browsers, pipelines and agents reach this service."""

    allowed_hosts: str = "127.0.0.1,localhost,[::1]"
    """Host names this service answers to, comma-separated."""

    agent_networks: str = "127.0.0.0/8,::1/128"
    """Networks hints may be sent to, comma-separated CIDR. Anything else is never called."""

    webhook_networks: str = ""
    """Networks inside that webhooks may call, comma-separated CIDR, also without TLS.
    Everything else they call is public and answers https."""

    webhook_ca_file: Path | None = None
    """Certificates to trust in webhooks' receivers, where the system's own are not enough."""

    trusted_proxies: str = ""
    """Networks of reverse proxies whose ``X-Forwarded-For`` counts, comma-separated CIDR.

    Empty: nobody's does. Limits of sign-in and the access log go by that address.
    """

    metrics_networks: str = "127.0.0.0/8,::1/128"
    """Networks that may read ``/metrics`` without a token, comma-separated CIDR. May be empty."""

    metrics_token_file: FilePath | None = None
    """A token that opens ``/metrics`` from anywhere, as ``Authorization: Bearer``."""

    secure_cookies: bool = False
    """On behind TLS. Off, sessions also work on plain loopback."""

    debug: bool = False
    """Django's debug pages and ``/styleguide/``. Never in production."""

    upload_limit: int = Field(default=4 * 1024**3, gt=0)
    """Bytes of one blob, at most."""

    lease_seconds: float = Field(default=15.0, gt=0)
    wedged_seconds: float = Field(default=45.0, gt=0)
    """How long an agent that reports may make no headway before it is called wedged."""
    """How long an agent's report counts: three of its five-second rounds."""

    sweep_seconds: float = Field(default=2.0, gt=0)
    """How often beat looks for what nobody was woken for. One indexed query each time."""

    watch_seconds: float = Field(default=60.0, gt=0)
    """How often the worker looks for tampering: what is changed past the application is named
    within about this long, and what is too much for one round within an hour."""

    @field_validator("agent_networks", "metrics_networks", "trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        addresses.networks(value)
        return value

    @model_validator(mode="after")
    def _can_tell_checkpoints(self) -> Self:
        if self.checkpoint_sinks and self.checkpoint_keys_file is None:
            raise ValueError("CHECKPOINT_SINKS needs CHECKPOINT_KEYS_FILE: whose word counts")
        return self


@cache
def load() -> Config:
    """Read the environment once.

    Raises:
        Misconfigured: naming every variable that is missing or malformed.
    """
    try:
        return Config()
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        message = "Lockgate cannot start:\n  " + "\n  ".join(lines)
        raise Misconfigured(message) from None
