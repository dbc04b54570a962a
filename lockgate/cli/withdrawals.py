"""``lockgate withdraw``: who asked takes it back."""

from typing import Annotated

import typer

from lockgate.cli import lines
from lockgate.cli.connection import connection_of
from lockgate.cli.output import show


def withdraw(
    context: typer.Context,
    promotion: Annotated[str, typer.Argument(help="Id of the request.")],
    *,
    reason: Annotated[str, typer.Option(help="Why. Kept in the audit log.")],
) -> None:
    """Take back a request that has not begun.

    For whoever asked; once it is approved and waits to begin, for operators too.
    """
    connection = connection_of(context)
    with connection.client() as client:
        withdrawn = client.withdraw(promotion, reason=reason)
    show(withdrawn, lines.of_promotion(withdrawn), as_json=connection.as_json)
