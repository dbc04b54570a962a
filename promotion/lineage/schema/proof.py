"""That nothing is missing, what it supports, and the entries themselves: sections 11 to 13."""

from typing import Literal

from promotion.lineage.schema.parts import Digest, Entry, Part, Text


class Completeness(Part):
    """11. That nothing is missing."""

    object: Text
    first: int
    last: int
    entries_of_the_model: int
    entries_of_this_version: int
    entries_beside: int
    is_gapless: bool
    by_action: dict[str, int]
    model_by_action: dict[str, int]
    erased_payloads: list[Entry]
    imported: Text
    reconciliation: Text


class Control(Part):
    """12. One requirement, and what here speaks to it."""

    regime: Text
    clause: Text
    asks: Text
    this_report: Literal["supports", "not covered"]
    sections: list[Text]
    entries: list[Entry]
    further_entries: int
    missing: Text


class Leaf(Part):
    """The exact bytes of one entry, and their hash."""

    seq: Entry
    hash: Digest
    leaf: Text


class Payload(Part):
    """What lies beside an entry."""

    seq: Entry
    salt: Text
    payload: Text


class Proven(Part):
    """The exact bytes of what an entry names by its hash."""

    what: Text
    subject: Text
    sha256: Digest
    document: Text


class Head(Part):
    """Where the log ended."""

    size: Entry
    hash: Digest


class Proof(Part):
    """13. The entries themselves."""

    how: Text
    inclusion: Text
    chain: list[Leaf]
    others: list[Leaf]
    payloads: list[Payload]
    documents: list[Proven]
    head: Head
