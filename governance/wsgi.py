"""The web process: ``gunicorn governance.wsgi``."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from governance import embedded


def settle() -> None:
    """Load what the first request would, and keep it from being looked through for garbage.

    A full collection looks at all that was ever imported, half a million objects: 100 ms in
    the middle of a request, several times a minute. Frozen, it looks at requests' own.
    """
    _ = get_resolver().url_patterns  # imports every page and call
    gc.collect()
    gc.freeze()


embedded.provide_missing()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")

application = get_wsgi_application()

from governance.audit import behind  # noqa: E402 - Django is set up by now

behind.watch()
settle()
