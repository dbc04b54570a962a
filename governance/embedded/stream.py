"""Many programs, one readable stream; and a bounded raw log for each."""

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

LINE_BYTES = 16 * 1024
LOG_BYTES = 4 * 1024 * 1024
COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Stream:
    """Prints ``12:00:01 eu-1    | text``, the names aligned, coloured on a terminal."""

    def __init__(self, out: TextIO, names: Iterable[str]) -> None:
        self._out = out
        self._names = list(names)
        self._width = max(map(len, self._names), default=0)
        self._coloured = out.isatty() and not os.environ.get("NO_COLOR")

    def say(self, name: str, text: str) -> None:
        """Print one line, without what would move a terminal's cursor."""
        label = f"{time.strftime('%H:%M:%S')} {name:<{self._width}} |"
        if self._coloured:
            place = self._names.index(name) if name in self._names else 0
            label = f"\x1b[{COLOURS[place % len(COLOURS)]}m{label}\x1b[0m"
        with suppress(OSError, ValueError):  # Whoever read us has gone; the work goes on.
            self._out.write(f"{label} {CONTROL.sub('', text)}\n")
            self._out.flush()


class Journal:
    """A raw log of bytes: ``NAME.log`` and, once that is full, ``NAME.log.1``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def write(self, content: bytes) -> None:
        """Append. A full disk loses log lines and stops nothing."""
        with suppress(OSError, ValueError):
            if self._file.tell() + len(content) > LOG_BYTES:
                self._file.close()
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
                self._file = self._path.open("ab", buffering=0)
            self._file.write(content)

    def close(self) -> None:
        self._file.close()


class Lines:
    """Cuts a stream of bytes into lines; one that never ends is cut as well."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, content: bytes) -> Iterator[str]:
        *whole, self._rest = (self._rest + content).split(b"\n")
        if len(self._rest) > LINE_BYTES:
            whole, self._rest = [*whole, self._rest], b""
        for line in whole:
            yield line[:LINE_BYTES].decode(errors="replace").rstrip("\r")

    def end(self) -> Iterator[str]:
        """Give what came after the last line's end."""
        rest, self._rest = self._rest, b""
        if rest:
            yield rest.decode(errors="replace")
