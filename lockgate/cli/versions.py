"""``lockgate register``: a folder becomes a version."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from lockgate.cli.connection import connection_of
from lockgate.cli.output import NO, show
from lockgate.client import Client, Document
from lockgate.errors import ApiError
from lockgate.manifest import read_pack

Folder = Annotated[Path, typer.Argument(help="Folder of manifest.json and the files it names.")]
Owner = Annotated[str, typer.Option(help="Register the model too, if it is new: who owns it.")]
Purpose = Annotated[str, typer.Option(help="What the model is for, if it is new.")]
Group = Annotated[str, typer.Option(help="Group of the model, if it is new.")]
Wait = Annotated[bool, typer.Option(help="Wait for the inspection.")]
Seconds = Annotated[float, typer.Option("--timeout", help="Seconds to wait at most.", min=0)]


def register(
    context: typer.Context,
    folder: Folder,
    *,
    owner: Owner = "",
    purpose: Purpose = "",
    group: Group = "",
    wait: Wait = True,
    seconds: Seconds = 300.0,
) -> None:
    """Upload a version's files and register it. The same folder again is the same version."""
    connection = connection_of(context)
    raw, manifest, files = read_pack(folder)
    model = str(manifest.get("model"))
    with connection.client() as client:
        if owner or purpose:
            more = {"group": group} if group else {}
            _ensure_model(client, model, {"owner": owner, "purpose": purpose, **more})
        for path in files.values():
            client.upload_blob(path)
        version = client.register_version(model, raw)
        if wait:
            version = client.wait_until_inspected(model, version["number"], seconds=seconds)
    show(version, _lines(version), as_json=connection.as_json)
    if version["status"] == "rejected":
        raise typer.Exit(NO)


def _ensure_model(client: Client, name: str, description: dict[str, Any]) -> None:
    try:
        client.model(name)
    except ApiError as error:
        if error.code != "no_such_model":
            raise
        client.register_model(name, **description)


def _lines(version: Document) -> Iterator[str]:
    yield f"{version['model']} {version['number']}  {version['status']}"
    yield f"sha256:{version['digest']}"
    for reason in version["reasons"]:
        yield f"  {reason['code']}: {reason['detail']}"
