"""``lockgate finding``: what reviewers hold against versions, without a browser."""

from enum import StrEnum
from typing import Annotated

import typer

from lockgate.cli import lines
from lockgate.cli.connection import connection_of
from lockgate.cli.output import show, show_items


class State(StrEnum):
    """Which findings are listed."""

    OPEN = "open"
    OVERDUE = "overdue"
    CLOSED = "closed"
    ALL = "all"


class Severity(StrEnum):
    """How bad it is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


finding = typer.Typer(
    name="finding",
    no_args_is_help=True,
    help="List, record and close what reviewers hold against versions.",
)


@finding.command("list")
def list_findings(
    context: typer.Context,
    *,
    state: Annotated[State, typer.Option(help="Which of them.")] = State.OPEN,
    model: Annotated[str, typer.Option(help="Only on this model.")] = "",
    version: Annotated[int, typer.Option(help="Only on this version of it.", min=0)] = 0,
    owner: Annotated[str, typer.Option(help="Only what this person sees to; me for you.")] = "",
    severity: Annotated[Severity | None, typer.Option(help="Only as bad as this.")] = None,
) -> None:
    """List findings, the newest first; by default those that are open."""
    if version and not model:
        message = "Say of which model: --model."
        raise typer.BadParameter(message)
    asked = {
        "state": "" if state is State.ALL else state,
        "model": model,
        "version": str(version or ""),
        "owner": owner,
        "severity": severity or "",
    }
    connection = connection_of(context)
    with connection.client() as client:
        found = client.findings(**{name: text for name, text in asked.items() if text})
        show_items(found, lines.of_finding, none="No such finding.", as_json=connection.as_json)


@finding.command()
def record(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    version: Annotated[int, typer.Argument(help="Number of the version.", min=1)],
    title: Annotated[str, typer.Argument(help="What is wrong with it, in a line.")],
    *,
    severity: Annotated[Severity, typer.Option(help="How bad it is.")],
    owner: Annotated[str, typer.Option(help="User name of who sees to it.")],
    due: Annotated[str, typer.Option(help="By which day, such as 2027-01-31.")],
    text: Annotated[str, typer.Option(help="More about it.")] = "",
    blocks: Annotated[
        bool, typer.Option("--blocks", help="Hold up what it is a condition of until closed.")
    ] = False,
    condition_of: Annotated[
        str, typer.Option(help="Id of the request that it is a condition of.")
    ] = "",
) -> None:
    """Hold something against a version. For approvers and risk officers, as a person."""
    connection = connection_of(context)
    with connection.client() as client:
        made = client.record_finding(
            model,
            version,
            severity=severity,
            title=title,
            text=text,
            owner=owner,
            due=due,
            blocks=blocks,
            condition_of=condition_of or None,
        )
    show(made, lines.of_finding(made), as_json=connection.as_json)


@finding.command()
def close(
    context: typer.Context,
    finding_id: Annotated[str, typer.Argument(metavar="finding", help="Id of the finding.")],
    *,
    resolution: Annotated[str, typer.Option(help="How it was resolved.")],
    evidence: Annotated[str, typer.Option(help="Where that can be read.")] = "",
) -> None:
    """Find that it is resolved, for good. Not for who recorded, owns or made it."""
    connection = connection_of(context)
    with connection.client() as client:
        closed = client.close_finding(finding_id, resolution=resolution, evidence=evidence)
    show(closed, lines.of_finding(closed), as_json=connection.as_json)
