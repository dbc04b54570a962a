"""Rows to prove a model on: from Parquet, or as they are at hand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from lockgate.errors import BadSample

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows as agents send them, in float32, and the names of their columns."""

    rows: NDArray[np.float32]
    names: list[str]

    def __len__(self) -> int:
        return len(self.rows)


def read_table(path: Path, *, drop: Iterable[str] = ()) -> pa.Table:
    """Read a Parquet file, without the columns that are no features.

    Raises:
        BadSample: it is none, has no rows, or not these columns.
    """
    try:
        table = pq.read_table(path)
    except OSError as error:
        raise BadSample(f"{path}: {error.strerror or error}") from error
    except pa.ArrowException as error:
        raise BadSample(f"{path} is no Parquet file: {error}") from error
    _require(table, drop)
    table = table.drop_columns(list(dict.fromkeys(drop)))
    if len(set(table.column_names)) != table.num_columns:
        raise BadSample("Two of its columns have the same name.")
    if not table.num_rows or not table.num_columns:
        raise BadSample("A sample has rows and columns.")
    return table


def of_table(table: pa.Table, *, names: Sequence[str] | None) -> Sample:
    """Take the columns of these names, or all in their order.

    Raises:
        BadSample: a column is missing, or holds no numbers.
    """
    if names is not None:
        _require(table, names)
        table = table.select(list(names))
    columns = [numbers(table[name], name=name) for name in table.column_names]
    return of_rows(np.column_stack(columns), names=table.column_names)


def of_rows(rows: ArrayLike, *, names: Sequence[str] | None = None) -> Sample:
    """Take rows at hand; without names, columns are f0, f1 and so on.

    Raises:
        BadSample: they are no rows of numbers, or not as many columns as names.
    """
    with np.errstate(over="ignore"):
        taken = np.asarray(rows, dtype=np.float32)
    if taken.ndim != 2 or not taken.size:
        raise BadSample("A sample has rows and columns.")
    if np.isinf(taken).any():
        raise BadSample("The sample holds numbers too large for float32.")
    found = list(names) if names else [f"f{index}" for index in range(taken.shape[1])]
    if len(found) != taken.shape[1]:
        raise BadSample(f"There are {len(found)} names for {taken.shape[1]} columns.")
    return Sample(taken, found)


def numbers(column: Any, *, name: str) -> NDArray[np.float64]:
    """Turn a column into numbers; what is missing becomes NaN.

    Raises:
        BadSample: it holds something else.
    """
    kind = column.type
    if pa.types.is_boolean(kind):
        column = column.cast(pa.uint8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise BadSample(
            f"The column {name!r} holds {kind}, not numbers. Encode it, or leave it out."
        )
    found: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    return found


def listed(rows: Iterable[int]) -> str:
    """Name some rows for people, by their positions."""
    positions = list(rows)
    more = ", ..." if len(positions) > _SHOWN else ""
    return ", ".join(map(str, positions[:_SHOWN])) + more


def _require(table: pa.Table, names: Iterable[str]) -> None:
    if missing := [name for name in names if name not in table.column_names]:
        shown = ", ".join(map(repr, missing[:_SHOWN]))
        raise BadSample(f"The sample has no column {shown}.")
