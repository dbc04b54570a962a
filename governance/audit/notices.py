"""What the watch notices: that something was changed past the application, and what."""

from dataclasses import dataclass
from enum import StrEnum


class Area(StrEnum):
    """Where something was changed. The values are stored for good, in the audit log."""

    ENTRY = "entry"
    HEAD = "head"
    CHECKPOINT = "checkpoint"
    SINK = "sink"
    GUARD = "guard"
    ROW = "row"
    STATE = "desired state"
    ARTIFACT = "artifact"
    AGENT = "agent"


REMEDIES = {
    Area.ENTRY: "Find out who has the owner's rights. A sealed entry can be proven from a bundle.",
    Area.HEAD: "Stop what writes, and compare the log's end with the newest checkpoint of a sink.",
    Area.CHECKPOINT: "The sinks have the true ones. Find out who has the owner's rights.",
    Area.SINK: "Compare it with the other sinks, and find out who can write there.",
    Area.GUARD: "Put it back as the migrations made it, and find out who has the owner's rights.",
    Area.ROW: "The log says what was decided. Correct the row, and find out who changed it.",
    Area.STATE: "Publish the target's state anew, and find out who changed it.",
    Area.ARTIFACT: "Put the true bytes back from a copy, and find out who can write to the store.",
    Area.AGENT: "Find out who can write to the agent's disk. Restarted, it fetches true files.",
}


@dataclass(frozen=True, slots=True, order=True)
class Notice:
    """One thing that is not as it was left. ``what`` names it, the same words each time."""

    area: Area
    what: str

    @property
    def remedy(self) -> str:
        return REMEDIES[self.area]

    def __str__(self) -> str:
        return f"{self.area}: {self.what}"
