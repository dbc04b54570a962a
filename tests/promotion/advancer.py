"""A worker for tests to kill: forks once a line, and the fork advances that rollout.

Run as a process of its own. Each line of input is a rollout's id; each line of output is
the process that advances it, or what it died of.
"""

import json
import os
import sys
from uuid import UUID

import django
from django.conf import settings


def main() -> None:
    database = json.loads(os.environ["ADVANCER_DATABASE"])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
    settings.DATABASES["default"].update(database)
    django.setup()

    from governance.actors import Actor
    from promotion.services import rollouts

    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            actor = Actor.from_task("tests.advancer")
            rollouts.advance(rollout_id=UUID(line.strip()), actor=actor)
            os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)


main()
