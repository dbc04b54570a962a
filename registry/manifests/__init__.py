"""What a version says of itself: its manifest and its golden transactions.

Both come from outside, are read before anything is stored, and are strict: a
field nobody knows, a number that is not one, or a key that stands there twice
is the sender's mistake and is named by its path. Nothing here knows a framework.
"""

from registry.manifests.documents import (
    MANIFEST_BYTES,
    File,
    Manifest,
    Role,
    Score,
    invalid,
    parse,
)
from registry.manifests.golden import GOLDEN_BYTES, check_golden
from registry.manifests.lineage import (
    RELATIONS,
    Attested,
    DatasetSpec,
    ParentSpec,
    parse_attested,
)
from registry.manifests.tensors import TensorSpec

__all__ = [
    "GOLDEN_BYTES",
    "MANIFEST_BYTES",
    "RELATIONS",
    "Attested",
    "DatasetSpec",
    "File",
    "Manifest",
    "ParentSpec",
    "Role",
    "Score",
    "TensorSpec",
    "check_golden",
    "invalid",
    "parse",
    "parse_attested",
]
