"""Commands of other packages, found by entry points and imported when they are asked for.

A command of the server, where the server is not installed, says so in one line.
"""

from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

GROUP = "lockgate.commands"


def server_is_installed() -> bool:
    """Tell whether the extra ``server`` is there."""
    try:
        return find_spec("django") is not None
    except ImportError:
        return False


class Commands(TyperGroup):
    """Our own commands and those of ``lockgate.commands``."""

    def list_commands(self, ctx: Any) -> list[str]:
        """List all names; ours win."""
        own = super().list_commands(ctx)
        return own + sorted(_entries().keys() - set(own))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, imported now if it is another package's."""
        own = super().get_command(ctx, cmd_name)
        entry = _entries().get(cmd_name)
        if own is not None or entry is None:
            return own
        try:
            found = entry.load()
        except ImportError as error:
            return _missing(cmd_name, error)
        command = get_command(_application(found, cmd_name))
        command.name = cmd_name
        return command


def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _application(found: Any, name: str) -> typer.Typer:
    if isinstance(found, typer.Typer):
        return found
    made = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    made.command(name)(found)
    return made


def _missing(name: str, error: ImportError) -> Any:
    """Stand in for a command that cannot be imported."""
    summary = "Needs the server: pip install 'lockgate[server]'"
    made = typer.Typer(add_completion=False)

    @made.command(name, help=summary, context_settings={"ignore_unknown_options": True})
    def stand_in(arguments: list[str] = typer.Argument(None)) -> None:  # noqa: ARG001, B008 - whatever
        reason = summary if not server_is_installed() else f"cannot be loaded: {error}"
        typer.echo(f"lockgate {name}: {reason}", err=True)
        raise typer.Exit(2)

    return get_command(made)
