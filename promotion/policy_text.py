"""Reads a policy as people write it: YAML, of which JSON is a part. Plain values only."""

import math
from typing import Any

import yaml

from governance.errors import Invalid
from governance.names import problem_with

LONGEST = 64 * 1024
LARGEST_INTEGER = 2**53
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


def parse(text: str) -> dict[str, Any]:
    """Return the document a text describes.

    Raises:
        Invalid: it is too long, no YAML, names a key twice, or is no mapping.
    """
    if len(text) > LONGEST:
        raise _refusal(f"is longer than {LONGEST} characters")
    try:
        # A subclass of the safe loader: it makes no objects, only plain values.
        document = yaml.load(text, Loader=_Strict)  # noqa: S506
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _refusal(" ".join(str(error).split())[:300]) from None
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise _refusal("must be a mapping, such as `approvals: 1`")
    _refuse_what_json_cannot_hold(document)
    return document


def _refuse_what_json_cannot_hold(document: object) -> None:
    """Hold that what is written here is what is stored and hashed: plain numbers and texts."""
    level = [document]
    while level:
        inner: list[object] = []
        for one in level:
            if isinstance(one, dict):
                inner += [*one.keys(), *one.values()]
            elif isinstance(one, list):
                inner += one
            elif isinstance(one, str):
                if problem := problem_with(one, limit=LONGEST, blank=True):
                    raise _refusal(f"holds a text that {problem}")
            elif isinstance(one, float) and not math.isfinite(one):
                raise _refusal("holds a number that is none")
            elif isinstance(one, int) and abs(one) > LARGEST_INTEGER:
                raise _refusal("holds an integer beyond 2^53")
        level = inner


def write(document: object) -> str:
    """Return a document as YAML, in its own order."""
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _refusal(problem: str) -> Invalid:
    message = "This is no policy in YAML or JSON."
    return Invalid(message, document=problem)


class _Strict(yaml.SafeLoader):
    """No key twice, no aliases, which multiply; and times stay the text they are."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the library's way
        first: [(tag, pattern) for tag, pattern in found if tag != _TIMESTAMP]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            message = "aliases are not taken"
            raise yaml.composer.ComposerError(None, None, message, mark)
        return super().compose_node(parent, index)


def _mapping(loader: _Strict, node: yaml.MappingNode) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str) or key in found:
            message = f"the key {key!r} stands there twice, or is no text"
            raise yaml.constructor.ConstructorError(None, None, message, key_node.start_mark)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
