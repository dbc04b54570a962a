"""``lockgate spare``: which former champion answers when the champion fails."""

from typing import Annotated

import typer

from lockgate.cli import lines
from lockgate.cli.connection import connection_of
from lockgate.cli.output import show

Model = Annotated[str, typer.Argument(help="Name of the model.")]
Place = Annotated[str, typer.Argument(help="Environment, such as prod-eu.")]
Reason = Annotated[str, typer.Option(help="Why. Kept in the audit log.")]

spare = typer.Typer(
    name="spare",
    no_args_is_help=True,
    help="Name or drop the former champion that answers when the champion fails.",
)


@spare.command()
def name(
    context: typer.Context,
    model: Model,
    version: Annotated[int, typer.Argument(help="Number of a former champion.", min=1)],
    environment: Place,
    *,
    reason: Reason,
) -> None:
    """Let a former champion answer when the champion fails. The spare before is retired."""
    connection = connection_of(context)
    with connection.client() as client:
        named = client.name_spare(environment, model, version, reason=reason)
    show(named, lines.of_spare(named), as_json=connection.as_json)


@spare.command()
def drop(context: typer.Context, model: Model, environment: Place, *, reason: Reason) -> None:
    """Retire the spare: when the champion fails, callers get its error again."""
    connection = connection_of(context)
    with connection.client() as client:
        dropped = client.drop_spare(environment, model, reason=reason)
    show(dropped, lines.of_spare(dropped), as_json=connection.as_json)
