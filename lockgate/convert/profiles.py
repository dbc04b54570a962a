"""The training profile: what each feature and the score were distributed like in a sample.

``{"schema": "lockgate.profile/1", "rows": n, "features": [...], "score": {...}}``. Each entry
holds ``name``, ``missing`` (the share), and what fits its values:

- numbers: ``min``, ``max``, ``mean``, ``sd``, ``quantiles`` by their share, and a
  ``histogram`` of ``edges`` and ``counts`` whose bins held about as many rows each, so
  that later rows can be compared bin by bin;
- few different values, or text: ``categories``, the most frequent first, and ``others``,
  how many rows hold none of them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.manifest import Document, canonical

SCHEMA = "lockgate.profile/1"
BINS = 20
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
FEW = 20
"""Numbers of so many different values are told as categories, too."""
MOST_CATEGORIES = 100


def profile_file(columns: Mapping[str, NDArray[Any]], *, scores: NDArray[Any]) -> bytes:
    """Write the profile of a sample by its columns, and of the model's scores on it."""
    document = {
        "schema": SCHEMA,
        "rows": len(scores),
        "features": [_entry(name, column) for name, column in columns.items()],
        "score": _entry("score", scores),
    }
    return canonical(document)


def _entry(name: str, column: NDArray[Any]) -> Document:
    if column.dtype.kind not in "fiub":
        return {"name": name, "missing": 0.0, **_categories(column.astype(str))}
    numbers = column.astype(np.float64)
    there = numbers[np.isfinite(numbers)]
    entry: Document = {"name": name, "missing": 1 - there.size / max(numbers.size, 1)}
    if not there.size:
        return entry
    entry |= _distribution(there)
    if len(np.unique(there)) <= FEW:
        entry |= _categories(there)
    return entry


def _distribution(there: NDArray[np.float64]) -> Document:
    edges = np.unique(np.quantile(there, np.linspace(0, 1, BINS + 1)))
    if edges.size == 1:
        edges = np.repeat(edges, 2)
    counts, _ = np.histogram(there, edges)
    quantiles = np.quantile(there, QUANTILES)
    return {
        "min": float(there.min()),
        "max": float(there.max()),
        "mean": float(there.mean()),
        "sd": float(there.std()),
        "quantiles": {
            str(share): float(value) for share, value in zip(QUANTILES, quantiles, strict=True)
        },
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }


def _categories(values: NDArray[Any]) -> Document:
    found, counts = np.unique(values, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    categories = [{"value": found[place].item(), "count": int(counts[place])} for place in order]
    return {"categories": categories, "others": int(counts.sum() - counts[order].sum())}
