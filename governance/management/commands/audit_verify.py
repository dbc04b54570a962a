"""``audit_verify``: check the whole audit log; exit 0 when it is whole, 1 when not."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from governance.audit.verify import Report, verify

TOLD_EVERY = 20_000


class Command(BaseCommand):
    help = "Check every entry of the audit log, and what guards it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        report = verify(progress=self._tell)
        if options["json"]:
            self.stdout.write(json.dumps({"ok": report.ok, **asdict(report)}))
        else:
            self._print(report)
        if not report.ok:
            raise SystemExit(1)

    def _tell(self, entries: int) -> None:
        if entries % TOLD_EVERY == 0:
            self.stderr.write(f"{entries:,} entries checked ...")

    def _print(self, report: Report) -> None:
        size = f"{report.entries:,} entries about {report.objects:,} objects"
        if report.ok:
            self.stdout.write(f"The audit log is whole: {size}, ending with {report.head}.")
            return
        first, *others = report.findings
        self.stdout.write(f"The audit log is NOT whole ({size}). First: {first}")
        for finding in others:
            self.stdout.write(f"  {finding}")
        if report.more:
            self.stdout.write(f"  and {report.more:,} more")
