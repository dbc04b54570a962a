"""What a way to cheat is."""

from dataclasses import dataclass
from enum import StrEnum


class Power(StrEnum):
    """What somebody must have the power over."""

    DATABASE = "owner of the database"
    SINK = "writes to the sink"
    STORE = "writes to the store"
    AGENT = "writes to an agent's disk"


class By(StrEnum):
    """Who names it."""

    WATCH = "the watch"
    SINKS = "every process, from the sink's checkpoint"
    SEALER = "the sealer, and the watch"
    AGENT = "the agent, and the watch"


SECONDS = {By.WATCH: 60, By.SINKS: 30, By.SEALER: 120, By.AGENT: 130}
"""Within what time, as installed: a round of each that takes part, one after the other."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One way to cheat. ``does`` is SQL for the database's owner, and else a line for a shell.

    In a shell, ``$SINK``, ``$STORE`` and ``$AGENT`` are folders.
    """

    name: str
    title: str
    does: str
    names: str
    """A regular expression of the words that name it."""
    power: Power = Power.DATABASE
    by: By = By.WATCH
    undo: str = ""
    """What puts it back, where nothing else does."""

    @property
    def seconds(self) -> int:
        """Within what time it is named."""
        return SECONDS[self.by]


def quietly(table: str, statements: str, *triggers: str) -> str:
    """Return statements with a table's triggers off, and on again before anybody can look."""
    off = "".join(f"ALTER TABLE {table} DISABLE TRIGGER {name};\n" for name in triggers)
    on = "".join(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name};\n" for name in triggers)
    # At once, or a table cannot be altered again while a check of its rows is due.
    at_once = "SET CONSTRAINTS ALL IMMEDIATE;\n"
    return f"BEGIN;\n{at_once}{off}{statements.strip()}\n{on}COMMIT;\n"
