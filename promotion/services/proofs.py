"""Makes bundles for auditors over HTTP: into a temporary file, one at a time, of bounded size.

Making one reads the log as of one moment and takes seconds; a process makes one at a time,
so that reading the log never takes the threads that decide and answer agents.
"""

import tempfile
import threading
from collections.abc import Iterable
from typing import IO

from django.db.models import Sum

from governance.audit import bundles, checkpoints
from governance.audit.bundles import Question
from governance.audit.models import Checkpoint, ObjectHead
from governance.errors import Conflict, NotFound, TooLarge, Unavailable

MOST_ENTRIES = 200_000
"""Of one bundle over HTTP. A larger log is taken on the server: ``lockgate audit bundle``."""

_one = threading.BoundedSemaphore(1)


def of_log(*, objects: Iterable[str] = (), since: int = 0) -> IO[bytes]:
    """Make the bundle of the whole log, or of some objects; the caller closes the file.

    Raises:
        Conflict: ``not_sealed``.
        NotFound: ``unknown_object`` or ``unknown_checkpoint``.
        TooLarge: ``bundle_too_large``.
        Unavailable: ``bundle_in_progress``.
    """
    wanted = frozenset(objects)
    newest = checkpoints.newest()
    if newest is None:
        message = "Nothing is sealed yet; the sealer comes by the minute."
        raise Conflict(message, code="not_sealed")
    if since and not Checkpoint.objects.filter(size=since).exists():
        message = f"There is no checkpoint of {since:,} entries."
        raise NotFound(message, code="unknown_checkpoint")
    _refuse_too_many(_entries(wanted) if wanted else newest.size)
    return made(Question(objects=wanted, since=since))


def made(question: Question) -> IO[bytes]:
    """Write a bundle to a file that is gone once it is closed; it stands at its beginning.

    Raises:
        Unavailable: ``bundle_in_progress``, this process is making another one.
    """
    if not _one.acquire(blocking=False):
        message = "Another bundle is being made. Try again in a moment."
        raise Unavailable(message, code="bundle_in_progress")
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
    try:
        bundles.write(file, question)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    finally:
        _one.release()
    return file


def _entries(objects: frozenset[str]) -> int:
    rows = ObjectHead.objects.filter(object__in=objects)
    return rows.aggregate(total=Sum("seq"))["total"] or 0


def _refuse_too_many(entries: int) -> None:
    if entries <= MOST_ENTRIES:
        return
    message = (
        f"This bundle has {entries:,} entries, and over HTTP one has {MOST_ENTRIES:,} at most."
        " Ask for single objects, or run lockgate audit bundle on the server."
    )
    raise TooLarge(message, code="bundle_too_large", entries=entries, limit=MOST_ENTRIES)
