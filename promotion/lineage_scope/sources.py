"""What the report of a scope is made from, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass

from promotion.lineage.sources import Record

BEFORE = "before this period"
"""Stands for the beginning of what was so when the period began."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked: where, and from when to before when. Empty: everywhere, all there is."""

    environment: str = ""
    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """One object's entries in all of the log, by their numbers within it."""

    object: str
    entries: int
    first: int
    last: int

    def is_gapless(self) -> bool:
        return self.first == 1 and self.entries == self.last


@dataclass(frozen=True, slots=True)
class ScopeSources:
    """Everything one report is made from.

    Attributes:
        records: every entry of the scope, oldest first.
        starts_after: how many entries the log had when the period began.
        before: the last word on each deployment and agent before the period.
        requests: entries of requests that have one in the scope, up to the log's size.
        rights: what was granted and revoked up to the period's end, here or everywhere.
        incidents: those up to the period's end.
        refused: attempts that rules forbade in the period and place.
        unplaced: how many more refusals of the period name no place.
        versions: digest -> model and number.
    """

    scope: Scope
    size: int
    head: str
    as_of: str
    starts_after: int
    records: tuple[Record, ...]
    before: tuple[Record, ...]
    requests: tuple[Record, ...]
    rights: tuple[Record, ...]
    incidents: tuple[Record, ...]
    refused: tuple[Record, ...]
    unplaced: int
    chains: tuple[Chain, ...]
    versions: Mapping[str, tuple[str, int]]
