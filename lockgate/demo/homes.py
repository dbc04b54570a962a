"""The demo's own home: a fresh one each time, and never anybody else's folder."""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lockgate.demo.errors import StoryError

MARKER: Final = "made-by-the-demo"
"""A file of this name says that the demo made a folder, and may remove it."""

USUAL: Final = Path(".lockgate/story")
MOST: Final = 9


@contextmanager
def fresh(wanted: Path | None) -> Iterator[Path]:
    """Hold an empty home: the wanted one, else the first that no other demo holds.

    Raises:
        StoryError: it is not ours to empty, or another demo runs on it.
    """
    places = [wanted] if wanted else [USUAL, *(Path(f"{USUAL}-{n}") for n in range(2, MOST))]
    for place in places:
        with _held(place.absolute()) as home:
            if home is not None:
                _empty(home)
                yield home
                return
    where = ", ".join(map(str, places))
    raise StoryError(f"a demo runs already on {where}; stop it with Ctrl-C, or name another --home")


def note_elsewhere(home: Path, folder: Path) -> None:
    """Write down a folder outside the home that goes when the home does.

    Embedded PostgreSQL sits in the temporary folder where the home is out of its reach.
    """
    if folder.is_relative_to(home):
        return
    (home / MARKER).write_text(json.dumps([str(folder)]))


@contextmanager
def _held(home: Path) -> Iterator[Path | None]:
    """Be the only demo on a home, for as long as this process lives. None: another one is."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{home}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield home


def _empty(home: Path) -> None:
    marker = home / MARKER
    if home.exists() and any(home.iterdir()):
        if not marker.exists():
            raise StoryError(f"{home} is not the demo's, so it is not emptied; name another --home")
        _refuse_if_up(home)
        for elsewhere in json.loads(marker.read_text() or "[]"):
            if Path(elsewhere).is_relative_to(tempfile.gettempdir()):
                shutil.rmtree(elsewhere, ignore_errors=True)
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True)
    marker.write_text("[]")


def _refuse_if_up(home: Path) -> None:
    """Leave a system alone that still runs there, started by whomever."""
    try:
        standing = json.loads((home / "run" / "up.json").read_bytes())
        os.kill(standing["pid"], 0)
    except (OSError, ValueError, KeyError):
        return
    raise StoryError(f"a system runs on {home}: {standing.get('url')}; stop it first")
