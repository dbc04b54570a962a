"""Where bytes lie, by their SHA-256. Written once, never overwritten.

``STORE_URL`` alone chooses the place: ``file:///folder`` or
``s3://bucket/prefix?endpoint=URL&region=NAME``. Both keep the same contract
and pass the same tests. No other code asks which of the two it is.
"""

from functools import cache

from governance import config
from registry.adapters.store.interface import Reader, Store, Upload
from registry.adapters.store.urls import open_store

__all__ = ["Reader", "Store", "Upload", "default", "open_store"]


@cache
def default() -> Store:
    """Return the store this process was configured with; one object, safe in threads."""
    return open_store(config.load().store_url)
