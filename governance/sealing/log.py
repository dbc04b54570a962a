"""The audit log as the sealer reads it: one snapshot a round, no lock, no row of it changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from governance.audit import merkle
from governance.audit.actions import Action
from governance.audit.chain import GENESIS

CHUNK = 5_000
PATIENCE = "-c statement_timeout=300000 -c lock_timeout=5000"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A checkpoint as the database keeps it."""

    size: int
    epoch: int
    root: str
    note: str
    frontier: str


@dataclass(frozen=True, slots=True)
class Line:
    """What the sealer looks at of one entry."""

    seq: int
    leaf: str
    hash: str
    prev_hash: str


class Log:
    """One connection to the database, as the sealer's role."""

    def __init__(self, link: psycopg.Connection[Any]) -> None:
        self._link = link

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read the log as of one moment. Writers go on meanwhile."""
        with self._link.transaction():
            self._link.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield

    def size(self) -> int:
        """How many entries there are. They commit in the order of their numbers."""
        row = self._link.execute("SELECT seq FROM audit_head").fetchone()
        return int(row[0]) if row else 0

    def epoch(self) -> int:
        """Which history this is: one more than lost ones were adopted."""
        asked = "SELECT count(*) FROM audit_entry WHERE object = 'system' AND action = %s"
        row = self._link.execute(asked, [Action.LOG_HISTORY_ADOPTED.value]).fetchone()
        return 1 + int(row[0] if row else 0)

    def hash_of(self, seq: int) -> str:
        row = self._link.execute("SELECT hash FROM audit_entry WHERE seq = %s", [seq]).fetchone()
        return str(row[0]) if row else GENESIS

    def newest(self) -> Sealed:
        """The newest checkpoint; one of an empty log when there is none."""
        found = self._checkpoints("ORDER BY size DESC LIMIT 1", [])
        return found[0] if found else Sealed(0, 1, merkle.EMPTY.hex(), "", "")

    def sealed_after(self, size: int, *, most: int) -> list[Sealed]:
        """Checkpoints of more than ``size`` entries, smallest first."""
        return self._checkpoints("WHERE size > %s ORDER BY size LIMIT %s", [size, most])

    def places(self) -> list[tuple[int, int]]:
        """Epoch and size of every checkpoint, in order."""
        rows = self._link.execute("SELECT epoch, size FROM audit_checkpoint ORDER BY size")
        return [(int(epoch), int(size)) for epoch, size in rows]

    def lines(self, after: int, until: int) -> Iterator[Line]:
        """Yield entries in order, from a cursor: a log of any size fits."""
        with self._link.cursor(name="entries") as cursor:
            cursor.itersize = CHUNK
            cursor.execute(
                "SELECT seq, leaf, hash, prev_hash FROM audit_entry"
                " WHERE seq > %s AND seq <= %s ORDER BY seq",
                [after, until],
            )
            for row in cursor:
                yield Line(*row)

    def objects(self) -> list[tuple[str, int, str]]:
        """Where each object's chain ends, in the order of their names' bytes."""
        rows = self._link.execute(
            'SELECT object, seq, hash FROM audit_object_head ORDER BY object COLLATE "C"'
        )
        return [(str(name), int(seq), str(last)) for name, seq, last in rows]

    def keep(self, sealed: Sealed, *, at: object, first_block: int, blocks: list[str]) -> None:
        """Add a checkpoint, and the blocks that were completed since the one before."""
        values = (sealed.size, sealed.epoch, sealed.root, sealed.note, sealed.frontier)
        self._link.execute(
            "SELECT audit_seal(%s, %s, %s, %s, %s, %s, %s, %s::text[])",
            [*values, at, first_block, blocks],
        )

    def say(self, said: dict[str, object]) -> None:
        """Tell web and worker how the sealing goes."""
        self._link.execute("SELECT audit_sealer_says(%s)", [Jsonb(said)])

    def quiet_seconds(self) -> float:
        """How long ago the sealer last said something."""
        asked = "SELECT extract(epoch FROM clock_timestamp() - at) FROM audit_sealer"
        row = self._link.execute(asked).fetchone()
        return float(row[0]) if row else float("inf")

    def _checkpoints(self, rest: str, values: list[object]) -> list[Sealed]:
        asked = f"SELECT size, epoch, root, note, frontier FROM audit_checkpoint {rest}"  # noqa: S608 - our own words
        return [Sealed(*row) for row in self._link.execute(asked, values)]


@contextmanager
def connected(url: str) -> Iterator[Log]:
    """Connect for one round. Each statement outside of ``snapshot`` is its own transaction."""
    with psycopg.connect(url, autocommit=True, connect_timeout=5, options=PATIENCE) as link:
        yield Log(link)
