"""The command line: enrol and run, and what somebody on the host may ask of a running agent."""

import logging
import signal
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from pydantic import ValidationError

from serving_agent import backoff
from serving_agent.errors import AgentError, EnrolmentRefused, TemporaryFailure
from serving_agent.local_control import Asked, call
from serving_agent.settings import Settings, parse_labels
from serving_agent.state import Identity, State

logger = logging.getLogger(__name__)

JOIN_SECONDS = 60.0

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Serves what the control plane decided."
)

Home = Annotated[Path | None, typer.Option(help="Folder of this agent's files.")]
Url = Annotated[str | None, typer.Option(help="The control plane.")]
Token = Annotated[str | None, typer.Option(help="A join token.")]
Key = Annotated[str | None, typer.Option(help="Fingerprint of the control plane's key, 64 hex.")]
Name = Annotated[str | None, typer.Option(help="What people call this agent.")]
Model = Annotated[str, typer.Argument(help="The model's name.")]
Label = Annotated[list[str] | None, typer.Option(help="k=v, may be given several times.")]
Port = Annotated[int | None, typer.Option(help="Port of the inference listener; 0: any.")]
ControlPort = Annotated[int | None, typer.Option(help="Port of the control listener; 0: any.")]
Mirror = Annotated[str | None, typer.Option(help="Valkey or Redis for copies of transactions.")]


def software() -> str:
    try:
        return version("lockgate")
    except PackageNotFoundError:
        return "0+unknown"


def _settings(**given: Any) -> Settings:
    """Read the settings; what stands on the command line wins. All mistakes in one message."""
    stated = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**stated)
    except ValidationError as exc:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in exc.errors()]
        _fail("; ".join(lines))


def _fail(message: str) -> NoReturn:
    typer.echo(f"serving_agent: {message}", err=True)
    raise typer.Exit(2)


def _labels(pairs: list[str] | None) -> dict[str, str] | None:
    if not pairs:
        return None
    try:
        return parse_labels(pairs)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc


def _join(settings: Settings, state: State) -> Identity:
    from serving_agent.enrolment import enrol  # noqa: PLC0415 - a wrong option fails at once

    deadline, waits = time.monotonic() + JOIN_SECONDS, backoff.delays(cap=5.0)
    while True:
        try:
            identity = enrol(settings, state, software=software())
            break
        except TemporaryFailure as exc:
            # Control plane and agents are often started together.
            if time.monotonic() > deadline:
                raise
            logger.warning("enrolling again soon: %s", exc)
            time.sleep(next(waits))
    typer.echo(
        f"enrolled as {identity.name} in {identity.environment}/{identity.tier}"
        f" ({identity.agent_id})"
    )
    return identity


@app.command(name="enrol")
def enrol_command(
    *,
    url: Url = None,
    token: Token = None,
    key: Key = None,
    name: Name = None,
    label: Label = None,
    home: Home = None,
) -> None:
    """Join a control plane, once."""
    settings = _settings(
        url=url, join_token=token, key=key, name=name, labels=_labels(label), home=home
    )
    _logging()
    state = State(settings.home)
    try:
        state.open()
        state.lock()
        _join(settings, state)
    except (AgentError, OSError) as exc:
        _fail(str(exc))


@app.command()
def run(
    *,
    home: Home = None,
    url: Url = None,
    token: Token = None,
    key: Key = None,
    name: Name = None,
    label: Label = None,
    port: Port = None,
    control_port: ControlPort = None,
    mirror_url: Mirror = None,
) -> None:
    """Serve until told to stop; enrol first where that has not been done."""
    settings = _settings(
        url=url,
        join_token=token,
        key=key,
        name=name,
        labels=_labels(label),
        home=home,
        port=port,
        control_port=control_port,
        mirror_url=mirror_url,
    )
    _logging()
    # Until the agent has a handler of its own: told to stop, it stops, and that is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    state = State(settings.home)
    try:
        state.open()
        state.lock()
        identity = state.identity()
        if identity is None:
            identity = _join(settings, state)
        elif settings.url and settings.url != identity.url:
            # The control plane has moved. What it says is still checked by its key.
            identity = msgspec.structs.replace(identity, url=settings.url)
            state.save_identity(identity)
        _serve(settings, identity, state)
    except EnrolmentRefused as exc:
        _fail(str(exc))
    except (AgentError, OSError) as exc:
        _fail(f"cannot start: {exc}")


@app.command()
def rollback(
    model: Model,
    *,
    to: Annotated[int | None, typer.Option(help="A former champion; else the one before.")] = None,
    reason: Annotated[str, typer.Option(help="Why; reported and recorded.")] = "",
    home: Home = None,
) -> None:
    """Let a former champion answer on this host, cut off or not. Reported and recorded later."""
    _ask(home, action="rollback", model=model, version=to, reason=reason)


@app.command()
def resume(model: Model, *, home: Home = None) -> None:
    """End a rollback of this host: the model follows the control plane again."""
    _ask(home, action="resume", model=model)


@app.command()
def status(*, home: Home = None) -> None:
    """Say what answers here, what was decided, and which former champions are kept."""
    _ask(home, action="status")


def _ask(home: Path | None, **asked: Any) -> None:
    """Ask the agent that runs in this home, and say what it said."""
    settings = _settings(home=home)
    try:
        question = msgspec.convert(asked, Asked)
        said = call(settings.home, question, seconds=2 * settings.validation_seconds + 30)
    except msgspec.ValidationError as exc:
        _fail(str(exc))
    except OSError as exc:
        _fail(f"no agent in {settings.home} answers: {exc.strerror or exc}")
    if not said.done:
        _fail(said.text)
    typer.echo(said.text)


def _serve(settings: Settings, identity: Identity, state: State) -> None:
    from serving_agent.agent import Agent  # noqa: PLC0415 - loads the runtime

    Agent(settings, identity, state=state, software=software()).run()


def _logging() -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # Every call of the courier would be a line.
    for noisy in ("httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # A line for each request that is not HTTP would let callers fill the disk.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)


def main() -> None:
    app()
