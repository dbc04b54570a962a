"""What a failing disk means to whoever was storing something."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from governance.errors import Unavailable

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def errors_translated() -> Iterator[None]:
    """Raise ``Unavailable`` for a disk that is full or does not work."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            message = "The artifact store is full."
            raise Unavailable(message, code="store_full") from error
        message = f"The artifact store does not work: {error.strerror}."
        raise Unavailable(message, code="store_unavailable") from error
