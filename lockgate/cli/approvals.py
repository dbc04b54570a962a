"""``lockgate approve``: a person signs a request, or refuses to."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import typer

from lockgate.cli import lines
from lockgate.cli.connection import connection_of
from lockgate.cli.output import clean, show
from lockgate.client import Document
from lockgate.errors import NotAsShown


class Meaning(StrEnum):
    """What a signature means."""

    REVIEW = "review"
    APPROVAL = "approval"
    RESPONSIBILITY = "responsibility"


PASSWORD = "LOCKGATE_PASSWORD"  # noqa: S105 - the name of a variable


def approve(
    context: typer.Context,
    promotion: Annotated[str, typer.Argument(help="Id of the request.")],
    *,
    reject: Annotated[bool, typer.Option("--reject", help="Refuse; needs --comment.")] = False,
    meaning: Annotated[Meaning, typer.Option(help="What the signature means.")] = Meaning.APPROVAL,
    comment: Annotated[str, typer.Option(help="Kept with the signature.")] = "",
    content_hash: Annotated[
        str, typer.Option(help="Sign only if this is still the hash of what is asked.")
    ] = "",
) -> None:
    """Show exactly what a request stands for, and sign it with your password.

    Needs a personal token. The password is asked for on a terminal; elsewhere it
    comes from LOCKGATE_PASSWORD.
    """
    connection = connection_of(context)
    if reject and not comment.strip():
        message = "A refusal needs its reason: --comment."
        raise typer.BadParameter(message)
    password = os.environ.get(PASSWORD, "")
    if not password and not sys.stdin.isatty():
        message = "There is no terminal to ask for the password: set LOCKGATE_PASSWORD."
        raise typer.BadParameter(message)
    decision = "reject" if reject else "approve"
    with connection.client() as client:
        request = client.promotion(promotion)
        _hold(request, expected=content_hash)
        for line in _shown(request, decision=decision, meaning=meaning):
            typer.echo(clean(line), err=True)
        signed = client.approve(
            promotion,
            content_hash=request["content_hash"],
            password=password or typer.prompt("Your password", hide_input=True, err=True),
            decision=decision,
            meaning=meaning,
            comment=comment,
        )
    show(signed, lines.of_promotion(signed), as_json=connection.as_json)


def _shown(request: Document, *, decision: str, meaning: str) -> Iterator[str]:
    asked_by = request["requested_by"]
    yield from lines.of_promotion(request)
    yield f"  asked for by {asked_by['name']}: {request['reason']}"
    yield f"You {decision} (meaning: {meaning}) exactly this:"
    for name, value in request["content"].items():
        yield f"  {name}: {'none' if value is None else value}"
    yield f"  content hash: {request['content_hash']}"


def _hold(request: Document, *, expected: str) -> None:
    """Hold that the hash which is signed is the hash of what is shown.

    Raises:
        NotAsShown: it is not, or is not the expected one.
    """
    said, content = request["content_hash"], request["content"]
    if expected and expected != said:
        message = f"This request stands for {said} now, not for {expected}. Nothing was signed."
        raise NotAsShown(message)
    if _is_plain(content) and hashlib.sha256(_canonical(content)).hexdigest() != said:
        message = "The service shows one thing and asks to sign another. Nothing was signed."
        raise NotAsShown(message)


def _is_plain(value: object) -> bool:
    """Tell whether a document holds no fractions: those are written differently elsewhere."""
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return not isinstance(value, float)


def _canonical(content: Document) -> bytes:
    """Return the bytes the hash is over (RFC 8785, for documents without fractions)."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
