"""Sets the stage for a story, and clears it."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import typer

from lockgate.demo import data, homes
from lockgate.demo.errors import StoryError
from lockgate.demo.narrator import Narrator
from lockgate.demo.story.stage import Stage
from lockgate.demo.system import System
from lockgate.errors import LockgateError

QUICK: Final = {"SEALER_SECONDS": "10"}
"""A story is shorter than the minute in which the sealer comes otherwise."""


@contextmanager
def staged(
    home: Path | None, *, store: str = "", extra: Mapping[str, str] | None = None
) -> Iterator[Stage]:
    """Set the stage, and clear it in order, whatever ends the story.

    Args:
        home: an empty folder, or the usual one.
        store: ``s3``, or nothing for a folder.
        extra: settings of the system that plays.
    """
    if store not in {"", "s3"}:
        message = f"--store {store}: say s3, or nothing for a folder"
        raise typer.BadParameter(message)
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    tell = Narrator()
    try:
        with homes.fresh(home) as folder:
            stage = Stage(
                System(folder, store=store, extra={**QUICK, **(extra or {})}),
                tell,
                data.split(data.read()),
            )
            try:
                yield stage
            finally:
                _clear(stage)
    except (StoryError, LockgateError) as error:
        tell.console.print(f"[bold red]The story broke off.[/bold red] {error}", markup=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _clear(stage: Stage) -> None:
    """Stop callers first, so that nobody asks agents that are going."""
    if stage.traffic:
        stage.traffic.stop()
    stage.people.close()
    stage.system.stop()


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
