"""Servers for the test run, there before Django reads its settings.

Loaded by name from ``pyproject.toml``, because a ``conftest.py`` would be too late.
What the environment names is used; everything else is embedded, below a folder
that goes when the run ends.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from governance import embedded


def _provide_servers() -> None:
    if "LOCKGATE_HOME" not in os.environ:
        home = tempfile.mkdtemp(prefix="lockgate-tests-")
        # Registered first, so it runs last: after the servers have stopped.
        atexit.register(shutil.rmtree, home, ignore_errors=True)
        os.environ["LOCKGATE_HOME"] = home
    os.environ.setdefault("LOCKGATE_PG_FSYNC", "off")
    embedded.provide_missing()
    # Whitenoise warns about a folder of static files that is not there.
    (Path(os.environ["LOCKGATE_HOME"]) / "static").mkdir(parents=True, exist_ok=True)


_provide_servers()
