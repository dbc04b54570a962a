"""What a version was made of: data sets and parents, as its manifest or later evidence says.

The same reader is used for both, so that what comes later is held to the same rules.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from governance.errors import Invalid
from governance.names import is_slug, problem_with_letters
from registry.manifests import strict_json
from registry.manifests.reading import Node, Problems

RELATIONS = ("derived", "retrained", "fine_tuned", "distilled", "ensemble", "converted")
"""How a version comes from another one."""
MOST_DATASETS = 1_000
MOST_PARENTS = 100
LARGEST_NUMBER = 2**31 - 1
_ROOT = "document"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://|(javascript|data|vbscript):", re.IGNORECASE)
_SCHEMES = frozenset(
    {"abfss", "az", "dvc", "gs", "hdfs", "http", "https", "jdbc", "kafka", "oci", "postgresql"}
    | {"s3", "snowflake"}
)


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """Data a version was made of. What was not said is None or empty."""

    id: str
    digest: str
    begins: datetime | None = None
    ends: datetime | None = None
    source: str = ""
    licence: str = ""
    edition: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class ParentSpec:
    """Another version this one comes from, by its number, its digest, or both."""

    model: str
    version: int | None
    digest: str
    relation: str
    path: str


@dataclass(frozen=True, slots=True)
class Attested:
    """What later evidence says of where a version comes from."""

    datasets: tuple[DatasetSpec, ...] = ()
    parents: tuple[ParentSpec, ...] = ()
    members: Mapping[str, object] = field(default_factory=dict)
    """``run``, ``pipeline_digest`` and ``environment_lock``, as far as they are given."""


def parse_attested(document: Mapping[str, object]) -> Attested:
    """Read the document of an attestation of lineage.

    Raises:
        Invalid: ``invalid_lineage``, with every problem by its path.
    """
    problems = Problems()
    for _, depth, _ in strict_json.walk(dict(document), root=_ROOT):
        if depth > strict_json.MAX_DEPTH:
            problems.add(_ROOT, f"is nested deeper than {strict_json.MAX_DEPTH}")
            break
    else:
        found = _read(Node(dict(document), _ROOT, problems, _ROOT))
    if problems.found:
        error = Invalid("What is said of the lineage is not in order.", code="invalid_lineage")
        error.context = dict(problems.found)  # Not as keywords: a field may be called "code".
        raise error
    return found


def _read(node: Node) -> Attested:
    names = ("run", "pipeline_digest", "environment_lock")
    fields = node.fields(optional=("datasets", "parents", *names))
    if not fields["run"].absent:
        fields["run"].text(limit=500)
    if not fields["pipeline_digest"].absent:
        fields["pipeline_digest"].sha256()
    if not fields["environment_lock"].absent:
        list(fields["environment_lock"].entries(most=100_000))
    return Attested(
        datasets=() if fields["datasets"].absent else read_datasets(fields["datasets"]),
        parents=() if fields["parents"].absent else read_parents(fields["parents"]),
        members={name: fields[name].value for name in names if not fields[name].absent},
    )


def read_datasets(node: Node) -> tuple[DatasetSpec, ...]:
    """Read the list of data sets; each id stands there once."""
    found: list[DatasetSpec] = []
    ids: set[str] = set()
    for item in node.items(most=MOST_DATASETS):
        spec = _read_dataset(item)
        if spec.id and spec.id in ids:
            item.problems.add(f"{item.path}.id", "stands there twice")
        ids.add(spec.id)
        found.append(spec)
    return tuple(found)


def read_parents(node: Node) -> tuple[ParentSpec, ...]:
    """Read the list of versions this one comes from."""
    found: list[ParentSpec] = []
    for item in node.items(most=MOST_PARENTS):
        fields = item.fields("model", "relation", optional=("version", "digest"))
        model = fields["model"].text(limit=63)
        if model and not is_slug(model):
            fields["model"].complain("must be lower-case letters, digits and inner hyphens")
        if fields["version"].absent and fields["digest"].absent:
            item.complain("must have a version, a digest, or both")
        number = fields["version"]
        spec = ParentSpec(
            model=model,
            version=None if number.absent else number.integer(least=1, most=LARGEST_NUMBER),
            digest="" if fields["digest"].absent else fields["digest"].sha256(),
            relation=fields["relation"].one_of(*RELATIONS),
            path=item.path,
        )
        if any((spec.model, spec.version, spec.digest) == (p.model, p.version, p.digest)
               for p in found):  # fmt: skip
            item.complain("stands there twice")
        found.append(spec)
    return tuple(found)


def _read_dataset(node: Node) -> DatasetSpec:
    optional = ("from", "to", "source", "licence", "version")
    fields = node.fields("id", "digest", optional=optional)
    name = fields["id"].text()
    if name and (problem := problem_with_letters(name)):
        fields["id"].complain(problem)
    start, end = (None if fields[side].absent else fields[side].moment() for side in ("from", "to"))
    if start and end and start > end:
        fields["to"].complain("lies before the beginning")
    if not fields["source"].absent:
        _check_source(fields["source"])
    return DatasetSpec(
        id=name,
        digest=fields["digest"].sha256(),
        begins=start,
        ends=_end_of_day(end) if end and _DAY.match(str(fields["to"].value)) else end,
        source="" if fields["source"].absent else str(fields["source"].value),
        licence="" if fields["licence"].absent else fields["licence"].text(),
        edition="" if fields["version"].absent else fields["version"].text(),
        path=node.path,
    )


def _end_of_day(day: datetime) -> datetime:
    """A day that ends a range belongs to it."""
    return day + (timedelta(days=1) - timedelta(microseconds=1))


def _check_source(node: Node) -> None:
    """A source is only ever shown, yet nobody should be led to fetch a local file by it."""
    named = _SCHEME.match(node.text(limit=2_000).strip())
    if named and (named[1] or "").lower() not in _SCHEMES:
        node.complain(f"must not be a {named[1] or named[2]} address")
