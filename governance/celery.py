"""The Celery application: ``celery -A governance worker``."""

import os

from celery import Celery

from governance import embedded

embedded.provide_missing()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")

app = Celery("lockgate")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
