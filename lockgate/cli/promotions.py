"""``lockgate promote``, ``lockgate rollback`` and ``lockgate stop``."""

from enum import StrEnum
from typing import Annotated

import typer

from lockgate.cli import lines
from lockgate.cli.connection import Connection, connection_of
from lockgate.cli.output import NO, show
from lockgate.cli.progress import progress
from lockgate.client import ENDED, Client, Document
from lockgate.errors import ApiError, LockgateError
from lockgate.waiting import Patience
from lockgate.walk import Step, Walk, is_there, progress_of, steps_of


class To(StrEnum):
    """Where a version may go."""

    DARK = "dark"
    PRODUCTION = "production"
    RETIRED = "retired"


Model = Annotated[str, typer.Argument(help="Name of the model.")]
Version = Annotated[int, typer.Argument(help="Number of the version.", min=1)]
Place = Annotated[str, typer.Argument(help="Environment, such as prod-eu.")]
Target = Annotated[To, typer.Option(help="Where the version should go.")]
Reason = Annotated[str, typer.Option(help="Why. Kept in the audit log.")]
Ticket = Annotated[str, typer.Option(help="Ticket this belongs to.")]
Through = Annotated[
    str,
    typer.Option(
        help="Environments in their order, such as qa,prod-eu or qa,prod-eu:dark,prod-eu."
        " Each is asked for when agents confirm the one before."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only evaluate the gates.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it is done, or ended otherwise.")]
Seconds = Annotated[float, typer.Option("--timeout", help="Seconds to wait at most.", min=0)]


def promote(
    context: typer.Context,
    model: Model,
    version: Version,
    environment: Annotated[str, typer.Argument(help="Environment; or give --through.")] = "",
    *,
    reason: Reason,
    to: Target = To.PRODUCTION,
    through: Through = "",
    ticket: Ticket = "",
    dry_run: DryRun = False,
    wait: Wait = False,
    seconds: Seconds = 600.0,
) -> None:
    """Ask that a version goes somewhere. Approvals and gates decide.

    Run it again after it was cut off: it goes on where it stood, and asks for nothing twice.
    """
    connection = connection_of(context)
    if bool(environment) == bool(through) or (through and dry_run):
        message = "Name one environment, or several with --through (without --dry-run)."
        raise typer.BadParameter(message)
    if through:
        steps = _steps(through, to=to)
        with connection.client() as client:
            walk = Walk(
                client, model, version, steps, reason=reason, ticket=ticket, page=connection.page
            )
            _walk(connection, walk, wait=wait, seconds=seconds)
        return
    with connection.client() as client:
        step = Step(environment, to)
        found = None if dry_run else _asked_before(client, model, version, step)
        promotion = found or client.promote(
            model, version, environment, to=to, reason=reason, ticket=ticket, dry_run=dry_run
        )
        if wait and not dry_run:
            promotion = _ended(client, promotion["id"], seconds=seconds)
    show(promotion, lines.of_promotion(promotion), as_json=connection.as_json)
    failed = promotion.get("would_pass") is False if dry_run else wait and not _is_done(promotion)
    if failed:
        raise typer.Exit(NO)


def rollback(
    context: typer.Context,
    model: Model,
    environment: Place,
    *,
    reason: Reason,
    to: Annotated[int, typer.Option(help="Which former champion; 0 for the last.", min=0)] = 0,
    wait: Wait = False,
    seconds: Seconds = 120.0,
) -> None:
    """Let a former champion answer again, at once. Needs no approval."""
    connection = connection_of(context)
    with connection.client() as client:
        promotion = client.rollback(environment, model, reason=reason, to=to or None)
        if wait:
            promotion = _ended(client, promotion["id"], seconds=seconds)
    show(promotion, lines.of_promotion(promotion), as_json=connection.as_json)
    if wait and not _is_done(promotion):
        raise typer.Exit(NO)


def stop(
    context: typer.Context,
    model: Model,
    environment: Place,
    *,
    reason: Reason,
    wait: Wait = False,
    seconds: Seconds = 120.0,
) -> None:
    """Let nobody answer for a model, at once: its callers get 503. A rollback undoes it."""
    connection = connection_of(context)
    with connection.client() as client:
        promotion = client.stop(environment, model, reason=reason)
        if wait:
            promotion = _ended(client, promotion["id"], seconds=seconds)
    show(promotion, lines.of_promotion(promotion), as_json=connection.as_json)
    if wait and not _is_done(promotion):
        raise typer.Exit(NO)


def _asked_before(client: Client, model: str, version: int, step: Step) -> Document | None:
    """Find the request that is under way, or the one that has led there already."""
    wanted = (model, version, step.environment)
    if found := client.unsettled(*wanted, to=step.to):
        return found
    try:
        there = is_there(client.version(model, version), step)
    except ApiError:
        return None  # What is wrong with it, asking says better.
    return client.done(*wanted, to=step.to) if there else None


def _steps(through: str, *, to: str) -> list[Step]:
    try:
        return steps_of(through, to=to)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _walk(connection: Connection, walk: Walk, *, wait: bool, seconds: float) -> None:
    try:
        with progress() as tell:
            if wait:
                walk.finish(seconds=seconds, tell=tell)
            else:
                walk.begin(tell=tell)
    except (LockgateError, KeyboardInterrupt):
        _show_walk(connection, walk)
        raise
    _show_walk(connection, walk)


def _show_walk(connection: Connection, walk: Walk) -> None:
    document = walk.document()
    show(document, lines.of_walk(document), as_json=connection.as_json)


def _ended(client: Client, promotion_id: str, *, seconds: float) -> Document:
    with progress() as tell:
        return Patience(seconds, tell=tell).until(
            lambda: client.promotion(promotion_id),
            lambda promotion: promotion["state"] in ENDED,
            what=f"promotion {promotion_id}",
            describe=progress_of,
        )


def _is_done(promotion: Document) -> bool:
    return bool(promotion["state"] == "done")
