"""``announce_keys``: agents learn the keys of this process. See docs/install.md, "Keys"."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance import signing
from governance.actors import Actor
from governance.errors import GovernanceError
from promotion.services import key_changes

ACTOR = Actor.from_task("keys.announce")


class Command(BaseCommand):
    help = "Publish the keys to every target that names others, and wait until agents know them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="publish nothing, only tell")
        parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS")

    def handle(self, *_: Any, **options: Any) -> None:
        for raw, role in zip(signing.public_keys(), ("current", "successor"), strict=False):
            self.stdout.write(f"{role} key: {signing.fingerprint(raw)}")
        if not options["check"]:
            try:
                for name in key_changes.announce(actor=ACTOR):
                    self.stdout.write(f"published to {name}")
            except GovernanceError as error:
                raise CommandError(error.message) from error
        until = time.monotonic() + options["wait"]
        while not (found := key_changes.standing()).is_known and time.monotonic() < until:
            time.sleep(0.5)
        if not found.is_known:
            lines = [f"  {name} names other keys" for name in found.other_keys]
            lines += [f"  agent {name} has not applied the newest state" for name in found.behind]
            raise CommandError("Not every agent knows these keys yet:\n" + "\n".join(lines))
        self.stdout.write("Every agent that has not left knows these keys.")
