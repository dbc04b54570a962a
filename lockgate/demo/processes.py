"""Children that do not outlive us, and that Ctrl-C does not reach before we say so."""

import shutil
import sys


def leashed(command: list[str]) -> list[str]:
    """Have the kernel end a child when we end, however that happens; start it from the main thread.

    Where there is no ``setpriv`` (not Linux), a killed demo leaves it running.
    """
    found = shutil.which("setpriv") if sys.platform == "linux" else None
    return [found, "--pdeathsig", "TERM", "--", *command] if found else command
