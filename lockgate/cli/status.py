"""``lockgate status``: a model, a version, a request or an environment, once or watched."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from lockgate.cli import lines
from lockgate.cli.connection import connection_of
from lockgate.cli.output import NO, TOO_LONG, UNREACHABLE, clean, show
from lockgate.client import ENDED, Client, Document
from lockgate.errors import Unreachable


@dataclass(frozen=True, slots=True)
class _View:
    """What is looked at: how to read it, and how to say it."""

    read: Callable[[Client], Document]
    lines: Callable[[Document], Iterable[str]]
    is_request: bool = False

    def exit_code(self, document: Document) -> int | None:
        """Return what the command ends with, None as long as it goes on."""
        if not self.is_request or document["state"] not in ENDED:
            return None
        return 0 if document["state"] == "done" else NO


def status(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Name of a model.")] = "",
    version: Annotated[int, typer.Argument(help="Number of a version.", min=0)] = 0,
    *,
    promotion: Annotated[str, typer.Option(help="Show this request.")] = "",
    environment: Annotated[str, typer.Option(help="Show this environment.")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Show it again when it changes.")] = False,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.05)] = 2.0,
    timeout: Annotated[float, typer.Option(help="Seconds to watch; 0 for no end.", min=0)] = 0.0,
) -> None:
    """Show a model, a version, a request or an environment.

    Watched, a request ends the command when it ends: 0 when it is done, 1 otherwise.
    """
    connection = connection_of(context)
    if sum(map(bool, (model, promotion, environment))) != 1:
        message = "Name a model, --promotion or --environment."
        raise typer.BadParameter(message)
    view = _view(model=model, version=version, promotion=promotion, environment=environment)
    with connection.client() as client:
        if not watch:
            document = view.read(client)
            show(document, view.lines(document), as_json=connection.as_json)
            return
        until = time.monotonic() + timeout if timeout else None
        code = _watch(view, client, as_json=connection.as_json, every=every, until=until)
    raise typer.Exit(code)


def _view(*, model: str, version: int, promotion: str, environment: str) -> _View:
    if promotion:
        return _View(
            lambda client: client.promotion(promotion), lines.of_promotion, is_request=True
        )
    if environment:
        return _View(lambda client: client.environment_state(environment), lines.of_environment)
    if version:
        return _View(lambda client: client.version(model, version), _lines_of_version)
    return _View(lambda client: _model_document(client, model), _lines_of_model)


def _watch(view: _View, client: Client, *, as_json: bool, every: float, until: float | None) -> int:
    """Look again and again; return the exit code once there is nothing more to see."""
    console = Console(soft_wrap=True, highlight=False)
    redraw = console.is_terminal and not as_json
    seen: Document | None = None
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while True:
            found, trouble = _look(view, client)
            document = found if found is not None else seen
            shown = list(view.lines(document)) if document is not None else []
            if redraw:
                at = f"{time.strftime('%H:%M:%S')}{f', {trouble}' if trouble else ''}"
                live.update(Text("\n".join(map(clean, [*shown, at]))), refresh=True)
            elif document is not None and _is_news(document, seen):
                _write(document, shown, as_json=as_json)
            seen = document
            code = view.exit_code(found) if found is not None else None
            if code is not None:
                return code
            if until is not None and time.monotonic() + every > until:
                return UNREACHABLE if trouble else TOO_LONG if view.is_request else 0
            time.sleep(every)


def _look(view: _View, client: Client) -> tuple[Document | None, str]:
    try:
        return view.read(client), ""
    except Unreachable as error:
        return None, str(error)


def _is_news(document: Document, seen: Document | None) -> bool:
    """Tell whether anything but the time of the answer has changed."""
    return seen is None or {**document, "at": None} != {**seen, "at": None}


def _write(document: Document, shown: Iterable[str], *, as_json: bool) -> None:
    if as_json:  # One document a line, for programs that read along.
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    for line in shown:
        typer.echo(clean(line))


def _model_document(client: Client, model: str) -> Document:
    return {**client.model(model), "versions": list(client.versions(model))}


def _lines_of_model(model: Document) -> Iterable[str]:
    return (line for version in model["versions"] for line in lines.of_version(version))


def _lines_of_version(version: Document) -> Iterable[str]:
    first, *others = lines.of_version(version)
    return [first, f"sha256:{version['digest']}", *others]
