"""``copy_blobs FROM TO``: the half of a backup, and of a restore, that is artifacts."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from registry.adapters import store
from registry.services import copies

NAMED = 5
"""So many of the missing are listed; the rest are counted."""


class Command(BaseCommand):
    help = "Copy every artifact the database names from one store's URL to another's."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", help="file:///folder or s3://bucket/prefix?...")
        parser.add_argument("destination", help="the same")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            source = store.open_store(options["source"])
            destination = store.open_store(options["destination"])
        except ValueError as error:
            raise CommandError(str(error)) from error
        done = copies.copy_blobs(source=source, destination=destination)
        self.stdout.write(
            f"{done.new:,} artifacts copied ({done.bytes:,} bytes), {done.present:,} were there."
        )
        if done.failed:
            listed = list(done.failed.items())[:NAMED]
            lines = [f"  {sha256}: {reason}" for sha256, reason in listed]
            if more := len(done.failed) - len(listed):
                lines.append(f"  and {more:,} more")
            message = f"{len(done.failed):,} artifacts are not there:\n" + "\n".join(lines)
            raise CommandError(message)
