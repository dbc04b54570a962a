"""``lockgate convert`` and ``lockgate pack``: a model becomes a folder that can be registered.

What they need beyond the client (the extra ``convert``) is imported when they run.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lockgate.cli.connection import connection_of
from lockgate.cli.output import show
from lockgate.cli.progress import progress
from lockgate.manifest import Training, file_entry

if TYPE_CHECKING:
    from lockgate.convert.descriptions import Description

_EXTRA = {"numpy", "sklearn", "onnx", "onnxruntime", "skl2onnx", "joblib", "pyarrow"}

Estimator = Annotated[
    Path, typer.Argument(help="Fitted estimator, as joblib or pickle wrote it. Opening it runs it.")
]
Onnx = Annotated[Path, typer.Argument(help="The ONNX file; a folder of its own is best.")]
Rows = Annotated[Path, typer.Option(help="Parquet file of rows to prove it on.")]
Drop = Annotated[
    list[str] | None, typer.Option(help="Column that is no feature, such as the label. Repeat it.")
]
Threshold = Annotated[float, typer.Option(help="From where on the score means yes.")]
Tolerance = Annotated[
    float, typer.Option(help="How far an answer may be off; relative above 1.", min=0, max=1)
]
Golden = Annotated[int, typer.Option(help="Golden transactions to write.", min=1, max=10_000)]
Model = Annotated[str, typer.Option(help="Write a manifest too: the model's name.")]
Author = Annotated[
    list[str] | None, typer.Option(help="Person who made the version, for --model. Repeat it.")
]
Commit = Annotated[str, typer.Option(help="Commit of the training code; without it, git's here.")]
Run = Annotated[str, typer.Option(help="Run of the pipeline that trained it.")]
Metric = Annotated[
    list[str] | None, typer.Option(help="Metric of the version, as auc=0.78. Repeat it.")
]
Output = Annotated[
    str, typer.Option(help="Output of the score; else probabilities, or the first of numbers.")
]
Expected = Annotated[str, typer.Option(help="Column of the scores training gave: proved, too.")]


def convert(
    context: typer.Context,
    estimator: Estimator,
    onnx: Onnx,
    *,
    sample: Rows,
    drop: Drop = None,
    threshold: Threshold = 0.5,
    tolerance: Tolerance = 1e-5,
    golden: Golden = 20,
    model: Model = "",
    author: Author = None,
    commit: Commit = "",
    run: Run = "",
    metric: Metric = None,
) -> None:
    """Turn a scikit-learn estimator into ONNX, proved to answer the same.

    Writes golden transactions and the training profile beside it. With --model and
    --author, the folder is a version for lockgate register.
    """
    about = _about(model, author or [], (commit, run), metric or [])
    _require_extra()
    from lockgate.convert import estimators, packing, samples  # noqa: PLC0415 - needs the extra

    with progress() as tell:
        table = samples.read_table(sample, drop=drop or [])
        fitted = estimators.load(estimator, tell=tell)
        made = estimators.convert(
            fitted, table, threshold=threshold, tolerance=tolerance, golden=golden, tell=tell
        )
        tell(f"writing {onnx}")
        packing.write_files(onnx, made, content=made.onnx)
    proof = {"identical": made.identical, "largest_difference": made.largest_difference}
    _finish(context, onnx, made, about=about, proof=proof)


def pack(
    context: typer.Context,
    onnx: Onnx,
    *,
    sample: Rows,
    drop: Drop = None,
    output: Output = "",
    expected: Expected = "",
    threshold: Threshold = 0.5,
    tolerance: Tolerance = 1e-5,
    golden: Golden = 20,
    model: Model = "",
    author: Author = None,
    commit: Commit = "",
    run: Run = "",
    metric: Metric = None,
) -> None:
    """Describe an ONNX file made elsewhere by what it answers to a sample.

    Writes golden transactions and the profile beside it. With --model and --author,
    the folder is a version for lockgate register.
    """
    about = _about(model, author or [], (commit, run), metric or [])
    _require_extra()
    from lockgate.convert import foreign, packing, samples  # noqa: PLC0415 - needs the extra

    with progress() as tell:
        table = samples.read_table(sample, drop=drop or [])
        external = foreign.external_files(onnx)
        made = foreign.describe_file(
            onnx, table, output=output or None, expected=expected or None, threshold=threshold,
            tolerance=tolerance, golden=golden, tell=tell,
        )  # fmt: skip
        packing.write_files(onnx, made)
    _finish(context, onnx, made, about=about, external=external)


def _about(
    model: str, authors: list[str], training: tuple[str, str], metrics: list[str]
) -> dict[str, Any] | None:
    """Read what a manifest needs, before anything takes time."""
    if not model:
        if authors or metrics or any(training):
            raise typer.BadParameter("That is for a manifest: give --model, too.")
        return None
    if not authors:
        raise typer.BadParameter("A manifest names its authors: give --author, too.")
    commit, run = training
    return {
        "model": model,
        "authors": authors,
        "metrics": dict(map(_metric, metrics)),
        "training": {"commit": commit, "run": run or None},
    }


def _metric(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise typer.BadParameter(f"A metric is name=number, not {text!r}.") from None


def _require_extra() -> None:
    if missing := sorted(name for name in _EXTRA if find_spec(name) is None):
        typer.echo(f"This needs {missing[0]}: pip install 'lockgate[convert]'", err=True)
        raise typer.Exit(2)


def _finish(
    context: typer.Context,
    onnx: Path,
    made: "Description",
    *,
    about: dict[str, Any] | None,
    proof: dict[str, Any] | None = None,
    external: list[str] | None = None,
) -> None:
    """Write the manifest if one was asked for, and say what lies there now."""
    manifest = None
    if about is not None:
        manifest = _write_manifest(onnx, made, about=about, external=external or [])
    document = {
        "onnx": str(onnx),
        "bytes": onnx.stat().st_size,
        "rows": made.rows,
        **(proof or {}),
        "manifest": None if manifest is None else str(manifest),
        "digest": None if manifest is None else file_entry("_", manifest, role="")["sha256"],
    }
    show(document, _lines(document, onnx.parent), as_json=connection_of(context).as_json)


def _write_manifest(
    onnx: Path, made: "Description", *, about: dict[str, Any], external: list[str]
) -> Path:
    from lockgate.convert.packing import About, commit_of, write_manifest  # noqa: PLC0415 - as above

    said = about["training"]
    training = Training(said["commit"] or commit_of(Path.cwd()), said["run"])
    whole = About(about["model"], about["authors"], training, about["metrics"])
    return write_manifest(onnx, made, about=whole, external=external)


def _lines(document: dict[str, Any], folder: Path) -> Iterator[str]:
    yield f"{document['onnx']}  {document['bytes']:,} bytes"
    rows = f"{document['rows']:,} rows"
    if "identical" not in document:
        yield f"  its own answers to {rows} are kept; nothing else says that they are right"
    elif document["identical"] == document["rows"]:
        yield f"  answers {rows} as the estimator does, to the last bit"
    else:
        apart = f"{document['largest_difference']:.2g}"
        yield f"  answers {rows} as the estimator does, at most {apart} apart"
    if document["manifest"] is None:
        yield f"  golden.json and profile.json are in {folder}; --model adds the manifest"
        return
    yield f"sha256:{document['digest']}"
    yield f"  next: lockgate register {folder}"
