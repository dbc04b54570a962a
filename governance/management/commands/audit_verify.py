"""``audit_verify``: check the whole audit log; exit 0 when it is whole, 1 when not."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from governance.audit.verify import Report, verify
from governance.services import access_digests
from governance.services.access_digests import Compared

TOLD_EVERY = 20_000


class Command(BaseCommand):
    help = "Check every entry of the audit log, what guards it, and what it sealed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        report = verify(progress=self._tell)
        compared = access_digests.compare(limit=None)
        for seq in sorted(compared.wrong):
            report.add("access log", "the lines of the access log are not those it sealed", seq)
        if options["json"]:
            self.stdout.write(json.dumps({"ok": report.ok, **asdict(report), **_sealed(compared)}))
        else:
            self._print(report, compared)
        if not report.ok:
            raise SystemExit(1)

    def _tell(self, entries: int) -> None:
        if entries % TOLD_EVERY == 0:
            self.stderr.write(f"{entries:,} entries checked ...")

    def _print(self, report: Report, compared: Compared) -> None:
        size = f"{report.entries:,} entries about {report.objects:,} objects"
        if report.ok:
            self.stdout.write(f"The audit log is whole: {size}, ending with {report.head}.")
            if compared.sealed_until:
                until = f"{compared.sealed_until:%Y-%m-%d %H:%M} UTC"
                self.stdout.write(
                    f"The access log is as it was sealed: {compared.lines:,} lines until {until}."
                )
            return
        first, *others = report.findings
        self.stdout.write(f"The audit log is NOT whole ({size}). First: {first}")
        for finding in others:
            self.stdout.write(f"  {finding}")
        if report.more:
            self.stdout.write(f"  and {report.more:,} more")


def _sealed(compared: Compared) -> dict[str, Any]:
    until = compared.sealed_until
    return {
        "access_log": {
            "digests": compared.digests,
            "lines": compared.lines,
            "sealed_until": until.isoformat() if until else None,
        }
    }
