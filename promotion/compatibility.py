"""Whether callers of one version can call another: features added, removed, or narrowed.

Tensors carry features by position, so a caller must know of each that comes or goes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real

Manifest = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Compatibility:
    """Names of features; a tensor whose features are not named counts as one."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    narrowed: tuple[str, ...]


def compare_inputs(before: Manifest, after: Manifest) -> Compatibility:
    """Compare the inputs of two manifests."""
    old, new = _features(before), _features(after)
    return Compatibility(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        narrowed=tuple(name for name in new if name in old and _narrower(old[name], new[name])),
    )


def _features(manifest: Manifest) -> dict[str, Manifest]:
    found: dict[str, Manifest] = {}
    for tensor in _mappings(manifest.get("inputs")):
        named = list(_mappings(tensor.get("features")))
        kind = {"datatype": tensor.get("datatype")}
        for feature in named:
            found[str(feature.get("name"))] = {**kind, **feature}
        if not named:
            found[str(tensor.get("name"))] = {**kind, "shape": tensor.get("shape"), "missing": True}
    return found


def _narrower(old: Manifest, new: Manifest) -> bool:
    if any(old.get(name) != new.get(name) for name in ("datatype", "shape")):
        return True
    if _stricter(old, new):
        return True
    if _less(old.get("min"), new.get("min"), open_end=float("-inf")):
        return True
    if _less(new.get("max"), old.get("max"), open_end=float("inf")):
        return True
    allowed = new.get("categories")
    if not isinstance(allowed, list):
        return False
    present = old.get("categories")
    return not isinstance(present, list) or any(one not in allowed for one in present)


def _stricter(old: Manifest, new: Manifest) -> bool:
    """Whether a missing value, or any outside the range, is refused that was not before."""
    if old.get("missing") and not new.get("missing"):
        return True
    return new.get("guard") == "refuse" and old.get("guard") != "refuse"


def _less(one: object, other: object, *, open_end: float) -> bool:
    """Whether a bound lies below another; one that is absent lies at ``open_end``."""
    lower = float(one) if isinstance(one, Real) else open_end
    upper = float(other) if isinstance(other, Real) else open_end
    return lower < upper


def _mappings(value: object) -> Iterable[Manifest]:
    return (one for one in value if isinstance(one, Mapping)) if isinstance(value, list) else ()
