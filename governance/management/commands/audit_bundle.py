"""``audit_bundle``: write a bundle that proves itself offline."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance.audit import bundles
from governance.errors import GovernanceError


class Command(BaseCommand):
    help = "Write a bundle of the audit log, which verify.py in it checks without anything else."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the zip file to write; it is not there yet")
        parser.add_argument(
            "--object", action="append", default=[], help="only of this, such as model:NAME"
        )
        parser.add_argument(
            "--since", type=int, default=0, help="entries of an older checkpoint to compare with"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        path: Path = options["file"]
        question = bundles.Question(frozenset(options["object"]), since=options["since"])
        try:
            with path.open("xb") as file:
                written = bundles.write(file, question)
        except FileExistsError:
            raise CommandError(f"{path} is there already.") from None
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from None
        except GovernanceError as error:
            path.unlink()
            raise CommandError(error.message) from None
        self.stdout.write(f"{path}: {written.entries:,} of {written.size:,} entries.")
        if written.statements is None:
            self.stderr.write("The log is not whole: let verify.py name what is wrong with it.")
