"""Rows to prove a model on: from Parquet, or as they are at hand."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from lockgate.convert.descriptions import feature
from lockgate.errors import BadSample
from lockgate.manifest import Document

INPUT: Final = "X"
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Sample(ABC):
    """Rows as agents send them, and the names of their columns."""

    names: list[str]

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def asked(self) -> Any:
        """What the estimator is asked about."""

    @abstractmethod
    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return what the model takes, by the names of its inputs."""

    @abstractmethod
    def inputs(self) -> list[Document]:
        """Describe the tensors as a manifest does."""

    def missing(self) -> NDArray[np.int64]:
        """Return the positions of the rows that lack a number."""
        found = np.zeros(len(self), np.bool_)
        for values in self.tensors().values():
            if values.dtype == np.float32:
                found |= np.isnan(values).any(axis=1)
        return np.flatnonzero(found)


@dataclass(frozen=True, slots=True)
class Rows(Sample):
    """Rows of numbers in float32, as one tensor."""

    rows: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def asked(self) -> NDArray[np.float32]:
        return self.rows

    def tensors(self) -> dict[str, NDArray[Any]]:
        return {INPUT: self.rows}

    def inputs(self) -> list[Document]:
        columns = zip(self.names, self.rows.T, strict=True)
        features = [feature(name, column) for name, column in columns]
        shape = [-1, len(self.names)]
        return [{"name": INPUT, "datatype": "FP32", "shape": shape, "features": features}]


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


def of_table(table: pa.Table, *, names: Sequence[str] | None) -> Rows:
    """Take the columns of these names, or all in their order.

    Raises:
        BadSample: a column is missing, or holds no numbers.
    """
    if names is not None:
        table = selected(table, names)
    columns = [numbers(table[name], name=name) for name in table.column_names]
    return of_rows(np.column_stack(columns), names=table.column_names)


def selected(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """Take the columns of these names, in this order.

    Raises:
        BadSample: one is missing.
    """
    _require(table, names)
    return table.select(list(names))


def of_rows(rows: ArrayLike, *, names: Sequence[str] | None = None) -> Rows:
    """Take rows at hand; without names, columns are f0, f1 and so on.

    Raises:
        BadSample: they are no rows of numbers, or not as many columns as names.
    """
    try:
        taken = float32(rows)
    except (TypeError, ValueError) as error:
        raise BadSample("A sample is rows of as many numbers each.") from error
    if taken.ndim != 2 or not taken.size:
        raise BadSample("A sample has rows and columns.")
    found = list(names) if names else [f"f{index}" for index in range(taken.shape[1])]
    if len(found) != taken.shape[1]:
        raise BadSample(f"There are {len(found)} names for {taken.shape[1]} columns.")
    return Rows(found, taken)


def float32(values: ArrayLike) -> NDArray[np.float32]:
    """Round numbers to those that agents are sent.

    Raises:
        BadSample: one is too large.
    """
    with np.errstate(over="ignore"):
        rounded = np.asarray(values, dtype=np.float32)
    if np.isinf(rounded).any():
        raise BadSample("The sample holds numbers too large for float32.")
    return rounded


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
            f"The column {name!r} holds {kind}, not numbers. Encode it, leave it out,"
            " or fit the estimator on a table, so that it knows its columns by name."
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
