"""The application: options for all commands, our commands, and those others add."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from lockgate.cli import approvals, comments, conversions, environments, promotions, versions
from lockgate.cli.agents import agent
from lockgate.cli.connection import Connection
from lockgate.cli.doctor import doctor
from lockgate.cli.extensions import Commands
from lockgate.cli.findings import finding
from lockgate.cli.incidents import incident
from lockgate.cli.origins import origins
from lockgate.cli.reports import report
from lockgate.cli.sidecar import sidecar
from lockgate.cli.spares import spare
from lockgate.cli.status import status
from lockgate.cli.withdrawals import withdraw

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Url = Annotated[str, typer.Option(envvar="LOCKGATE_URL", help="Address of the service.")]
Token = Annotated[
    str, typer.Option(envvar="LOCKGATE_TOKEN", help="Token; better given by LOCKGATE_TOKEN.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Write the answer as JSON.")]


@app.callback()
def options(
    context: typer.Context, *, url: Url = "", token: Token = "", as_json: AsJson = False
) -> None:
    """Register models, ask for their promotion, and see where they run."""
    context.obj = Connection(url=url, token=token, as_json=as_json)


app.command()(conversions.convert)
app.command()(conversions.pack)
app.command()(versions.register)
app.command()(promotions.promote)
app.command()(approvals.approve)
app.command()(comments.comment)
app.command()(withdraw)
app.command()(status)
app.command()(origins)
app.command()(report)
app.command()(promotions.rollback)
app.command()(promotions.stop)
app.add_typer(spare)
app.add_typer(incident)
app.add_typer(finding)
app.add_typer(agent)
app.command()(environments.apply)
app.command()(sidecar)
app.command()(doctor)


@app.command()
def version() -> None:
    """Show this client's version."""
    try:
        typer.echo(installed_version("lockgate"))
    except PackageNotFoundError:
        typer.echo("lockgate, from a checkout that is not installed")
