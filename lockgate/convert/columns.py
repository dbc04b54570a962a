"""A table whose columns stay apart: each is an input of the model, numbers or text.

For estimators that were fitted on a table and tell its columns apart by name, as a
``ColumnTransformer`` does, or that take text. All others take one input of all numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer

from lockgate.convert.descriptions import feature
from lockgate.convert.samples import Sample, float32, numbers, selected
from lockgate.errors import BadSample
from lockgate.manifest import Document


@dataclass(frozen=True, slots=True)
class Columns(Sample):
    """Rows as agents send them, one tensor to each column.

    Attributes:
        table: what the estimator is asked about: numbers in float32, and text.
    """

    table: pa.Table
    feeds: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def asked(self) -> Any:
        """The table, as pandas has it where that is installed: some transformers know no other."""
        return self.table.to_pandas() if find_spec("pandas") else self.table

    def tensors(self) -> dict[str, NDArray[Any]]:
        return self.feeds

    def inputs(self) -> list[Document]:
        return [
            {
                "name": name,
                "datatype": "FP32" if values.dtype == np.float32 else "BYTES",
                "shape": [-1, 1],
                "features": [feature(name, values[:, 0])],
            }
            for name, values in self.feeds.items()
        ]


def needed(estimator: Any, table: pa.Table, *, names: Sequence[str]) -> bool:
    """Tell whether an estimator can only be asked with a table of these columns."""
    if any(is_text(table[name]) for name in names if name in table.column_names):
        return True
    parts = [estimator, *estimator.get_params(deep=True).values()]
    return any(
        _named(wanted)
        for part in parts
        if isinstance(part, ColumnTransformer)
        for _, _, wanted in part.transformers
    )


def of_table(table: pa.Table, *, names: Sequence[str]) -> Columns:
    """Take the columns of these names, each as a tensor of its own.

    Raises:
        BadSample: a column is missing, or holds neither numbers nor text.
    """
    typed = {name: _typed(selected(table, names)[name], name=name) for name in names}
    feeds = {name: values.reshape(-1, 1) for name, values in typed.items()}
    return Columns(list(names), pa.table(typed), feeds)


def is_text(column: Any) -> bool:
    """Tell whether a column holds text, also where it was written as a dictionary."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _typed(column: Any, *, name: str) -> NDArray[Any]:
    if not is_text(column):
        return float32(numbers(column, name=name))
    if column.null_count:
        gaps = f"{column.null_count} of its rows have none"
        raise BadSample(f"The column {name!r} holds text, and {gaps}: fill them with a word.")
    found: NDArray[Any] = column.cast(pa.string()).to_numpy().astype(object)
    return found


def _named(wanted: Any) -> bool:
    """Tell whether columns are chosen by name, or by somebody who looks at a table."""
    if callable(wanted):
        return True
    ends = [wanted.start, wanted.stop] if isinstance(wanted, slice) else wanted
    return any(isinstance(one, str) for one in np.atleast_1d(np.asarray(ends, dtype=object)))
