"""``lockgate incident``: what is wrong now, said and ended without a browser."""

from enum import StrEnum
from typing import Annotated

import typer

from lockgate.cli import lines
from lockgate.cli.connection import connection_of
from lockgate.cli.output import show, show_items


class State(StrEnum):
    """Which incidents are listed."""

    OPEN = "open"
    CLOSED = "closed"
    ALL = "all"


class Severity(StrEnum):
    """How bad it is."""

    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


incident = typer.Typer(
    name="incident",
    no_args_is_help=True,
    help="List, open and close incidents: what is wrong in an environment.",
)


@incident.command("list")
def list_incidents(
    context: typer.Context,
    *,
    state: Annotated[State, typer.Option(help="Which of them.")] = State.OPEN,
    environment: Annotated[str, typer.Option(help="Only in this environment.")] = "",
) -> None:
    """List incidents, the newest first; by default those that are open."""
    asked = {"state": "" if state is State.ALL else state, "environment": environment}
    connection = connection_of(context)
    with connection.client() as client:
        found = client.incidents(**{name: text for name, text in asked.items() if text})
        show_items(found, lines.of_incident, none="No such incident.", as_json=connection.as_json)


@incident.command("open")
def open_incident(
    context: typer.Context,
    environment: Annotated[str, typer.Argument(help="Environment, such as prod-eu.")],
    title: Annotated[str, typer.Argument(help="What is wrong, in a line.")],
    *,
    severity: Annotated[Severity, typer.Option(help="How bad it is.")],
    model: Annotated[str, typer.Option(help="With this model; else with everything.")] = "",
    detail: Annotated[str, typer.Option(help="More about it.")] = "",
) -> None:
    """Say that something is wrong. Promotions stop where the policy says so."""
    connection = connection_of(context)
    with connection.client() as client:
        made = client.open_incident(
            environment, severity=severity, title=title, model=model, detail=detail
        )
    show(made, lines.of_incident(made), as_json=connection.as_json)


@incident.command()
def close(
    context: typer.Context,
    incident_id: Annotated[str, typer.Argument(metavar="incident", help="Id of the incident.")],
    *,
    resolution: Annotated[str, typer.Option(help="How it ended.")],
) -> None:
    """Say that it is over, for good."""
    connection = connection_of(context)
    with connection.client() as client:
        closed = client.close_incident(incident_id, resolution=resolution)
    show(closed, lines.of_incident(closed), as_json=connection.as_json)
