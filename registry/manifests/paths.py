"""What a file of a version may be called.

The names become paths on agents, on whatever file system they have. So they are
plain ASCII, relative, without anything a shell, an archive or another file
system would read as something else, and no two differ in case alone.
"""

import re
from collections.abc import Iterable

LONGEST = 255
_ALLOWED = (
    "may hold letters, digits and _ . + = @ - between slashes, each part beginning with"
    " a letter, digit or _ and not ending with a dot"
)
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=@-]*\Z")


def problem_with_path(path: str) -> str:
    """Say what is wrong with a file's path, or return ``""``."""
    parts = path.split("/")
    rules = (
        (not path, "must not be blank"),
        (len(path.encode("utf-8", "surrogatepass")) > LONGEST, f"is longer than {LONGEST} bytes"),
        (path.startswith("/"), "must be relative"),
        ("\\" in path, "must use / between folders"),
        (bool({".", ".."} & set(parts)), "must not lead out of its folder"),
        (not all(map(_PART.match, parts)), _ALLOWED),
        (any(part.endswith(".") for part in parts), _ALLOWED),
    )
    return next((problem for broken, problem in rules if broken), "")


def clashes(paths: Iterable[str]) -> dict[int, str]:
    """Find, by position, what cannot lie beside those before it: twins, a folder as a file."""
    found: dict[int, str] = {}
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    for position, path in enumerate(paths):
        folded = path.casefold()
        above = ["/".join(folded.split("/")[:depth]) for depth in range(1, folded.count("/") + 1)]
        if folded in seen:
            same = seen[folded] == path
            found[position] = "stands there twice" if same else "differs in case alone"
        elif folded in folders or any(folder in seen for folder in above):
            found[position] = "is a file and a folder"
        seen[folded] = path
        folders.update(dict.fromkeys(above, path))
    return found
