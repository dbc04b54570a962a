"""No key twice: of two values, another reader might have taken the other one.

The decoder keeps the last and says nothing, so what matters is looked through
once more with a reader that does say.
"""

import json


class Doubled(ValueError):
    """A key stands twice in one object."""


def refuse_doubled(raw: bytes) -> None:
    """Look through JSON for a key that stands twice.

    Raises:
        Doubled: naming the key.
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply.
    """
    # No integer is as long as to take time: as a float it is infinite soon.
    json.loads(raw, object_pairs_hook=_unique, parse_int=float)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    whole = dict(pairs)
    if len(whole) == len(pairs):
        return whole
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise Doubled(f"the key {key[:80]!r} stands there twice")
        seen.add(key)
    return whole
