"""Describe an ONNX file that was made elsewhere by what it answers to a sample.

There is no estimator to hold it against, so its own answers become the golden
transactions: they prove that agents answer as it did here. Where the sample has a
column with the scores training gave, those are proved first.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
from numpy.typing import NDArray
from onnx.external_data_helper import uses_external_data

from lockgate.convert.columns import is_text
from lockgate.convert.descriptions import (
    GOLDEN,
    TOLERANCE,
    Answered,
    Arrays,
    Description,
    describe,
    feature,
)
from lockgate.convert.forests import Tell
from lockgate.convert.proof import PROBABILITIES, first_line, judge, open_model, run
from lockgate.convert.samples import listed, numbers
from lockgate.errors import BadSample, NotConvertible
from lockgate.manifest import Document

_TYPES: dict[str, tuple[str, Any]] = {
    "tensor(float)": ("FP32", np.float32),
    "tensor(double)": ("FP64", np.float64),
    "tensor(float16)": ("FP16", np.float16),
    "tensor(int64)": ("INT64", np.int64),
    "tensor(int32)": ("INT32", np.int32),
    "tensor(int16)": ("INT16", np.int16),
    "tensor(int8)": ("INT8", np.int8),
    "tensor(uint64)": ("UINT64", np.uint64),
    "tensor(uint32)": ("UINT32", np.uint32),
    "tensor(uint16)": ("UINT16", np.uint16),
    "tensor(uint8)": ("UINT8", np.uint8),
    "tensor(bool)": ("BOOL", np.bool_),
    "tensor(string)": ("BYTES", np.object_),
}
_FLOATS = ("FP16", "FP32", "FP64")


def describe_file(
    path: Path,
    table: pa.Table,
    *,
    output: str | None = None,
    expected: str | None = None,
    threshold: float | None = 0.5,
    tolerance: float = TOLERANCE,
    golden: int = GOLDEN,
    tell: Tell = lambda _: None,
) -> Description:
    """Let a model answer a sample, and prepare all that a manifest says of it.

    Args:
        table: columns named as the model's inputs, or in the order of its only one.
        output: which one holds the score; without it ``probabilities``, or the first of floats.
        expected: column of the scores that training gave.

    Raises:
        NotConvertible: the file is no ONNX model that can be served.
        BadSample: the sample is not what it takes.
        NotEqual: it answers otherwise than ``expected`` says.
    """
    wanted = None
    if expected is not None:
        wanted = numbers(_column(table, expected), name=expected)
        table = table.drop_columns([expected])
    tell(f"loading {path}")
    session = open_model(path)
    inputs, feeds = _inputs(session, table)
    tell(f"asking it about {table.num_rows:,} rows")
    try:
        answers = run(session, feeds)
    except Exception as error:
        # The runtime has exceptions of its own, and no common class for them.
        raise BadSample(f"The model refuses the sample: {first_line(error)}") from error
    answered = Answered(inputs, feeds, _outputs(session, answers, rows=table.num_rows), answers)
    name = _score_output(answered, output)
    _require_numbers(answered)
    if wanted is not None:
        scores = answered.scores(name)
        wrong = ~(np.abs(wanted - scores) <= tolerance * np.maximum(1.0, np.abs(wanted)))
        found = {name: scores.reshape(-1, 1)}
        judge(name, wanted.reshape(-1, 1), found, wrong=wrong, tolerance=tolerance)
    return describe(answered, output=name, threshold=threshold, tolerance=tolerance, golden=golden)


def external_files(path: Path) -> list[str]:
    """Return the files beside a model that hold its weights.

    Raises:
        NotConvertible: it is no ONNX file.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:
        # Protobuf's exceptions differ between its implementations.
        raise NotConvertible(f"{path} is no ONNX file: {first_line(error)}") from error
    entries = [
        entry
        for each in model.graph.initializer
        if uses_external_data(each)
        for entry in each.external_data
    ]
    return sorted({entry.value for entry in entries if entry.key == "location"})


def _inputs(session: Any, table: pa.Table) -> tuple[list[Document], Arrays]:
    """Fit the columns to the model's inputs: all to its only one, or one each by name."""
    given = session.get_inputs()
    if fixed := [each for each in given if each.shape and isinstance(each.shape[0], int)]:
        name, rows = fixed[0].name, fixed[0].shape[0]
        message = f"{name!r} takes exactly {rows} at once: export it for any number of rows."
        raise NotConvertible(message)
    if len(given) == 1 and given[0].name not in table.column_names:
        spec, tensor = _whole(given[0], table)
        return [spec], {given[0].name: tensor}
    found = [_single(each, table) for each in given]
    return [spec for spec, _ in found], {spec["name"]: tensor for spec, tensor in found}


def _whole(given: Any, table: pa.Table) -> tuple[Document, NDArray[Any]]:
    """Fill an input of rows with all columns, in their order."""
    if len(given.shape) != 2:
        raise BadSample(f"The input {given.name!r} takes {given.shape}, not rows of columns.")
    width = given.shape[1]
    if isinstance(width, int) and width != table.num_columns:
        raise BadSample(f"The model takes {width} columns, the sample has {table.num_columns}.")
    datatype, kind = _type_of(given)
    columns = {name: _typed(table, name, kind=kind) for name in table.column_names}
    features = [feature(name, column) for name, column in columns.items()]
    shape = [-1, len(features)]
    spec = {"name": given.name, "datatype": datatype, "shape": shape, "features": features}
    return spec, np.column_stack(list(columns.values()))


def _single(given: Any, table: pa.Table) -> tuple[Document, NDArray[Any]]:
    """Fill an input of one number or text a row with the column of its name."""
    shape = [-1, *given.shape[1:]]
    if shape not in ([-1], [-1, 1]):
        raise BadSample(f"The input {given.name!r} takes {given.shape}, not one value a row.")
    datatype, kind = _type_of(given)
    column = _typed(table, given.name, kind=kind)
    features = [feature(given.name, column)]
    spec = {"name": given.name, "datatype": datatype, "shape": shape, "features": features}
    return spec, column.reshape(shape)


def _type_of(given: Any) -> tuple[str, Any]:
    if given.type not in _TYPES:
        raise NotConvertible(f"{given.name!r} is {given.type}, which is not served here.")
    return _TYPES[given.type]


def _typed(table: pa.Table, name: str, *, kind: Any) -> NDArray[Any]:
    column = _column(table, name)
    if column.null_count and not np.issubdtype(kind, np.floating):
        raise BadSample(f"The column {name!r} has gaps, which its type cannot say.")
    if kind is np.object_:
        if not is_text(column):
            raise BadSample(f"The column {name!r} holds {column.type}, not text.")
        words: NDArray[Any] = column.cast(pa.string()).to_numpy().astype(kind)
        return words
    given = numbers(column, name=name)
    if not np.issubdtype(kind, np.floating):
        return _whole_numbers(column, name=name, kind=kind)
    with np.errstate(over="ignore"):
        typed: NDArray[Any] = given.astype(kind)
    if np.isinf(typed).any():
        raise BadSample(f"The column {name!r} holds numbers too large for {np.dtype(kind)}.")
    return typed


def _whole_numbers(column: Any, *, name: str, kind: Any) -> NDArray[Any]:
    """Turn a column into integers or truth values, none of them rounded."""
    wanted = pa.uint8() if kind is np.bool_ else pa.from_numpy_dtype(kind)
    try:
        found: NDArray[Any] = column.cast(wanted).to_numpy()
    except pa.ArrowInvalid as error:
        raise BadSample(f"The column {name!r} does not fit {wanted}: {error}") from error
    if kind is np.bool_ and found.max() > 1:
        raise BadSample(f"The column {name!r} holds more than 0 and 1, and the model takes bool.")
    return found.astype(kind)


def _column(table: pa.Table, name: str) -> Any:
    if name not in table.column_names:
        raise BadSample(f"The sample has no column {name!r}.")
    return table[name]


def _outputs(session: Any, answers: Arrays, *, rows: int) -> list[Document]:
    """Describe the outputs that are tensors with one entry a row."""
    found = []
    for given in session.get_outputs():
        answer = answers[given.name]
        if given.type in _TYPES and answer.ndim and len(answer) == rows:
            rest = given.shape[1:] if len(given.shape) == answer.ndim else answer.shape[1:]
            shape = [-1, *(size if isinstance(size, int) else -1 for size in rest)]
            datatype = _TYPES[given.type][0]
            found.append({"name": given.name, "datatype": datatype, "shape": shape})
    return found


def _require_numbers(answered: Answered) -> None:
    """Refuse a model that has no number for some rows: no agent could prove such an answer."""
    for spec in answered.outputs:
        answers = answered.answers[spec["name"]]
        if spec["datatype"] not in _FLOATS:
            continue
        finite = np.isfinite(answers.reshape(len(answers), -1)).all(axis=1)
        if rows := np.flatnonzero(~finite).tolist():
            where = f"{len(rows)} of {len(answers)} rows: {listed(rows)}"
            raise BadSample(f"Its output {spec['name']!r} is no number for {where}.")


def _score_output(answered: Answered, wanted: str | None) -> str:
    """Choose the output that holds the score."""
    names = [str(spec["name"]) for spec in answered.outputs if spec["datatype"] in _FLOATS]
    if wanted is not None and wanted not in names:
        raise NotConvertible(f"{wanted!r} is no output of numbers; there are {names}.")
    if not names:
        raise NotConvertible(
            "It has no output of numbers as a tensor (a ZipMap, perhaps: switch it off)."
        )
    return wanted or (PROBABILITIES if PROBABILITIES in names else names[0])
