"""Commands of ``lockgate`` that need the server's code: ``up`` and ``audit``."""

import os
from pathlib import Path
from typing import Annotated

import typer

from governance.embedded import fleet, provide

Home = Annotated[Path | None, typer.Option(help="Folder of all data, else LOCKGATE_HOME.")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Usually 8000, if it is free.")]
ReadyFile = Annotated[Path | None, typer.Option(help="Written once everything takes work.")]
Only = Annotated[
    str,
    typer.Option(
        envvar="LOCKGATE_UP_CHILDREN", help="web, worker, sealer, agents, or agents' names."
    ),
]
Fleet = Annotated[Path, typer.Option(help="Environments, targets and agents to run.")]


def up(
    *,
    home: Home = None,
    port: Port = None,
    once_ready_file: ReadyFile = None,
    only: Only = "",
    fleet_file: Fleet = fleet.DEFAULT,
) -> None:
    """Run the whole system here: servers, web, worker, sealer and agents. Ctrl-C stops it."""
    # Here: the other commands need none of it.
    from governance.embedded.supervisor import Plan, Supervisor  # noqa: PLC0415

    environ = dict(os.environ)
    if home:
        environ["LOCKGATE_HOME"] = str(home)
    names = tuple(name.strip() for name in only.split(",") if name.strip())
    plan = Plan(environ, port, names, fleet_file, once_ready_file)
    try:
        Supervisor(plan).run()
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


audit = typer.Typer(help="Check the audit log.", no_args_is_help=True)


@audit.callback()
def _group() -> None:
    """Check the audit log."""


OPEN = {"allow_extra_args": True, "ignore_unknown_options": True}


@audit.command(context_settings=OPEN)
def verify(context: typer.Context) -> None:
    """Check the whole chain in the database, and what guards it; options as of audit_verify."""
    _run("audit_verify", context)


@audit.command(context_settings=OPEN)
def bundle(context: typer.Context) -> None:
    """Write a bundle that proves itself offline: FILE [--object model:NAME] [--since SIZE]."""
    _run("audit_bundle", context)


@audit.command(context_settings=OPEN)
def keys(context: typer.Context) -> None:
    """Print the public keys that auditors verify bundles with."""
    _run("audit_keys", context)


def _run(name: str, context: typer.Context) -> None:
    """Run one of Django's commands with whatever options were given."""
    provide.provide_missing()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
    import django  # noqa: PLC0415
    from django.core.management import CommandError, call_command  # noqa: PLC0415

    django.setup()
    try:
        call_command(name, *context.args)
    except CommandError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
