"""The input guard: what a version was not trained on does not pass unseen.

A manifest says of each feature its range, its categories and whether it may be
missing, and by ``guard`` what becomes of a value outside: ``refuse`` it, ``clip``
it to the range, or ``pass`` it and count it. A value that is missing where none
was in training is refused unless the feature says ``pass``; infinity always is.

An ordinary request costs two comparisons over the whole tensor. Only when one
of them fails is it looked at which value it was.
"""

import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving_agent.errors import BadRequest
from serving_agent.manifests import Feature, Manifest, TensorSpec
from serving_agent.ports import Tensor
from serving_agent.tensors import DTYPES, FLOATS

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
Mask = NDArray[np.bool_]


class Kind(StrEnum):
    """In which way a value is not as in training."""

    BELOW = "below"
    ABOVE = "above"
    CATEGORY = "category"
    MISSING = "missing"


SAID = {
    Kind.BELOW: "is below its range",
    Kind.ABOVE: "is above its range",
    Kind.CATEGORY: "is none of its categories",
    Kind.MISSING: "may not be null",
}


@dataclass(frozen=True, slots=True)
class Count:
    """How often values of one feature were odd in one way, and what became of them."""

    tensor: str
    feature: str
    kind: Kind
    did: str
    values: int


class InputGuard:
    """Guards one input. Its features lie along the last dimension."""

    def __init__(self, spec: TensorSpec) -> None:
        self._spec = spec
        self.features: tuple[Feature, ...] = spec.features or ()
        rules = [one.guard or "pass" for one in self.features]
        self._clips = np.array([rule == "clip" for rule in rules], dtype=bool)
        self._refuses = np.array([rule == "refuse" for rule in rules], dtype=bool)
        self._may_miss = np.array([one.missing for one in self.features], dtype=bool)
        self._lets_miss = np.array([one.guard == "pass" for one in self.features], dtype=bool)
        self._bounds = _Bounds.of(spec)
        self._categories = _categories(spec)
        self._lock = threading.Lock()
        self._seen = {kind: np.zeros(len(self.features), dtype=np.int64) for kind in Kind}

    def admit(self, tensor: Tensor) -> tuple[NDArray[Any], int]:
        """Return what the model may see, and how many values were clipped for it.

        Raises:
            BadRequest: naming the feature and the row.
        """
        data = tensor.data
        if self.features:
            self._check_width(data)
        if self._categories is not None:
            self._check_categories(data, self._categories)
        bounds = self._bounds
        if bounds is None or _all((data >= bounds.low) & (data <= bounds.high)):
            return data, 0
        return self._look(data, bounds)

    def _check_width(self, data: NDArray[Any]) -> None:
        width, found = len(self.features), data.shape[-1]
        if found != width and not (width == 1 and data.ndim == 1):
            raise BadRequest(f"{self._spec.name!r} has {width} features, not {found}")

    def _rows(self, data: NDArray[Any]) -> NDArray[Any]:
        return data.reshape(-1, len(self.features) or (data.shape[-1] if data.ndim else 1))

    def _look(self, data: NDArray[Any], bounds: "_Bounds") -> tuple[NDArray[Any], int]:
        """Tell what became of values that are not all within bounds."""
        rows = self._rows(data)
        missing = np.zeros(rows.shape, dtype=bool)
        if self._spec.datatype in FLOATS:
            if np.isinf(rows).any():
                kind = self._spec.datatype
                raise BadRequest(f"{self._spec.name!r}: a number is too large for {kind}")
            missing = np.isnan(rows)
        if not self.features:
            self._refuse_missing(missing)
        missing &= ~self._may_miss
        below, above = rows < bounds.low, rows > bounds.high
        outside = below | above
        self._note({Kind.BELOW: below, Kind.ABOVE: above, Kind.MISSING: missing})
        self._refuse(rows, {Kind.MISSING: missing & ~self._lets_miss})
        self._refuse(rows, {Kind.BELOW: below & self._refuses, Kind.ABOVE: above & self._refuses})
        clipped = outside & self._clips
        if not (count := int(clipped.sum())):
            return data, 0
        within = np.where(clipped, np.clip(rows, bounds.low, bounds.high), rows)
        return within.reshape(data.shape), count

    def _refuse_missing(self, missing: Mask) -> None:
        """Refuse a gap where the manifest names no feature that may have one."""
        row, column = (int(place[0]) for place in np.nonzero(missing))
        raise BadRequest(
            f"{self._spec.name!r}: feature {str(column)!r} in row {row} may not be null"
        )

    def _check_categories(self, data: NDArray[Any], categories: "_Numbers | _Texts") -> None:
        rows = self._rows(data)
        unknown = categories.unknown(rows)
        if unknown is None:
            return
        odd = np.zeros(rows.shape, dtype=bool)
        odd[:, categories.columns] = unknown
        self._note({Kind.CATEGORY: odd})
        self._refuse(rows, {Kind.CATEGORY: odd & (self._refuses | self._clips)})

    def _note(self, odd: dict[Kind, Mask]) -> None:
        with self._lock:
            for kind, mask in odd.items():
                self._seen[kind] += mask.sum(axis=0)

    def _refuse(self, rows: NDArray[Any], refused: dict[Kind, Mask]) -> None:
        for kind, mask in refused.items():
            if not mask.any():
                continue
            row, column = (int(place[0]) for place in np.nonzero(mask))
            name, value = self.features[column].name, rows[row, column]
            told = "" if kind is Kind.MISSING else f" ({str(value)[:40]})"
            message = f"feature {name[:80]!r} in row {row} {SAID[kind]}{told}"
            raise BadRequest(f"{self._spec.name!r}: {message}")

    def counts(self) -> Iterator[Count]:
        """Give what was counted and is not zero."""
        for kind, seen in self._seen.items():
            for column in np.flatnonzero(seen):
                feature = self.features[column]
                did = _did(feature, kind)
                yield Count(self._spec.name, feature.name, kind, did, int(seen[column]))


def few(counts: Iterable[Count], *, most: int) -> list[Count]:
    """Keep the largest, and add up the others under no feature's name."""
    ordered = sorted(counts, key=lambda count: -count.values)
    rest: Counter[tuple[str, Kind, str]] = Counter()
    for count in ordered[most:]:
        rest[count.tensor, count.kind, count.did] += count.values
    others = [Count(tensor, "", kind, did, n) for (tensor, kind, did), n in rest.items()]
    return [*ordered[:most], *others]


def _all(mask: Mask) -> bool:
    """Tell whether all are true, a third of the time of ``mask.all()`` for one row."""
    return bool(np.count_nonzero(mask) == mask.size)


def _did(feature: Feature, kind: Kind) -> str:
    if kind is Kind.MISSING:
        return "passed" if feature.guard == "pass" else "refused"
    if kind is Kind.CATEGORY and feature.guard == "clip":
        return "refused"  # There is no nearest category.
    return {"refuse": "refused", "clip": "clipped"}.get(feature.guard or "", "passed")


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Of each feature, in the tensor's own type; what is not within is outside, or no number."""

    low: NDArray[Any]
    high: NDArray[Any]

    @classmethod
    def of(cls, spec: TensorSpec) -> "_Bounds | None":
        if spec.datatype in ("BOOL", "BYTES"):
            return None
        dtype = np.dtype(DTYPES[spec.datatype])
        floating = spec.datatype in FLOATS
        limits: Any = np.finfo(dtype) if floating else np.iinfo(dtype)
        features = spec.features or ()
        if not floating and all(one.min is None and one.max is None for one in features):
            return None  # An integer is neither infinite nor missing.
        # Without features, one bound stands for every column.
        lows = [one.min for one in features] or [None]
        highs = [one.max for one in features] or [None]
        return cls(
            _as_type(lows, limits=limits, default=limits.min, up=True),
            _as_type(highs, limits=limits, default=limits.max, up=False),
        )


def _as_type(bounds: list[float | None], *, limits: Any, default: Any, up: bool) -> NDArray[Any]:
    """Make bounds that compare in the tensor's type: what was trained as 0.1 is 0.1 in float32."""
    if limits.dtype.kind == "f":
        wide = [default if bound is None else bound for bound in bounds]
        wide = [min(max(float(one), float(limits.min)), float(limits.max)) for one in wide]
        return np.array(wide, dtype=limits.dtype)
    whole = np.ceil if up else np.floor
    exact = [default if bound is None else int(whole(bound)) for bound in bounds]
    return np.array([min(max(one, limits.min), limits.max) for one in exact], dtype=limits.dtype)


class _Numbers:
    """Categories that are numbers, of all columns in one sorted table."""

    def __init__(self, columns: list[int], known: list[list[float]], dtype: Any) -> None:
        self.columns = columns
        exact = np.float64 if np.dtype(dtype).kind in "iu" else dtype
        with np.errstate(over="ignore"):
            pairs = [
                complex(place, float(exact(number)))
                for place, numbers in enumerate(known)
                for number in numbers
            ]
        self._table = np.unique(np.array(pairs, dtype=np.complex128))
        self._places = np.arange(len(columns), dtype=np.float64)

    def unknown(self, rows: NDArray[Any]) -> Mask | None:
        """Return which values are none of their column's, or None where all are."""
        values = rows[:, self.columns]
        keys = np.empty(values.shape, dtype=np.complex128)
        keys.real, keys.imag = self._places, values
        place = np.searchsorted(self._table, keys)
        found = self._table[np.minimum(place, len(self._table) - 1)] == keys
        if found.all():
            return None
        unknown: Mask = ~found & ~np.isnan(keys.imag)
        return unknown


class _Texts:
    """Categories that are texts."""

    def __init__(self, columns: list[int], known: list[list[str]]) -> None:
        self.columns = columns
        self._known = np.empty(len(known), dtype=np.object_)
        self._known[:] = [frozenset(texts) for texts in known]
        self._contains = np.frompyfunc(frozenset.__contains__, 2, 1)

    def unknown(self, rows: NDArray[Any]) -> Mask | None:
        found: Mask = self._contains(self._known, rows[:, self.columns]).astype(bool)
        unknown: Mask = np.logical_not(found)
        return unknown if unknown.any() else None


def _categories(spec: TensorSpec) -> _Numbers | _Texts | None:
    """Gather the columns that have categories of their tensor's kind."""
    listed = [(place, one.categories or ()) for place, one in enumerate(spec.features or ())]
    if spec.datatype == "BYTES":
        texts = {place: [c for c in known if isinstance(c, str)] for place, known in listed}
        texts = {place: known for place, known in texts.items() if known}
        return _Texts(list(texts), list(texts.values())) if texts else None
    numbers = {place: [c for c in known if not isinstance(c, str)] for place, known in listed}
    numbers = {place: known for place, known in numbers.items() if known}
    if not numbers or spec.datatype == "BOOL":
        return None
    return _Numbers(list(numbers), list(numbers.values()), DTYPES[spec.datatype])


class Guard:
    """All that is checked of a request before one version sees it."""

    def __init__(self, manifest: Manifest) -> None:
        self._inputs = {spec.name: InputGuard(spec) for spec in manifest.inputs}
        self._pipeline = manifest.pipeline_digest
        self.other_pipelines = 0

    def feeds(self, inputs: Iterable[Tensor]) -> tuple[dict[str, NDArray[Any]], int]:
        """Return what the model may see, and how many values were clipped for it.

        Raises:
            BadRequest: naming the feature and the row.
        """
        feeds, clipped = {}, 0
        for tensor in inputs:
            guard = self._inputs.get(tensor.name)
            if guard is None:
                raise BadRequest(f"there is no input {tensor.name[:80]!r}")
            feeds[tensor.name], count = guard.admit(tensor)
            clipped += count
        return feeds, clipped

    def check_pipeline(self, sent: str) -> None:
        """Refuse features that come from another pipeline than the version was trained on.

        Raises:
            BadRequest: 409; 400 when what was sent is no digest.
        """
        if not _SHA256.match(sent):
            raise BadRequest("a pipeline digest is 64 lower-case hexadecimal digits")
        if self._pipeline is not None and sent != self._pipeline:
            self.other_pipelines += 1
            message = f"made by pipeline {sent}, this version takes {self._pipeline}"
            raise BadRequest(message, status=409)

    def counts(self) -> Iterator[Count]:
        for one in self._inputs.values():
            yield from one.counts()

    def sums(self) -> dict[str, int]:
        """Add up what became of odd values, over all features."""
        sums = {"refused": 0, "clipped": 0, "passed": 0, "other_pipelines": self.other_pipelines}
        for count in self.counts():
            sums[count.did] += count.values
        return sums
