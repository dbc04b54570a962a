"""The manifest, ``lockgate.manifest/1``: what a version is made of and where it comes from."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from governance.errors import Invalid, TooLarge
from governance.names import is_slug, problem_with
from registry.manifests import strict_json
from registry.manifests.lineage import DatasetSpec, ParentSpec, read_datasets, read_parents
from registry.manifests.paths import LONGEST, clashes, problem_with_path
from registry.manifests.reading import Node, Problems
from registry.manifests.tensors import ANY, TensorSpec, read_tensors

SCHEMA = "lockgate.manifest/1"
MANIFEST_BYTES = 1024 * 1024
_ROOT = "manifest"
_MOST_FILES = 1_000
_MOST_TEXT = MANIFEST_BYTES


class Role(StrEnum):
    """What a file of a version is for."""

    MODEL = "model"
    EXTERNAL_DATA = "external_data"
    GOLDEN = "golden"
    PROFILE = "profile"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class File:
    """One file, by digest."""

    path: str
    size: int
    sha256: str
    role: str


@dataclass(frozen=True, slots=True)
class Score:
    """Which number of the answer is "the score"."""

    output: str
    column: int | None
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that was read and found in order. ``document`` is all of it."""

    document: dict[str, Any]
    model: str
    kind: str
    files: tuple[File, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    score: Score
    authors: tuple[str, ...]
    datasets: tuple[DatasetSpec, ...] = ()
    parents: tuple[ParentSpec, ...] = ()

    def only(self, role: Role) -> File:
        """Return the file of a role that there is exactly one of."""
        return next(file for file in self.files if file.role == role)


def parse(raw: bytes, *, model: str) -> Manifest:
    """Read a manifest of ``model``.

    Raises:
        TooLarge: ``manifest_too_large``.
        Invalid: ``invalid_manifest``, with every problem by its path.
    """
    if len(raw) > MANIFEST_BYTES:
        message = f"A manifest has at most {MANIFEST_BYTES} bytes."
        raise TooLarge(message, code="manifest_too_large", limit=MANIFEST_BYTES)
    try:
        document = strict_json.decode(raw, root=_ROOT)
    except strict_json.NotStrict as error:
        raise invalid(error.problems) from None
    problems = Problems()
    _check_texts(document, problems)
    if problems.found:
        raise invalid(problems.found)
    manifest = _read(Node(document, _ROOT, problems, _ROOT), model=model)
    if problems.found:
        raise invalid(problems.found)
    return manifest


def invalid(problems: dict[str, str]) -> Invalid:
    """Say what is wrong with a manifest, by path."""
    error = Invalid("The manifest is not in order.", code="invalid_manifest")
    error.context = dict(problems)  # Not as keywords: a stranger's field may be called "code".
    return error


def _check_texts(document: object, problems: Problems) -> None:
    """Look at every text and name anywhere, and at the depth, before anything reads them."""
    for path, depth, value in strict_json.walk(document, root=_ROOT):
        if depth > strict_json.MAX_DEPTH:
            problems.add(_ROOT, f"is nested deeper than {strict_json.MAX_DEPTH}")
            return
        texts = [value] if isinstance(value, str) else value if isinstance(value, dict) else ()
        for text in texts:
            if problem := problem_with(text, limit=_MOST_TEXT, blank=True):
                problems.add(path, problem)


def _read(node: Node, *, model: str) -> Manifest:
    fields = node.fields(
        "schema", "model", "kind", "files", "inputs", "outputs", "score", "authors",
        "training", "pipeline_digest", "datasets", "metrics", "environment_lock",
        optional=("parents",),
    )  # fmt: skip
    fields["schema"].one_of(SCHEMA)
    outputs = read_tensors(fields["outputs"], features=False)
    manifest = Manifest(
        document=cast("dict[str, Any]", node.value),
        model=_read_name(fields["model"], model=model),
        kind=fields["kind"].one_of("onnx"),
        files=_read_files(fields["files"]),
        inputs=read_tensors(fields["inputs"], features=True),
        outputs=outputs,
        score=_read_score(fields["score"], outputs=outputs),
        authors=_read_authors(fields["authors"]),
        datasets=read_datasets(fields["datasets"]),
        parents=() if fields["parents"].absent else read_parents(fields["parents"]),
    )
    _read_training(fields["training"])
    if not fields["pipeline_digest"].absent:
        fields["pipeline_digest"].sha256()
    for _, metric in fields["metrics"].entries(most=1_000):
        metric.number()
    if not fields["environment_lock"].absent:
        list(fields["environment_lock"].entries(most=100_000))
    return manifest


def _read_name(node: Node, *, model: str) -> str:
    name = node.text(limit=63)
    if name and not is_slug(name):
        node.complain("must be lower-case letters, digits and inner hyphens")
    elif name and name != model:
        node.complain(f"must be {model!r}, the model this version is registered for")
    return name


def _read_files(node: Node) -> tuple[File, ...]:
    items = node.items(least=1, most=_MOST_FILES)
    files = tuple(_read_file(item) for item in items)
    for position, problem in clashes(file.path for file in files).items():
        node.problems.add(f"{items[position].path}.path", problem)
    roles = [file.role for file in files]
    for role in (Role.MODEL, Role.GOLDEN):
        if all(roles) and roles.count(role) != 1:
            node.complain(f"must hold exactly one file of the role {role}, not {roles.count(role)}")
    if roles.count(Role.PROFILE) > 1:
        node.complain("must hold at most one file of the role profile")
    return files


def _read_file(node: Node) -> File:
    fields = node.fields("path", "size", "sha256", "role")
    path = fields["path"].text(limit=LONGEST)
    if path and (problem := problem_with_path(path)):
        fields["path"].complain(problem)
        path = ""
    return File(
        path=path,
        size=fields["size"].integer(least=1),
        sha256=fields["sha256"].sha256(),
        role=fields["role"].one_of(*Role),
    )


def _read_score(node: Node, *, outputs: tuple[TensorSpec, ...]) -> Score:
    fields = node.fields("output", optional=("column", "threshold"))
    name = fields["output"].text()
    column = None if fields["column"].absent else fields["column"].integer(least=0)
    output = next((output for output in outputs if output.name == name), None)
    if output is None:
        if name and all(output.name for output in outputs) and outputs:
            fields["output"].complain(f"names no output: {name!r}")
    elif output.datatype in {"BYTES", "BOOL"}:
        fields["output"].complain("must be a number")
    elif column is not None and output.shape and ANY < output.shape[-1] <= column:
        fields["column"].complain(f"the output has {output.shape[-1]} columns")
    threshold = None if fields["threshold"].absent else fields["threshold"].number()
    return Score(output=name, column=column, threshold=threshold)


def _read_authors(node: Node) -> tuple[str, ...]:
    authors: list[str] = []
    for item in node.items(least=1, most=100):
        author = item.text(limit=100)
        if author and author in authors:
            item.complain("stands there twice")
        authors.append(author)
    return tuple(authors)


def _read_training(node: Node) -> None:
    fields = node.fields("commit", "run", "parameters", "seed")
    for name in ("commit", "run"):
        if not (fields[name].value is None and name == "run"):
            fields[name].text(limit=500)
    list(fields["parameters"].entries(most=10_000))
    if fields["seed"].value is not None:
        fields["seed"].integer(least=-(2**53))
