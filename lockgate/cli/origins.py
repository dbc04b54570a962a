"""``lockgate origins``: what was made of this data or code, and what comes of a version."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import typer

from lockgate.cli.connection import connection_of
from lockgate.cli.output import MOST, show
from lockgate.client import Document


def origins(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Name of a model.")] = "",
    version: Annotated[int, typer.Argument(help="Number of a version.", min=0)] = 0,
    *,
    dataset: Annotated[str, typer.Option(help="Made of the data set of this id.")] = "",
    digest: Annotated[str, typer.Option(help="Made of data of this SHA-256.")] = "",
    since: Annotated[str, typer.Option("--from", help="Data about times from this day.")] = "",
    until: Annotated[str, typer.Option("--to", help="Data about times up to this day.")] = "",
    commit: Annotated[str, typer.Option(help="Made by this commit.")] = "",
    run: Annotated[str, typer.Option(help="Made by this training run.")] = "",
    feature: Annotated[str, typer.Option(help="Takes this feature.")] = "",
    package: Annotated[str, typer.Option(help="Made with NAME, or NAME==VERSION.")] = "",
    live: Annotated[bool, typer.Option("--live", help="Only what answers callers.")] = False,
) -> None:
    """Find versions by what they were made of, or show what is around one of them."""
    asked = {
        "dataset": dataset, "digest": digest, "from": since, "to": until, "commit": commit,
        "run": run, "feature": feature, "package": package, "live": "1" if live else "",
    }  # fmt: skip
    given = {name: text for name, text in asked.items() if text}
    if bool(given) == bool(model) or bool(model) != bool(version):
        message = "Name a model and a version, or say what versions were made of."
        raise typer.BadParameter(message)
    connection = connection_of(context)
    with connection.client() as client:
        if model:
            around = client.relations(model, version)
            show(around, _around(around), as_json=connection.as_json)
            return
        found = list(islice(client.versions_by_origin(**given), MOST + 1))
    shown = found[:MOST]
    answer = {"items": shown, "is_cut": len(found) > MOST}
    show(answer, _found(shown), as_json=connection.as_json)


def _found(rows: list[Document]) -> Iterator[str]:
    for row in rows:
        doubt = "" if row["is_certain"] else "  (may be: its times are not supplied whole)"
        yield f"{row['model']} {row['version']}{doubt}"
        yield from _places(row["environments"])


def _around(found: Document) -> Iterator[str]:
    yield f"{found['model']} {found['version']}"
    up, down = found["upstream"], found["downstream"]
    for use in up["data"]:
        times = f"{use['from'] or '?'} to {use['to'] or '?'}"
        yield f"  made of {use['id']}  sha256:{use['digest'][:12]}  {times}{_later(use)}"
    for kin in up["versions"]:
        yield f"  {_how(kin)} {kin['model']} {kin['version']}{_later(kin['link'] or {})}"
    yield from _places(down["environments"])
    for kin in down["versions"]:
        yield f"  from it: {kin['model']} {kin['version']}  {_how(kin)}{_later(kin['link'] or {})}"
    yield "if it were retired"
    for place in found["retiring"]["environments"]:
        for effect in place["effects"]:
            yield f"  {place['environment']}  {effect['text']}"
    for effect in found["retiring"]["effects"]:
        yield f"  {effect['text']}"


def _how(kin: Document) -> str:
    if kin["link"] is None:
        return f"{kin['steps']} generations away:"
    return str(kin["link"]["relation"]).replace("_", "-")


def _later(said: Document) -> str:
    by = said.get("said_by") or {}
    return f"  (added after by {by['by']})" if by.get("kind") == "attestation" else ""


def _places(places: list[Document]) -> Iterator[str]:
    for place in places:
        live = place["live"]
        said = (
            f"  {live['verdict']} by {live['confirmed']} of {live['agents']} agents" if live else ""
        )
        yield f"  {place['environment']}  decided: {place['role'] or place['state']}{said}"
