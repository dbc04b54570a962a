"""The Celery application: ``celery -A governance worker``."""

import os

from celery import Celery
from celery.signals import worker_process_init, worker_ready

from governance import embedded

embedded.provide_missing()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")

app = Celery("lockgate")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def _watch_checkpoints(**_: object) -> None:
    """Change nothing while the audit log is behind what was sealed."""
    from governance.audit import behind  # noqa: PLC0415 - Django is set up by now

    behind.watch()


# Tasks run in threads of the worker, or in processes it has forked: no thread survives that.
worker_ready.connect(_watch_checkpoints)
worker_process_init.connect(_watch_checkpoints)
