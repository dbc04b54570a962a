"""What differs between two versions' manifests: what an approver is asked to judge.

What differs comes sorted by what it is; ``Difference.same`` is all the rest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Real

Manifest = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs; an empty side is absent there."""

    name: str
    before: object
    after: object
    better: bool | None = None

    @property
    def delta(self) -> float | None:
        """By how much a number moved."""
        if isinstance(self.before, Real) and isinstance(self.after, Real):
            return float(self.after) - float(self.before)
        return None


@dataclass(frozen=True, slots=True)
class Difference:
    metrics: list[Change] = field(default_factory=list)
    features_added: list[str] = field(default_factory=list)
    features_removed: list[str] = field(default_factory=list)
    features_changed: list[Change] = field(default_factory=list)
    data: list[Change] = field(default_factory=list)
    files: list[Change] = field(default_factory=list)
    training: list[Change] = field(default_factory=list)
    same: list[tuple[str, object]] = field(default_factory=list)

    def is_empty(self) -> bool:
        return not any(
            (
                self.metrics,
                self.features_added,
                self.features_removed,
                self.features_changed,
                self.data,
                self.files,
                self.training,
            )
        )


def compare(
    before: Manifest, after: Manifest, *, optimising: str = "", higher_is_better: bool = True
) -> Difference:
    """Return what differs from one manifest to the next.

    Args:
        optimising: the metric a direction is known for; other metrics get no verdict.
        higher_is_better: that metric's direction.
    """
    metrics, same_metrics = _changes(_mapping(before, "metrics"), _mapping(after, "metrics"))
    old, new = features(before), features(after)
    changed, same_features = _changes(_shared(old, new), _shared(new, old))
    data, same_data = _changes(_data(before), _data(after))
    files, same_files = _changes(_files(before), _files(after))
    training, same_training = _changes(_training(before), _training(after))
    return Difference(
        metrics=[_judged(one, optimising, higher=higher_is_better) for one in metrics],
        features_added=[name for name in new if name not in old],
        features_removed=[name for name in old if name not in new],
        features_changed=changed,
        data=data,
        files=files,
        training=training,
        same=[*same_metrics, *same_features, *same_data, *same_files, *same_training],
    )


def features(manifest: Manifest) -> dict[str, str]:
    """Every input feature with its type and range in words, in order."""
    found: dict[str, str] = {}
    for tensor in _list(manifest, "inputs"):
        named = _list(tensor, "features")
        for feature in named:
            found[str(feature.get("name"))] = _range(feature, str(tensor.get("datatype", "")))
        if not named:
            shape = "x".join(str(size) for size in _sizes(tensor))
            found[str(tensor.get("name"))] = f"{tensor.get('datatype', '')} {shape}"
    return found


GUARDS = {"refuse": ", refused outside", "clip": ", clipped outside"}
"""What becomes of a value that training did not hold; else it passes and is counted."""


def _range(feature: Manifest, datatype: str) -> str:
    low, high = feature.get("min"), feature.get("max")
    bounds = f"{low} to {high}" if low is not None or high is not None else "any"
    gaps = ", may be missing" if feature.get("missing") else ""
    outside = GUARDS.get(str(feature.get("guard")), "")
    return f"{datatype} {bounds}{gaps}{outside}"


def _changes(
    before: Mapping[str, object], after: Mapping[str, object]
) -> tuple[list[Change], list[tuple[str, object]]]:
    names = [*before, *(name for name in after if name not in before)]
    changes = [
        Change(name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    ]
    changed = {change.name for change in changes}
    return changes, [(name, before[name]) for name in names if name not in changed]


def _judged(change: Change, optimising: str, *, higher: bool) -> Change:
    if change.name != optimising or not change.delta:
        return change
    return Change(change.name, change.before, change.after, (change.delta > 0) == higher)


def _shared(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, object]:
    return {name: value for name, value in one.items() if name in other}


def _data(manifest: Manifest) -> dict[str, object]:
    return {
        str(one.get("id")): f"{one.get('from') or '?'} to {one.get('to') or '?'}"
        f" (sha256 {str(one.get('digest') or 'not supplied')[:12]})"
        for one in _list(manifest, "datasets")
    }


def _files(manifest: Manifest) -> dict[str, object]:
    return {
        str(one.get("path")): (one.get("size"), one.get("sha256"))
        for one in _list(manifest, "files")
    }


def _training(manifest: Manifest) -> dict[str, object]:
    training = _mapping(manifest, "training")
    parameters = _mapping(training, "parameters")
    plain = {name: training[name] for name in ("commit", "run", "seed") if name in training}
    score = _mapping(manifest, "score")
    return {
        **plain,
        **parameters,
        **{f"score {name}": value for name, value in score.items()},
        "pipeline": manifest.get("pipeline_digest"),
        "authors": ", ".join(str(name) for name in _plain_list(manifest, "authors")),
    }


def _mapping(value: Manifest, key: str) -> Mapping[str, object]:
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}


def _plain_list(value: Manifest, key: str) -> Iterable[object]:
    found = value.get(key)
    return found if isinstance(found, list) else []


def _list(value: Manifest, key: str) -> list[Manifest]:
    return [one for one in _plain_list(value, key) if isinstance(one, Mapping)]


def _sizes(tensor: Manifest) -> list[str]:
    return ["any" if size == -1 else str(size) for size in _plain_list(tensor, "shape")]
