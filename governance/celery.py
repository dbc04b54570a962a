"""The Celery application: ``celery -A governance worker``."""

import logging
import os

from celery import Celery
from celery.signals import worker_process_init, worker_ready

from governance import embedded

embedded.provide_missing()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")

logger = logging.getLogger(__name__)
app = Celery("lockgate")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def _watch_checkpoints(**_: object) -> None:
    """Change nothing while the audit log is behind what was sealed."""
    from governance.audit import behind  # noqa: PLC0415 - Django is set up by now

    behind.watch()


def _note_start(**_: object) -> None:
    """Record with what the system runs. A worker starts all the same where that cannot be."""
    from django.conf import settings  # noqa: PLC0415 - Django is set up by now

    from governance.actors import Actor  # noqa: PLC0415
    from governance.services import starting  # noqa: PLC0415

    try:
        starting.note_start(config=settings.CONFIG, actor=Actor.from_task("governance.worker"))
    except Exception as error:  # noqa: BLE001 - no database yet, or the log is behind
        logger.warning("the start is not recorded: %s", error)


# Tasks run in threads of the worker, or in processes it has forked: no thread survives that.
worker_ready.connect(_watch_checkpoints)
worker_ready.connect(_note_start)
worker_process_init.connect(_watch_checkpoints)
