"""JSON as RFC 8259 has it, and no more than everyone reads the same way.

Python's reader takes NaN and Infinity, keeps the last of two equal keys, turns
1e400 into infinity, and counts beyond what a double holds. Two readers of such
a document would disagree on what it says, so each of these is a problem here.
"""

import json
import math
from collections.abc import Iterator

MAX_DEPTH = 32
_EXACT = 2**53
_DIGITS = len(str(_EXACT))
_LONGEST_KEY = 60
_MOST_PROBLEMS = 50


class NotStrict(Exception):
    """The bytes are not strict JSON. ``problems`` maps paths to what is wrong there."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("; ".join(f"{path}: {text}" for path, text in problems.items()))
        self.problems = problems


class _Bad(str):
    """Stands where something could not be read, and says why."""

    __slots__ = ()


class _Doubled(dict[str, object]):
    """An object in which keys stand more than once."""

    keys_twice: tuple[str, ...] = ()


class _Hooks:
    """Read what is readable, and remember that something was not."""

    def __init__(self) -> None:
        self.troubled = False

    def constant(self, text: str) -> object:
        self.troubled = True
        return _Bad(f"{text} is not a number in JSON")

    def real(self, text: str) -> object:
        number = float(text)
        if math.isfinite(number):
            return number
        self.troubled = True
        return _Bad("is too large for a number")

    def integer(self, text: str) -> object:
        if len(text) <= _DIGITS + 1 and abs(number := int(text)) <= _EXACT:
            return number
        self.troubled = True
        return _Bad("is an integer beyond 2^53, which not every reader keeps exactly")

    def pairs(self, pairs: list[tuple[str, object]]) -> object:
        whole = dict(pairs)
        if len(whole) == len(pairs):
            return whole
        self.troubled = True
        doubled, seen, twice = _Doubled(whole), set[str](), list[str]()
        for key, _ in pairs:
            if key in seen:
                twice.append(key)
            seen.add(key)
        doubled.keys_twice = tuple(twice)
        return doubled


def decode(raw: bytes, *, root: str) -> object:
    """Read a document.

    Args:
        raw: UTF-8, without a byte order mark.
        root: what a problem with the whole is listed under.

    Raises:
        NotStrict: with up to 50 problems by path.
    """
    hooks = _Hooks()
    try:
        text = raw.decode("utf-8")
        value: object = json.loads(
            text,
            parse_constant=hooks.constant,
            parse_float=hooks.real,
            parse_int=hooks.integer,
            object_pairs_hook=hooks.pairs,
        )
    except UnicodeDecodeError as error:
        raise NotStrict({root: f"is not UTF-8 at byte {error.start}"}) from None
    except json.JSONDecodeError as error:
        message = f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        raise NotStrict({root: message}) from None
    except RecursionError:
        raise NotStrict({root: f"is nested deeper than {MAX_DEPTH}"}) from None
    if hooks.troubled and (problems := dict(_troubles(value, root=root))):
        raise NotStrict(problems)
    return value


def _troubles(value: object, *, root: str) -> Iterator[tuple[str, str]]:
    found = 0
    for path, _, item in walk(value, root=root):
        if isinstance(item, _Bad):
            yield path, str(item)
            found += 1
        elif isinstance(item, _Doubled):
            for key in item.keys_twice:
                yield child(path, key, root=root), "stands there more than once"
                found += 1
        if found >= _MOST_PROBLEMS:
            return


def walk(value: object, *, root: str) -> Iterator[tuple[str, int, object]]:
    """Visit every value with its path and depth, in the document's order, however deep it is."""
    stack = [(root, 1, value)]
    while stack:
        path, depth, item = stack.pop()
        yield path, depth, item
        if isinstance(item, dict):
            below = [(child(path, key, root=root), depth + 1, item[key]) for key in item]
            stack.extend(reversed(below))
        elif isinstance(item, list):
            below = [(f"{path}[{index}]", depth + 1, each) for index, each in enumerate(item)]
            stack.extend(reversed(below))


def child(path: str, key: str, *, root: str = "") -> str:
    """Name the path of a key. Strange keys are quoted and cut, so that a path stays readable."""
    plain = key.isascii() and key.replace("_", "a").replace("-", "a").isalnum()
    if not plain or len(key) > _LONGEST_KEY:
        cut = key[:_LONGEST_KEY] + ("..." if len(key) > _LONGEST_KEY else "")
        key = json.dumps(cut)
    return key if path == root else f"{path}.{key}"
