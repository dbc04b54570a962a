"""What the agent must still know after a restart, with nobody there to ask.

<home>/state/identity.json            who this agent is, its token, where the control plane is
<home>/state/keys.json                the keys whose signatures count
<home>/state/envelope.json            the last good document, byte for byte
<home>/state/envelope.previous.json   the one before
<home>/state/answering.json           which versions answered here last
<home>/state/overrides.json           what somebody on this host took back, see ``overrides``
<home>/state/loading.json             what was being loaded, in case that ends the process
<home>/state/validated/<digest>.json  what the child found, so that a restart need not ask again
"""

import contextlib
import fcntl
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from serving_agent.documents import Document, Target, verify
from serving_agent.errors import EnrolmentRefused, Nack
from serving_agent.files import read_or_none, write_atomic
from serving_agent.signing import PublicKey, Trust
from serving_agent.validate import Finding

logger = logging.getLogger(__name__)

DOCUMENT, KEYS = "envelope.json", "keys.json"
_MALFORMED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Identity(msgspec.Struct, frozen=True):
    agent_id: str
    token: str
    issued_at: datetime
    expires_at: datetime
    url: str
    environment: str
    tier: str
    name: str
    labels: dict[str, str]

    @property
    def target(self) -> Target:
        return Target(self.environment, self.tier)

    @property
    def renew_at(self) -> datetime:
        return self.issued_at + (self.expires_at - self.issued_at) / 2


class Answering(msgspec.Struct, frozen=True):
    version: int
    digest: str


class Override(msgspec.Struct, frozen=True):
    """A former champion that answers here, though another version was decided."""

    id: str
    model: str
    version: int
    digest: str
    instead: str
    """The digest of the champion that was decided."""
    generation: int
    """Of the document that decided it."""
    at: float
    """In seconds since 1970: it outlives the process, and any clock that knows only that."""
    reason: str
    by: str
    ended_at: float | None = None
    ended: str = ""

    @property
    def stands(self) -> bool:
        return self.ended_at is None


class _Loading(msgspec.Struct):
    generation: int
    tries: dict[str, int]


class _Validated(msgspec.Struct):
    runtime: str
    finding: Finding


def parse_time(text: str) -> datetime:
    """Read a time as the control plane writes it; a zone is required.

    Raises:
        ValueError: it is not one.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {text!r}")
    return moment.astimezone(UTC)


class State:
    def __init__(self, home: Path) -> None:
        self.home = home
        self._folder = home / "state"
        self._validated = self._folder / "validated"
        self._lock_handle: int | None = None
        self._kept: dict[str, bytes] = {}

    def open(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self._folder.mkdir(exist_ok=True, mode=0o700)
        self._validated.mkdir(exist_ok=True, mode=0o700)

    def lock(self) -> None:
        """Keep a second agent off this folder for as long as the process lives.

        Raises:
            EnrolmentRefused: another one has it.
        """
        handle = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(handle)
            raise EnrolmentRefused(f"another agent is running in {self.home}") from exc
        self._lock_handle = handle

    def identity(self) -> Identity | None:
        raw = read_or_none(self._folder / "identity.json")
        if raw is None:
            return None
        try:
            return msgspec.json.decode(raw, type=Identity)
        except _MALFORMED as exc:
            raise EnrolmentRefused(f"identity.json cannot be read, enrol anew: {exc}") from exc

    def save_identity(self, identity: Identity) -> None:
        write_atomic(self._folder / "identity.json", msgspec.json.encode(identity))

    def trust(self) -> Trust:
        """Return the keys learnt last.

        Raises:
            EnrolmentRefused: there are none that can be read.
        """
        raw = read_or_none(self._folder / KEYS)
        try:
            trust = Trust(msgspec.json.decode(raw or b"", type=list[PublicKey]))
        except (*_MALFORMED, ValueError) as exc:
            raise EnrolmentRefused(f"keys.json cannot be read, enrol anew: {exc}") from exc
        self._kept[KEYS] = raw or b""
        return trust

    def save_trust(self, trust: Trust) -> None:
        content = msgspec.json.encode(list(trust.keys))
        write_atomic(self._folder / KEYS, content)
        self._kept[KEYS] = content

    def document(self, *, trust: Trust, target: Target) -> Document | None:
        """Return the last good document on disk, checked like one that came by wire."""
        for name in (DOCUMENT, "envelope.previous.json"):
            raw = self._noted(self._folder / name)
            if raw is None:
                continue
            with contextlib.suppress(Nack):
                document = verify(raw, trust=trust, target=target, applied=None)
                self._kept[DOCUMENT] = raw
                return document
        return None

    def save_document(self, document: Document, *, applied: Document | None) -> Trust:
        """Keep a document that is about to be applied, then the keys it teaches.

        In that order: keys always include the signer of the document beside
        them, and a crash in between leaves a document the old keys verify.
        """
        if applied is not None:
            write_atomic(self._folder / "envelope.previous.json", applied.raw)
        write_atomic(self._folder / DOCUMENT, document.raw)
        self._kept[DOCUMENT] = document.raw
        trust = Trust(document.payload.keys)
        self.save_trust(trust)
        return trust

    def changed(self) -> list[str]:
        """Return what of the document and the keys is not on disk as this process left it."""
        kept = dict(self._kept)
        return [name for name, raw in kept.items() if self._noted(self._folder / name) != raw]

    def answering(self) -> dict[str, Answering]:
        """Return, by model, what answered here last."""
        raw = self._noted(self._folder / "answering.json")
        try:
            return msgspec.json.decode(raw or b"", type=dict[str, Answering])
        except _MALFORMED:
            return {}

    def save_answering(self, answering: dict[str, Answering]) -> None:
        with contextlib.suppress(OSError):  # It answers all the same.
            write_atomic(self._folder / "answering.json", msgspec.json.encode(answering))

    def overrides(self) -> list[Override]:
        raw = self._noted(self._folder / "overrides.json")
        try:
            return msgspec.json.decode(b"[]" if raw is None else raw, type=list[Override])
        except _MALFORMED:
            # Nobody knows any more what was taken back here, so what is decided holds.
            logger.exception("overrides.json cannot be read: no rollback of this host stands")
            return []

    def save_overrides(self, overrides: list[Override]) -> bool:
        """Keep them; on a full disk they hold all the same, until the process ends."""
        try:
            write_atomic(self._folder / "overrides.json", msgspec.json.encode(overrides))
        except OSError:
            return False
        return True

    def begin_loading(self, digest: str, *, generation: int) -> int:
        """Note that a version is about to be loaded; return how often that never came to an end."""
        tries = self._tries(generation)
        earlier = tries.get(digest, 0)
        self._save_tries(generation, {**tries, digest: earlier + 1})
        return earlier

    def end_loading(self, digest: str, *, generation: int) -> None:
        tries = self._tries(generation)
        tries.pop(digest, None)
        self._save_tries(generation, tries)

    def _tries(self, generation: int) -> dict[str, int]:
        raw = self._noted(self._folder / "loading.json")
        try:
            noted = msgspec.json.decode(raw or b"", type=_Loading)
        except _MALFORMED:
            return {}
        return noted.tries if noted.generation == generation else {}

    def _save_tries(self, generation: int, tries: dict[str, int]) -> None:
        content = msgspec.json.encode(_Loading(generation, tries))
        with contextlib.suppress(OSError):  # A full disk must not keep a held version from loading.
            write_atomic(self._folder / "loading.json", content)

    def finding(self, digest: str, *, runtime: str) -> Finding | None:
        """Return what a child once found good about a version, under this same runtime."""
        raw = self._noted(self._validated / f"{digest}.json")
        try:
            noted = msgspec.json.decode(raw or b"", type=_Validated)
        except _MALFORMED:
            return None
        return noted.finding if noted.runtime == runtime and not noted.finding.reason else None

    def save_finding(self, digest: str, finding: Finding, *, runtime: str) -> None:
        content = msgspec.json.encode(_Validated(runtime, finding))
        with contextlib.suppress(OSError):
            write_atomic(self._validated / f"{digest}.json", content)

    @staticmethod
    def _noted(path: Path) -> bytes | None:
        """Read what an agent can do without; what the disk has lost is as if never written."""
        try:
            return read_or_none(path)
        except OSError as exc:
            logger.warning("%s cannot be read: %s", path.name, exc.strerror)
            return None

    def forget_findings(self, keep: frozenset[str]) -> None:
        for path in self._validated.glob("*.json"):
            if path.stem not in keep:
                path.unlink(missing_ok=True)
