"""``lockgate comment``: something is said about a request."""

from typing import Annotated

import typer

from lockgate.cli.connection import connection_of
from lockgate.cli.output import show


def comment(
    context: typer.Context,
    promotion: Annotated[str, typer.Argument(help="Id of the request.")],
    text: Annotated[str, typer.Argument(help="What to say. Kept for good, by your name.")],
) -> None:
    """Say something about a request. It stands in its timeline and decides nothing."""
    connection = connection_of(context)
    with connection.client() as client:
        said = client.comment(promotion, text)
    line = f"{said['at']}  {said['by']['name']}: {said['text']}"
    show(said, [line], as_json=connection.as_json)
