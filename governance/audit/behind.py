"""Is the database behind what was sealed? Then nothing is changed until somebody says so.

After a restored backup, or when the end of the log was cut off, a sink outside the
database's power still has the checkpoint of the larger log. A process that notices this
only reads: ``record`` refuses, and without an entry no change is committed. Looking asks
the sinks, so it is done at the start and every half minute, never inside a transaction.

A sink that cannot be reached says nothing: the alarm is for people, work goes on.
"""

import logging
import threading
from dataclasses import dataclass

from django.conf import settings
from django.db import Error, connections

from governance import notes
from governance.audit import checkpoints
from governance.audit.models import Checkpoint, Head
from governance.audit.sinks import Sink, open_sinks
from governance.errors import Unavailable
from governance.notes import BadNote, Verifier

logger = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
CODE = "log_behind"


@dataclass(frozen=True, slots=True)
class Behind:
    """A checkpoint that the database does not have."""

    sink: str
    note: str
    size: int
    root: str
    ours: int
    epoch: int

    def __str__(self) -> str:
        if self.size > self.ours:
            return f"{self.size:,} entries were sealed, and the database has {self.ours:,}"
        return f"the first {self.size:,} entries are not those that were sealed"


class _Known:
    found: Behind | None = None


def known() -> Behind | None:
    """Return what was found when this process last looked."""
    return _Known.found


def require_ahead() -> None:
    """Let a change pass, unless the database is behind.

    Raises:
        Unavailable: ``log_behind``.
    """
    if _Known.found is not None:
        raise Unavailable(
            f"Nothing can be changed: {_Known.found}. An operator has to record it first.",
            code=CODE,
            sealed=_Known.found.size,
            entries=_Known.found.ours,
        )


def look() -> Behind | None:
    """Compare the database with every sink that answers, and keep what is found."""
    found = None
    keys = _keys()
    for sink in open_sinks(settings.CONFIG.checkpoint_sinks):
        try:
            found = found or _look(sink, keys)
        except Unavailable as error:
            logger.warning("%s: %s", sink.name, error.message)
    if found and not _Known.found:
        logger.error("read-only: %s (%s)", found, found.sink)
    _Known.found = found
    return found


def watch(*, every: float = LOOK_SECONDS) -> threading.Event:
    """Look now, and then every so often in a thread of its own, until the event is set."""
    stop = threading.Event()
    if settings.CONFIG.checkpoint_sinks:
        _look_quietly()
        looking = threading.Thread(target=_go_on_looking, args=(stop, every), daemon=True)
        looking.start()
    return stop


def _go_on_looking(stop: threading.Event, every: float) -> None:
    while not stop.wait(every):
        _look_quietly()


def _look_quietly() -> None:
    """Keep what is known when the database cannot be asked: it can change nothing then."""
    try:
        look()
    except Error as error:
        logger.warning("checkpoints cannot be compared: %s", error)
    finally:
        connections.close_all()


def _keys() -> list[Verifier]:
    path = settings.CONFIG.checkpoint_keys_file
    return notes.read_keys(path.read_text()) if path else []


def _look(sink: Sink, keys: list[Verifier]) -> Behind | None:
    """Hold what the sink has, from our newest checkpoint on, against the log."""
    epoch = checkpoints.epoch()
    newest = Checkpoint.objects.filter(epoch=epoch).order_by("-size").first()
    for size in sink.sizes(epoch, after=newest.size - 1 if newest else 0):
        note = sink.read(epoch, size)
        try:
            sealed = notes.open_note(note, keys)
        except BadNote as error:
            logger.warning("%s: the checkpoint of %d: %s", sink.name, size, error)
            continue
        ours = Head.objects.values_list("seq", flat=True).first() or 0
        if sealed.size > ours or checkpoints.tree().root(0, sealed.size) != sealed.root:
            root = sealed.root.hex()
            return Behind(sink.name, note, sealed.size, root, ours=ours, epoch=epoch)
    return None
