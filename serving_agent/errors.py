"""What can go wrong in the agent, split by what the caller should do.

AgentError
 |- Nack                a desired document that is not applied; the last good one stays
 |- VersionFailure      one version cannot become ready; others go on
 |    |- ChangedOnDisk  its files are not what they were; they can be fetched again
 |    `- CrashLoop      loading it ended the agent, again and again
 |- TemporaryFailure    try again later (network, 429, 5xx)
 |- PermanentFailure    trying the same again is useless
 |    `- Unauthorized   the token is no longer good
 |- EnrolmentRefused    this agent must not start with what it was given
 |- BadRequest          the caller's fault, answered with its status
 |- RollbackRefused     nothing was taken back on this host, and why
 |- NotLoaded           the version asked for is not in memory
 |- Abandoned           the work is no longer wanted, which is nobody's fault
 `- ScoringFailed       the runtime refused these inputs
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a document or a version was refused. Sent to the control plane: never rename one."""

    BAD_SIGNATURE = "BAD_SIGNATURE"
    WRONG_TARGET = "WRONG_TARGET"
    UNKNOWN_SCHEMA = "UNKNOWN_SCHEMA"
    UNSUPPORTED = "UNSUPPORTED"
    INVALID = "INVALID"
    OVERSIZED = "OVERSIZED"
    CHAMPION_REMOVED = "CHAMPION_REMOVED"
    STALE = "STALE"
    DIGEST_MISMATCH = "DIGEST_MISMATCH"
    DISK_FULL = "DISK_FULL"
    FETCH_FAILED = "FETCH_FAILED"
    LOAD_FAILED = "LOAD_FAILED"
    GOLDEN_MISMATCH = "GOLDEN_MISMATCH"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    EVICTED_MEMORY = "EVICTED_MEMORY"
    TIMEOUT = "TIMEOUT"


class AgentError(Exception):
    """The agent said no, and knows why."""


class Nack(AgentError):
    """A desired document that must not be applied."""

    def __init__(self, reason: Reason, detail: str, *, generation: int = 0) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.generation = generation


class VersionFailure(AgentError):
    """One version that cannot become ready."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class ChangedOnDisk(VersionFailure):
    """The disk lied, not the control plane: what was changed is removed and may be fetched."""

    def __init__(self, detail: str) -> None:
        super().__init__(Reason.DIGEST_MISMATCH, detail)


class CrashLoop(VersionFailure):
    """It is left alone until another generation asks for it."""

    def __init__(self, detail: str) -> None:
        super().__init__(Reason.LOAD_FAILED, detail)


class TemporaryFailure(AgentError):
    """It did not work now and may work later."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentFailure(AgentError):
    """The same call will never work."""

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Unauthorized(PermanentFailure):
    """The control plane no longer takes this agent's token."""


class EnrolmentRefused(AgentError):
    """The control plane is not the one the key names, or will not have this agent."""


class BadRequest(AgentError):
    """A caller's mistake, with the status that says so."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class RollbackRefused(AgentError):
    """Somebody on this host asked for what is not possible."""


class NotLoaded(AgentError):
    """No such version in memory."""


class Abandoned(AgentError):
    """A newer document made this work pointless."""


class ScoringFailed(AgentError):
    """The runtime did not give a score for these inputs."""
