"""The command ``lockgate``.

Exit codes: 0 done, 1 the service or the files say no, 2 wrong usage,
3 no answer from the service, 4 waited too long, 5 the converted model answers
otherwise, 130 interrupted.
"""

import sys

from lockgate.cli.application import app
from lockgate.cli.extensions import server_is_installed
from lockgate.cli.output import explain
from lockgate.errors import LockgateError

__all__ = ["app", "main"]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line, and say what went wrong in a line instead of a traceback."""
    try:
        app(arguments)
    except LockgateError as error:
        sys.exit(explain(error))
    except ModuleNotFoundError as error:
        if server_is_installed():
            raise
        sys.stderr.write(f"This needs the server ({error.name}): pip install 'lockgate[server]'\n")
        sys.exit(2)
