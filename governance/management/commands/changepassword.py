"""``changepassword USERNAME``: as Django's, but through the service, so that it is recorded."""

from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance import selectors
from governance.actors import Actor
from governance.errors import GovernanceError
from governance.services import people


class Command(BaseCommand):
    help = "Give an account a new password."
    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            user = selectors.person(options["username"])
            password = getpass()
            if password != getpass("Password (again): "):
                message = "These are two different passwords; nothing was changed."
                raise CommandError(message)
            people.set_password(
                user_id=user.pk, password=password, actor=Actor.from_task("manage.changepassword")
            )
        except GovernanceError as error:
            raise CommandError(f"{error.message} {error.context or ''}".strip()) from None
        self.stdout.write(f"{user.username} has a new password; other sessions have ended.")
