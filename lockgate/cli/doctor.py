"""``lockgate doctor``: is everything well, and what helps where it is not?"""

from collections import Counter
from collections.abc import Iterable, Iterator

import typer

from lockgate import checkup
from lockgate.checkup import Check
from lockgate.cli.connection import connection_of
from lockgate.cli.output import NO, show

WORDS = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}


def doctor(context: typer.Context) -> None:
    """Examine the installation, and print what helps against what is not well.

    Ends with 1 when something fails. Works with the service down too. What the service
    says of itself needs the role operator or admin.
    """
    connection = connection_of(context)
    checks = list(checkup.examine(connection.url, connection.token))
    failed = [check for check in checks if check.verdict == "fail"]
    document = {"ok": not failed, "checks": [check.as_document() for check in checks]}
    show(document, _lines(checks), as_json=connection.as_json)
    if failed:
        raise typer.Exit(NO)


def _lines(checks: Iterable[Check]) -> Iterator[str]:
    checks = list(checks)
    width = max(len(check.name) for check in checks)
    for check in checks:
        yield f"{WORDS[check.verdict]}  {check.name:<{width}}  {check.found}"
        if check.verdict == "ok":
            continue
        if check.meaning:
            yield f"      {'':<{width}}  {check.meaning}"
        yield f"      {'':<{width}}  Fix: {check.fix}"
    count = Counter(check.verdict for check in checks)
    yield f"{count['ok']} ok, {count['warn']} to look at, {count['fail']} failed"
