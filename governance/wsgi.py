"""The web process: ``gunicorn governance.wsgi``."""

import os

from django.core.wsgi import get_wsgi_application

from governance import embedded

embedded.provide_missing()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")

application = get_wsgi_application()

from governance.audit import behind  # noqa: E402 - Django is set up by now

behind.watch()
