"""What is told while a command waits: on the error stream, so that answers stay clean.

For a person, the newest line has the time that has passed beside it and is drawn
again in its place. In a pipeline's log each line stands once.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from lockgate.cli.output import clean
from lockgate.walk import Tell

REDRAWN_PER_SECOND = 4


@contextmanager
def progress() -> Iterator[Tell]:
    """Give a function that takes each new line."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    if not console.is_terminal:
        yield lambda line: console.print(Text(clean(line)))
        return
    waiting = _Waiting()
    with Live(waiting, console=console, refresh_per_second=REDRAWN_PER_SECOND, transient=True):

        def tell(line: str) -> None:
            console.print(Text(clean(line)))
            waiting.began = time.monotonic()

        yield tell


class _Waiting:
    """How long nothing new has come."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def __rich__(self) -> Text:
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        return Text(f"... for {minutes}:{seconds:02d}", style="dim")
