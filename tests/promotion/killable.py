"""A Celery worker for tests to kill: each line of input kills it with -9 and forks the next.

Run as a process of its own. Each line of output is the process id of the worker that has
just begun. What takes long, to import and to set Django up, is done once, before any fork.
"""

import json
import os
import signal
import sys
import warnings

import django
from django.conf import settings


def main() -> None:
    database = json.loads(os.environ["KILLABLE_DATABASE"])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
    settings.DATABASES["default"].update(database)
    django.setup()

    from governance.celery import app

    app.loader.import_default_modules()
    warnings.simplefilter("ignore")  # Celery's, of being run by root: tests are.
    child = _begin(app)
    for _ in sys.stdin:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        child = _begin(app)
    os.kill(child, signal.SIGKILL)


def _begin(app) -> int:
    child = os.fork()
    if child == 0:
        os.dup2(2, 1)
        alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        app.worker_main(["--quiet", "worker", "--pool=solo", "--loglevel=ERROR", *alone])
        os._exit(0)
    print(child, flush=True)
    return child


main()
