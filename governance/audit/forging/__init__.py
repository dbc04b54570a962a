"""Makes the verifier's vectors: a good bundle, and one for each way to tamper with it."""

from governance.audit.forging.story import (
    ORIGIN,
    PACKER,
    SEALER,
    STRANGER,
    Bundle,
    Row,
    Story,
    bundle,
    chained,
    keys_text,
    packed,
    sealed,
    statements,
    told,
)
from governance.audit.forging.ways import TAMPERED, edited, good, made_files

__all__ = [
    "ORIGIN",
    "PACKER",
    "SEALER",
    "STRANGER",
    "TAMPERED",
    "Bundle",
    "Row",
    "Story",
    "bundle",
    "chained",
    "edited",
    "good",
    "keys_text",
    "made_files",
    "packed",
    "sealed",
    "statements",
    "told",
]
