"""``lockgate apply``: environments, their targets and policies, as code."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from lockgate.cli.connection import connection_of
from lockgate.cli.output import show
from lockgate.errors import BadPack

File = Annotated[Path, typer.Option("--file", "-f", help="Usually lockgate.yaml.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")]


def apply(
    context: typer.Context, *, file: File = Path("lockgate.yaml"), dry_run: DryRun = False
) -> None:
    """Make environments be as the file says. What is so already is left alone."""
    connection = connection_of(context)
    environments = read(file)
    answers: dict[str, Any] = {}
    with connection.client() as client:
        for slug, document in environments.items():
            answers[slug] = client.apply(slug, document, dry_run=dry_run)
    show(
        {"environments": answers, "dry_run": dry_run},
        _lines(answers, dry_run=dry_run),
        as_json=connection.as_json,
    )


def read(file: Path) -> dict[str, dict[str, Any]]:
    """Return the environments a file describes, by slug.

    Raises:
        BadPack: it cannot be read, says something twice, or holds anything else.
    """
    try:
        # A subclass of the safe loader: it makes no objects, only plain values.
        document = yaml.load(file.read_text(encoding="utf-8"), Loader=_Strict)  # noqa: S506
    except OSError as error:
        message = f"{file}: {error.strerror}"
        raise BadPack(message) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        message = f"{file} is not YAML as we read it: {' '.join(str(error).split())}"
        raise BadPack(message) from error
    if not isinstance(document, dict) or document.keys() != {"environments"}:
        message = f"{file} must hold `environments:` and nothing else at the top."
        raise BadPack(message)
    environments = document["environments"]
    if not isinstance(environments, dict) or not all(
        isinstance(slug, str) and isinstance(body, dict) for slug, body in environments.items()
    ):
        message = f"{file}: `environments:` maps names to descriptions."
        raise BadPack(message)
    return environments


class _Strict(yaml.SafeLoader):
    """Plain values only, and no key twice."""


def _mapping(loader: _Strict, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in found:
            message = f"the key {key!r} stands there twice"
            raise yaml.constructor.ConstructorError(None, None, message, key_node.start_mark)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _lines(answers: dict[str, Any], *, dry_run: bool) -> Iterator[str]:
    word = "would change" if dry_run else "changed"
    for slug, answer in answers.items():
        yield f"{slug}  {word if answer.get('changed') else 'as it is'}"
        for change in answer.get("changes") or ():
            yield f"  {change}"
