"""A round: read what is new, sign the tree, bring it to the sinks, and only then keep it.

    newest checkpoint --new entries--> tree --sign--> note --> sinks --one has it--> database

Killed anywhere, the next round finds the note in a sink and keeps it, or signs anew. When
no sink can be reached nothing is sealed and nothing is lost: the next round covers it all.
A sink that has more than the database means that the database went back: nothing is
sealed until an operator has recorded it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance import notes
from governance.audit.sinks import Sink
from governance.notes import BadNote, Checkpoint, Verifier
from governance.sealing.delivery import Delivery
from governance.sealing.growing import Stage, WrongLog, objects_root, stages
from governance.sealing.log import Log, Sealed

NOTICED = 20
"""Of the latest; until the sealer is started again."""


def now() -> datetime:
    """The time in a checkpoint."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one round."""

    sealed: int = 0
    """Entries that were sealed newly."""
    size: int = 0
    waiting: int = 0
    """Entries that are not sealed yet."""
    trouble: str = ""


@dataclass(slots=True)
class Sealer:
    """Signs one log. One process does this: a second finds its names taken."""

    origin: str
    keys: Sequence[Ed25519PrivateKey]
    sinks: Sequence[Sink]
    clock: Callable[[], datetime] = now
    former: Sequence[Verifier] = ()
    """Keys that have signed here before, and do no more."""
    deliveries: list[Delivery] = field(init=False)
    kept: Sealed | None = field(default=None, init=False)
    """The newest checkpoint this process has seen in the database."""
    noticed: list[str] = field(default_factory=list, init=False)
    """Checkpoints that were taken out of the database: it puts them back, and says so."""

    def __post_init__(self) -> None:
        self.deliveries = [Delivery(sink, self.clock) for sink in self.sinks]

    def verifiers(self) -> list[Verifier]:
        """The public halves of the keys, the current one first."""
        return [Verifier(self.origin, key.public_key().public_bytes_raw()) for key in self.keys]

    def _known_keys(self) -> list[Verifier]:
        return [*self.verifiers(), *self.former]

    def round(self, log: Log, *, seal: bool = True) -> Round:
        """Seal what is new, and bring each sink what it lacks.

        Args:
            seal: False to bring only.
        """
        refused, behind = "", 0
        self._miss(log.newest())
        before = [each.failures for each in self.deliveries]
        try:
            sealed = self._seal(log) if seal else 0
        except WrongLog as error:
            sealed, refused = 0, str(error)
        except _Behind as error:
            sealed, refused, behind = 0, str(error), error.size
        failing = [
            each
            for each, failures in zip(self.deliveries, before, strict=True)
            if each.failures > failures or not each.catch_up(log)
        ]
        newest, all_ = log.newest(), log.size()
        size, self.kept = newest.size, newest
        said = {
            "refused": refused,
            "behind": behind,
            "noticed": self.noticed[-NOTICED:],
            "sinks": [each.said() for each in self.deliveries],
            "keys": [str(key) for key in self.verifiers()],
        }
        log.say(said)
        trouble = refused or "; ".join(f"{each.sink.name}: {each.error}" for each in failing)
        return Round(sealed, size, max(all_ - size, 0), trouble)

    def _seal(self, log: Log) -> int:
        """Sign the tree at the log's end, if that is new. Return how many entries it adds."""
        with log.snapshot():
            size, epoch, last = log.size(), log.epoch(), log.newest()
            self._recognise(last)
            known = self._known(last, epoch=epoch)
            if known and max(known) > size:
                raise _Behind(max(known), size)
            found = list(stages(log, last, sorted({*known, size})))
            objects = objects_root(log, size=size) if found else (0, b"")
        for stage in found:
            if stage.size in known:
                self._keep(log, stage, self._recovered(stage, known[stage.size]), epoch=epoch)
            elif not self._sign(log, stage, objects, epoch=epoch):
                return 0
        return size - last.size

    def _miss(self, newest: Sealed) -> None:
        """Note that a checkpoint is gone that was kept: the database never takes one back."""
        if self.kept and newest.epoch == self.kept.epoch and newest.size < self.kept.size:
            when = f"{self.clock():%Y-%m-%d %H:%M:%S} UTC"
            self.noticed.append(
                f"the checkpoint of {self.kept.size} entries was taken out of the database,"
                f" noticed by the sealer at {when}"
            )

    def _sign(self, log: Log, stage: Stage, objects: tuple[int, bytes], *, epoch: int) -> bool:
        """Sign one size; keep it once a sink has it."""
        origin = self.origin if epoch == 1 else f"{self.origin}/{epoch}"
        made = Checkpoint(origin, stage.size, stage.root, *objects, self.clock())
        note = notes.sign(made.text(), name=self.origin, keys=self.keys)
        sealed = Sealed(stage.size, epoch, stage.root.hex(), note, stage.frontier)
        if not any([each.catch_up(log, new=sealed) for each in self.deliveries]):  # noqa: C419 - all of them
            return False
        self._keep(log, stage, note, epoch=epoch)
        return True

    def _keep(self, log: Log, stage: Stage, note: str, *, epoch: int) -> None:
        sealed = Sealed(stage.size, epoch, stage.root.hex(), note, stage.frontier)
        at = notes.open_note(note, self._known_keys()).at
        log.keep(sealed, at=at, first_block=stage.first_block, blocks=stage.blocks)

    def _known(self, last: Sealed, *, epoch: int) -> dict[int, str]:
        """Notes that sinks have beyond the database: after a kill, or after a restore."""
        found: dict[int, str] = {}
        for each in self.deliveries:
            found |= each.beyond(last, epoch=epoch)
        return found

    def _recovered(self, stage: Stage, note: str) -> str:
        """Take a note from a sink, if it is of this very log."""
        try:
            found = notes.open_note(note, self._known_keys())
        except BadNote as error:
            message = f"a sink holds a checkpoint of {stage.size} that is not ours: {error}"
            raise WrongLog(message) from None
        if found.root != stage.root:
            raise _Behind(stage.size, stage.size)
        return note

    def _recognise(self, last: Sealed) -> None:
        """The newest checkpoint in the database is one that was signed here."""
        if not last.size:
            return
        try:
            found = notes.open_note(last.note, self._known_keys())
        except BadNote as error:
            raise WrongLog(f"the newest checkpoint in the database: {error}") from None
        if (found.size, found.root.hex()) != (last.size, last.root):
            raise WrongLog("the newest checkpoint in the database is not what was signed")


class _Behind(Exception):
    """A sink has sealed what is not in the database."""

    def __init__(self, size: int, ours: int) -> None:
        super().__init__(
            f"a sink holds a checkpoint of {size} entries, and the database has {ours}"
            if size > ours
            else f"a sink holds another checkpoint of {size} entries"
        )
        self.size = size
