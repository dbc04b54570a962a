"""``lockgate promote``, ``lockgate stop`` and ``lockgate status``."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import typer

from lockgate.cli.connection import connection_of
from lockgate.cli.output import NO, show
from lockgate.client import Client, Document


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
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only evaluate the gates.")]
Wait = Annotated[bool, typer.Option(help="Wait until it is done, or ended otherwise.")]
Seconds = Annotated[float, typer.Option(help="How long to wait.", min=0)]


def promote(
    context: typer.Context,
    model: Model,
    version: Version,
    environment: Place,
    *,
    to: Target,
    reason: Reason,
    ticket: Ticket = "",
    dry_run: DryRun = False,
    wait: Wait = False,
    seconds: Seconds = 600.0,
) -> None:
    """Ask that a version goes somewhere. Approvals and gates decide."""
    connection = connection_of(context)
    with connection.client() as client:
        promotion = client.promote(
            model, version, environment, to=to, reason=reason, ticket=ticket, dry_run=dry_run
        )
        if wait and not dry_run:
            promotion = client.wait_for_promotion(promotion["id"], seconds=seconds)
    show(promotion, _promotion_lines(promotion), as_json=connection.as_json)
    failed = promotion.get("would_pass") is False if dry_run else wait and not _is_done(promotion)
    if failed:
        raise typer.Exit(NO)


def stop(
    context: typer.Context,
    model: Model,
    environment: Place,
    *,
    reason: Reason,
    wait: Wait = False,
    seconds: Seconds = 600.0,
) -> None:
    """Let nobody answer for a model, at once: its callers get 503. A rollback undoes it."""
    connection = connection_of(context)
    with connection.client() as client:
        promotion = client.stop(environment, model, reason=reason)
        if wait:
            promotion = client.wait_for_promotion(promotion["id"], seconds=seconds)
    show(promotion, _promotion_lines(promotion), as_json=connection.as_json)
    if wait and not _is_done(promotion):
        raise typer.Exit(NO)


def status(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Name of a model.")] = "",
    version: Annotated[int, typer.Argument(help="Number of a version.", min=0)] = 0,
    *,
    promotion: Annotated[str, typer.Option(help="Show this request.")] = "",
    environment: Annotated[str, typer.Option(help="Show this environment.")] = "",
) -> None:
    """Show a model, a version, a request or an environment."""
    connection = connection_of(context)
    if sum(map(bool, (model, promotion, environment))) != 1:
        message = "Name a model, --promotion or --environment."
        raise typer.BadParameter(message)
    with connection.client() as client:
        if promotion:
            document = client.promotion(promotion)
            lines = _promotion_lines(document)
        elif environment:
            document = client.environment_state(environment)
            lines = _environment_lines(document)
        elif version:
            document = client.version(model, version)
            lines = iter([_version_line(document), f"sha256:{document['digest']}"])
        else:
            document = _model_document(client, model)
            lines = map(_version_line, document["versions"])
    show(document, lines, as_json=connection.as_json)


def _model_document(client: Client, model: str) -> Document:
    return {**client.model(model), "versions": list(client.versions(model))}


def _version_line(version: Document) -> str:
    reasons = ", ".join(str(reason["code"]) for reason in version.get("reasons", ()))
    return f"{version['model']} {version['number']}  {version['status']}  {reasons}".rstrip()


def _promotion_lines(promotion: Document) -> Iterator[str]:
    if "id" in promotion:
        yield f"{promotion['id']}  {promotion['state']}"
        yield (
            f"{promotion['model']} {promotion['version']} in {promotion['environment']}:"
            f" {promotion['from']} -> {promotion['to']}"
        )
    for gate in promotion["gates"]:
        words = [gate["gate"], gate["outcome"], gate["reason"], gate["remedy"]]
        yield "  " + "  ".join(str(word) for word in words if word)
    signatures = promotion.get("approvals", ())
    for signature in signatures:
        yield f"  {signature['decision']} by {signature['name']} ({signature['role']})"
    if promotion.get("state") == "open":
        yield f"  {len(signatures)} of {promotion['approvals_needed']} approvals"


def _environment_lines(environment: Document) -> Iterator[str]:
    yield f"{environment['environment']} ({environment['kind']})"
    for model in environment["models"]:
        champion = model["champion"]
        decided = f"version {champion['version']}" if champion else "no champion"
        yield f"  {model['model']}  decided: {decided}  live: {model['live']['verdict']}"


def _is_done(promotion: Document) -> bool:
    return bool(promotion["state"] == "done")
