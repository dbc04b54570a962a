"""``lockgate agent``: which agents count, decided without a browser."""

from typing import Annotated
from uuid import UUID

import typer

from lockgate.cli import lines
from lockgate.cli.connection import connection_of
from lockgate.cli.output import show
from lockgate.client import Client

Agent = Annotated[str, typer.Argument(help="Name of the agent; or its id.")]
Place = Annotated[str, typer.Argument(help="Environment, such as prod-eu.")]
Reason = Annotated[str, typer.Option(help="Why. Kept in the audit log.")]

agent = typer.Typer(
    name="agent",
    no_args_is_help=True,
    help="Take agents out of what counts, or let them back in.",
)


@agent.command()
def cordon(context: typer.Context, name: Agent, environment: Place, *, reason: Reason) -> None:
    """Stop counting an agent: it goes on serving, and no rollout waits for it."""
    _change(context, "cordon", name, environment, reason=reason)


@agent.command()
def uncordon(context: typer.Context, name: Agent, environment: Place, *, reason: Reason) -> None:
    """Count an agent again."""
    _change(context, "uncordon", name, environment, reason=reason)


@agent.command()
def evict(context: typer.Context, name: Agent, environment: Place, *, reason: Reason) -> None:
    """End an agent's token: it is told nothing more. What it serves goes on, unseen."""
    _change(context, "evict", name, environment, reason=reason)


@agent.command()
def decommission(
    context: typer.Context, name: Agent, environment: Place, *, reason: Reason
) -> None:
    """Strike off an agent that left or was evicted. One that left is named by its id."""
    _change(context, "decommission", name, environment, reason=reason)


def _change(
    context: typer.Context, change: str, name: str, environment: str, *, reason: str
) -> None:
    connection = connection_of(context)
    with connection.client() as client:
        agent_id = _found(client, name, environment)
        changed = client.change_agent(agent_id, change, reason=reason)
    show(changed, lines.of_agent(changed), as_json=connection.as_json)


def _found(client: Client, name: str, environment: str) -> str:
    """Return the id of an agent.

    Raises:
        typer.BadParameter: none in this environment has that name, or one in each tier has.
    """
    if _is_id(name):
        return name
    agents = client.environment_state(environment)["agents"]
    found = [each for each in agents if each["agent"] == name]
    if len(found) == 1:
        return str(found[0]["id"])
    if found:
        ids = " or ".join(f"{each['id']} ({each['tier']})" for each in found)
        message = f"{environment} has several of that name. Name one by its id: {ids}."
    else:
        there = ", ".join(sorted(each["agent"] for each in agents)) or "none"
        message = f"{environment} has no agent {name}. There: {there}."
    raise typer.BadParameter(message)


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
