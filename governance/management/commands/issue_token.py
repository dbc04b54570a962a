"""``issue_token USERNAME``: make a token for an account and print its secret, once."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance import selectors
from governance.actors import Actor
from governance.errors import GovernanceError
from governance.services import tokens


class Command(BaseCommand):
    help = "Make a token for an account and print its secret, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="who owns it")
        parser.add_argument("--name", default="made on the server", help="what it is for")
        parser.add_argument("--scope", choices=["personal", "ci"], default="personal")
        parser.add_argument("--days", type=int, default=90, help="until it expires")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            issued = tokens.issue(
                name=options["name"],
                scope=options["scope"],
                owner=selectors.person(options["username"]),
                lifetime=timedelta(days=options["days"]),
                actor=Actor.from_task("manage.issue_token"),
            )
        except GovernanceError as error:
            raise CommandError(f"{error.message} {error.context or ''}".strip()) from None
        self.stdout.write(issued.secret)
