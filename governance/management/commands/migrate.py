"""``migrate`` as the owner of the tables, then the grants of application and sealer."""

from typing import Any

from django.conf import settings
from django.core.management.commands import migrate
from django.db import connections

from governance import grants


class Command(migrate.Command):
    def add_arguments(self, parser: Any) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="owner")

    def handle(self, *args: Any, **options: Any) -> str | None:
        result: str | None = super().handle(*args, **options)
        if options["database"] == "owner":
            grants.grant_sealer(connections["owner"], role=settings.CONFIG.sealer_role)
        app, owner = settings.DATABASES["default"]["USER"], settings.DATABASES["owner"]["USER"]
        if options["database"] == "owner" and app and app != owner:
            grants.grant(connections["owner"], role=app)
        return result
