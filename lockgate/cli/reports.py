"""``lockgate report``: what an auditor takes away of an environment or a period, as a file."""

from pathlib import Path
from typing import Annotated

import typer

from lockgate.cli.connection import connection_of
from lockgate.cli.output import show

FORMS = {".json": "application/json", ".html": "text/html", ".zip": "application/zip"}


def report(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where to: .json, .html, or .zip for a bundle.")],
    *,
    environment: Annotated[str, typer.Option(help="Of this environment; else of all.")] = "",
    since: Annotated[str, typer.Option("--from", help="From this time, in RFC 3339.")] = "",
    until: Annotated[str, typer.Option("--to", help="Until before this time.")] = "",
    as_of: Annotated[str, typer.Option(help="As of this time, not now.")] = "",
) -> None:
    """Report what changed in an environment or everywhere, who decided it, what answered when."""
    form = FORMS.get(file.suffix)
    if form is None:
        message = f"Name a file that ends in {', '.join(FORMS)}."
        raise typer.BadParameter(message)
    asked = {"from": since, "to": until, "as_of": as_of}
    connection = connection_of(context)
    with connection.client() as client:
        content = client.audit_report(
            environment, form=form, **{name: text for name, text in asked.items() if text}
        )
    file.write_bytes(content)
    told = {"file": str(file), "bytes": len(content)}
    show(told, [f"{file}: {len(content)} bytes"], as_json=connection.as_json)
