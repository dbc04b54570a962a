"""Tells the story line by line, and remembers how long each step took."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lockgate.demo.tally import Tally

CACHED_SECONDS = 2.0
"""How long a decision may take to be answered by, with the files on the agents' disks."""


@dataclass(slots=True)
class Step:
    """One step of the story, and what came of it."""

    name: str
    began: float
    seconds: float


@dataclass(slots=True)
class Switch:
    """A decision, and how long it took until every agent answered accordingly."""

    name: str
    seconds: float
    files: str


@dataclass(slots=True)
class Narrator:
    """Speaks to a console: the time, the seconds since the line before, and the line."""

    console: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))
    steps: list[Step] = field(default_factory=list)
    switches: list[Switch] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    _spoke: float = field(default_factory=time.monotonic)

    def say(self, line: str) -> None:
        now = time.monotonic()
        at, since = time.strftime("%H:%M:%S"), now - self._spoke
        self._spoke = now
        self.console.print(f"[dim]{at}  {since:+6.1f} s[/dim]  {escape(line)}")

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Announce a step, and note how long it takes."""
        self.console.print(f"\n[bold]{escape(name)}[/bold]")
        began = time.monotonic()
        yield
        self.steps.append(Step(name, began - self.began, time.monotonic() - began))

    def switched(self, name: str, *, seconds: float, files: str) -> None:
        """Note a decision that every agent answers by, and say so."""
        self.switches.append(Switch(name, seconds, files))
        self.say(f"every agent answers accordingly {seconds:.2f} s after the decision ({files})")

    def print_tables(self, tally: Tally) -> None:
        """Print what there is to count."""
        for table in (
            steps_table(self.steps),
            switches_table(self.switches),
            requests_table(tally),
        ):
            self.console.print()
            self.console.print(table)


def print_places(console: Console, places: Mapping[str, str]) -> None:
    """Say where to look next, each place in one piece, so that it can be clicked."""
    width = max(map(len, places))
    console.print("\n[italic]Look around[/italic]")
    for place, what in places.items():
        console.print(f"{escape(place):<{width}}  {what}")


def steps_table(steps: list[Step]) -> Table:
    table = Table(title="Steps", title_justify="left", box=None, pad_edge=False)
    table.add_column("step")
    table.add_column("began at", justify="right")
    table.add_column("took", justify="right")
    for step in steps:
        table.add_row(escape(step.name), f"{step.began:.1f} s", f"{step.seconds:.1f} s")
    total = sum(step.seconds for step in steps)
    table.add_row("all of it", "", f"{total:.1f} s", style="bold")
    return table


def switches_table(switches: list[Switch]) -> Table:
    table = Table(
        title="From the decision to every agent answering by it",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("decision")
    table.add_column("took", justify="right")
    table.add_column("files")
    table.add_column("promised", justify="right")
    for switch in switches:
        promised = f"{CACHED_SECONDS:g} s" if switch.files.startswith("cached") else ""
        table.add_row(escape(switch.name), f"{switch.seconds:.2f} s", switch.files, promised)
    return table


def requests_table(tally: Tally) -> Table:
    """Count requests; the answers of each version are the ones callers got."""
    table = Table(title="Requests", title_justify="left", box=None, pad_edge=False)
    table.add_column("what")
    table.add_column("how many", justify="right")
    table.add_row("sent to the agents of prod-eu", f"{tally.sent:,}")
    table.add_row("failed", f"{tally.failed:,}", style="bold" if not tally.failed else "bold red")
    table.add_row("longest time without an answer", f"{tally.gap * 1000:,.0f} ms")
    for version, count in sorted(tally.versions.items(), key=lambda each: int(each[0])):
        table.add_row(f"answered by version {version}", f"{count:,}")
    return table
