"""Examines the artifact store: can bytes be put there, and come back as they were?"""

import hashlib

from governance.checks import Check, looked_at, ok
from registry.adapters import store

PROBE = b"Written by `lockgate doctor` to see whether this store takes bytes and gives them back.\n"
"""Always the same bytes, so that examining a store a thousand times leaves one small blob."""


def examine() -> Check:
    """Write a probe and read it. Outside any transaction."""
    return looked_at(
        "store",
        _store,
        meaning="Versions cannot be registered, and agents cannot fetch them.",
        fix="Look at what STORE_URL names: is it there, has it room, may this process write?",
    )


def _store() -> Check:
    digest, place = hashlib.sha256(PROBE).hexdigest(), store.default()
    with place.open_write() as upload:
        upload.write(PROBE)
        upload.commit(sha256=digest, size=len(PROBE))
    with place.open_read(digest) as reader:
        read = sum(map(len, reader))
    return ok("store", f"{read} bytes written and read back")
