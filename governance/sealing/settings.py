"""The sealer's own settings. No other process reads the key they name."""

from pathlib import Path

from pydantic import Field, FilePath, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from governance.audit.sinks import open_sinks
from governance.config import Misconfigured
from governance.notes import NAME


class SealerConfig(BaseSettings):
    """What may differ from one installation to the next."""

    model_config = SettingsConfigDict(
        env_prefix="SEALER_", case_sensitive=False, extra="ignore", populate_by_name=True
    )

    database_url: str
    """``postgresql://`` URL of a role that may read the log and call ``audit_seal``."""

    key_file: FilePath
    """Ed25519 private key (PEM), readable by the sealer alone."""

    successor_key_file: FilePath | None = None
    """The key that will follow: while it is named, both sign."""

    former_keys_file: FilePath | None = None
    """Public keys whose checkpoints are taken up too: of a key that was lost or replaced."""

    origin: str
    """The log's name in every checkpoint, such as ``lockgate.bank.example/audit``."""

    sinks: str = Field(validation_alias="CHECKPOINT_SINKS")
    """Where checkpoints go: ``file:///folder`` and ``s3://bucket/...``, by white space."""

    seconds: float = Field(default=60.0, gt=0)
    """How often what is new is sealed: what is older cannot be changed unseen."""

    @field_validator("origin")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError("a name without spaces and plus signs")
        return value

    @field_validator("sinks")
    @classmethod
    def _are_sinks(cls, value: str) -> str:
        if not open_sinks(value):
            raise ValueError("name at least one sink")
        return value

    def key_files(self) -> list[Path]:
        """The keys that sign, the current one first."""
        return [path for path in (self.key_file, self.successor_key_file) if path]


def load() -> SealerConfig:
    """Read the environment.

    Raises:
        Misconfigured: naming every variable that is missing or malformed.
    """
    try:
        return SealerConfig()
    except ValidationError as error:
        lines = [f"{_variable(e['loc'])}: {e['msg']}" for e in error.errors()]
        message = "Lockgate's sealer cannot start:\n  " + "\n  ".join(lines)
        raise Misconfigured(message) from None


def _variable(place: tuple[int | str, ...]) -> str:
    name = str(place[0]).upper()
    return name if name == "CHECKPOINT_SINKS" else f"SEALER_{name}"
