"""The 30,000 clients, and who plays which part."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

FILE: Final = Path(__file__).with_name("credit_default.parquet")
ID: Final = "client_id"
LABEL: Final = "default_next_month"

FIRST: Final = 8_000
"""Clients the first version was trained on."""

HELD_OUT: Final = 10_000
"""Clients no version has seen: they are measured on, and arrive as traffic."""

SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Clients:
    """Some clients: their ids, features (float32) and whether they defaulted."""

    ids: NDArray[np.int64]
    features: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.int64]) -> "Clients":
        return Clients(self.ids[rows], self.features[rows], self.labels[rows])


@dataclass(frozen=True, slots=True)
class Parts:
    """Who is for what. ``all_known`` holds ``first``; nobody of ``held_out`` is in either."""

    first: Clients
    all_known: Clients
    held_out: Clients


@cache
def feature_names() -> tuple[str, ...]:
    """Name the features, in the order models take them."""
    return tuple(name for name in pq.read_schema(FILE).names if name not in {ID, LABEL})


def read() -> Clients:
    """Read every client."""
    table = pq.read_table(FILE)
    columns = [table[name].to_numpy() for name in feature_names()]
    return Clients(
        table[ID].to_numpy().astype(np.int64),
        np.column_stack(columns).astype(np.float32),
        table[LABEL].to_numpy().astype(np.int64),
    )


def split(clients: Clients) -> Parts:
    """Deal the clients out, the same way every time."""
    order = np.random.default_rng(SEED).permutation(len(clients))
    known = len(clients) - HELD_OUT
    return Parts(
        clients.take(order[:FIRST]),
        clients.take(order[:known]),
        clients.take(order[known:]),
    )
