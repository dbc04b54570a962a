"""Who answers a call while a candidate or a spare stands beside the champion.

Pure: a rule from the desired state and what a caller said of itself, in; yes or
no out. The same caller gets the same answer from every agent and after every
restart, for nothing is drawn and nothing is remembered.
"""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

import msgspec

KEY = "routing_key"
"""The request parameter that decides who shares an answer, unless the document names another."""
GROUP = "group"
SPAN = 2**64


class Instead(StrEnum):
    """Why the spare answered a call that was the champion's. Callers read it: never rename one."""

    ERROR = "error"
    DEADLINE = "deadline"
    GOLDEN = "golden"
    """The champion's golden transaction last came out wrong."""
    STOPPED = "stopped"
    """No champion is decided."""
    MISSING = "missing"
    """One is decided, and is not in memory."""


class Caller(msgspec.Struct, frozen=True):
    """What one request says of who asks."""

    key: str
    """Given by the caller, else the transaction's id."""
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Which calls of one model go to its candidate, on this very agent.

    ``group`` lets only callers of that name reach it, also by number.
    """

    share: float = 0.0
    salt: str = ""
    parameter: str = KEY
    group: str | None = None
    spare: str | None = None
    """The digest of who answers where the champion cannot."""
    stopped: bool = False
    """No champion is decided."""

    def chooses(self, caller: Caller) -> bool:
        """Tell whether the candidate answers this unversioned call."""
        if self.group is not None:
            return caller.group == self.group
        return self.share >= 1 or (self.share > 0 and place(self.salt, caller.key) < self.share)

    def admits(self, caller: Caller) -> bool:
        """Tell whether this caller may reach the candidate at all."""
        return self.group is None or caller.group == self.group


NOBODY = Rule()
EVERYBODY = Rule(share=1.0)


def place(salt: str, key: str) -> float:
    """Give a key its place in [0, 1): the same everywhere, another one under another salt."""
    # Whatever a caller sends as its key has a place, also what is no proper text.
    digest = sha256((salt + key).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) / SPAN
