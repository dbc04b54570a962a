"""``lockgate sidecar``: Envoy's configuration for callers of an environment."""

from pathlib import Path
from typing import Annotated

import typer

from lockgate import sidecar as envoy
from lockgate.cli.connection import connection_of
from lockgate.cli.output import show

Port = Annotated[int, typer.Option(help="Where callers on this host ask.", min=1, max=65535)]
Attempt = Annotated[int, typer.Option(help="Milliseconds an agent has to answer.", min=1)]
Total = Annotated[int, typer.Option(help="Milliseconds until callers are told no.", min=1)]
Models = Annotated[
    list[str] | None, typer.Option("--model", help="May be repeated; otherwise all that answer.")
]
AdminPort = Annotated[
    int | None, typer.Option(help="Where Envoy tells its own state, on loopback.", min=1, max=65535)
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")]


def sidecar(
    context: typer.Context,
    environment: Annotated[str, typer.Argument(help="Name of an environment.")],
    *,
    model: Models = None,
    port: Port = 8080,
    attempt: Attempt = 250,
    total: Total = 2000,
    admin_port: AdminPort = None,
    output: Output = None,
) -> None:
    """Write Envoy's configuration: one address for callers, all agents behind it."""
    connection = connection_of(context)
    with connection.client() as client:
        state = client.environment_state(environment)
    agents = envoy.agents_of(state)
    document = envoy.configuration(
        agents,
        model or envoy.models_of(state),
        port=port,
        waits=envoy.Waits(attempt=attempt, total=total),
        admin_port=admin_port,
    )
    text = envoy.written(document)
    if output is None:
        show(document, text.splitlines(), as_json=connection.as_json)
        return
    output.write_text(text, encoding="utf-8")
    names = ", ".join(agent.name for agent in agents)
    show(document, [f"{output}: {names}"], as_json=connection.as_json)
