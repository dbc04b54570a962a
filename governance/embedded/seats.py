"""Where embedded PostgreSQL sits, and as whom it runs: it refuses to be root.

    who we are                     it runs as         data and sockets
    an ordinary user               ourselves          in the home
    root, user namespaces work     root, unseen       in the home
    root, and they are refused     user 65534         in the home, if that user can reach it,
                                                      else in the temporary folder

Whether it works is found out by trying, in that order. A cluster that exists stays
where it is, and changes owner when the way it is run has changed.
"""

import hashlib
import os
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from governance.embedded import binaries
from governance.embedded.binaries import Programs
from governance.embedded.errors import EmbeddedError
from governance.embedded.home import Home
from governance.embedded.leash import NOBODY
from governance.embedded.processes import Leash

SOCKET_BYTES = 107
SOCKET_NAME = ".s.PGSQL.5432"
IDENTITIES = ("same", "namespace", str(NOBODY))


@dataclass(frozen=True, slots=True)
class Seat:
    """A folder of PostgreSQL's, the identity it runs under, and programs it can run."""

    folder: Path
    identity: str
    programs: Programs

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def owner(self) -> int:
        return _owner(self.identity)


def find(home: Home) -> Seat:
    """Try the seats in order, and give the first that works."""
    folders = find_folders(home)
    made = next((each for each in folders if (each / "data" / "PG_VERSION").exists()), None)
    major = int((made / "data" / "PG_VERSION").read_text()) if made else None
    programs = binaries.postgres(major=major)
    for folder in [made] if made else folders:
        for identity in _identities():
            seat = _try(folder, identity, programs)
            if seat:
                return seat
    raise EmbeddedError(
        f"PostgreSQL can run from none of {', '.join(map(str, folders))} "
        f"(as {', '.join(_identities())}); choose another LOCKGATE_HOME or set DATABASE_URL."
    )


def sockets(home: Home, seat: Seat) -> Path:
    """Give a folder whose socket paths are short enough for the kernel, closed to others."""
    for folder in [seat.folder, *find_folders(home)[1:]]:
        if len(os.fsencode(folder / "s" / SOCKET_NAME)) <= SOCKET_BYTES:
            own(folder, seat.owner)
            own(folder / "s", seat.owner)
            return folder / "s"
    raise EmbeddedError(f"{seat.folder}: the path is too long for a socket; set TMPDIR=/tmp.")


def own(folder: Path, owner: int) -> None:
    """Make a folder ours or the server's alone, with all it holds.

    Raises:
        EmbeddedError: somebody else has put something there.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    expected = {os.getuid(), owner} | ({NOBODY} if os.getuid() == 0 else set())
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in expected:
        raise EmbeddedError(f"{folder} belongs to somebody else; remove it or set another home.")
    if found.st_uid != owner:
        hand_over(folder, owner)
    folder.chmod(0o700)


def hand_over(folder: Path, owner: int) -> None:
    """Give a folder and all it holds to a user."""
    for path in [folder, *folder.rglob("*")]:
        if path.lstat().st_uid != owner:
            os.chown(path, owner, owner, follow_symlinks=False)


def _owner(identity: str) -> int:
    return NOBODY if identity == str(NOBODY) else os.getuid()


def _identities() -> tuple[str, ...]:
    named = os.environ.get("LOCKGATE_PG_AS")
    if named:
        if named not in IDENTITIES:
            raise EmbeddedError(f"LOCKGATE_PG_AS={named} is none of {', '.join(IDENTITIES)}.")
        return (named,)
    return ("same",) if os.getuid() else ("namespace", str(NOBODY))


def find_folders(home: Home) -> list[Path]:
    name = hashlib.sha256(os.fsencode(home.path)).hexdigest()[:12]
    places = dict.fromkeys((tempfile.gettempdir(), "/tmp"))  # noqa: S108  checked by own()
    temporary = [Path(place) / f"lockgate-{os.getuid()}-{name}" for place in places]
    return [home.path / "postgres", *temporary]


def _try(folder: Path, identity: str, programs: Programs) -> Seat | None:
    own(folder, _owner(identity))
    if _works(folder, identity, programs):
        return Seat(folder, identity, programs)
    if identity == str(NOBODY) and programs.in_wheel:
        copy = programs.copy_to(folder)
        hand_over(folder, NOBODY)
        if _works(folder, identity, copy):
            return Seat(folder, identity, copy)
    return None


def _works(folder: Path, identity: str, programs: Programs) -> bool:
    """Say whether that identity can write there and run the programs."""
    script = 'test -w "$1" && cd "$1" && exec "$0" --version'
    trial = ["sh", "-c", script, programs.initdb, str(folder)]
    command = Leash(identity=identity).command(trial)
    return subprocess.run(command, capture_output=True, cwd="/", check=False).returncode == 0
