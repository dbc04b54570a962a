"""Make the folder or bucket that ``STORE_URL`` names."""

from django.core.management.base import BaseCommand, CommandError

from governance.errors import GovernanceError
from registry.adapters import store


class Command(BaseCommand):
    help = "Make the folder or bucket of STORE_URL, versioned; changes nothing when it is there."

    def handle(self, *_args: object, **_options: object) -> None:
        try:
            store.default().prepare()
        except GovernanceError as error:
            raise CommandError(error.message) from error
        self.stdout.write("The artifact store is ready.")
