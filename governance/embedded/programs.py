"""What ``lockgate up`` runs: the web process, the worker with beat, the sealer, the agents."""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from governance.embedded import ports
from governance.embedded.child import Program
from governance.embedded.errors import EmbeddedError
from governance.embedded.fleet import Admission, Agent
from governance.embedded.home import Home

USUAL_PORT = 8000
THREADS = 16
SWEEPS = re.compile(r"Sending due task |Task [\w.]*sweep\w*\[")
AS_ROOT = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges"}
"""In a container for development everybody is root; the warning is ten lines long."""
SECRETS = (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "BROKER_URL",
    "MIRROR_URL",
    "STORE_URL",
    "SECRET_KEY_FILE",
    "SIGNING_KEY_FILE",
    "SUCCESSOR_KEY_FILE",
    "CHECKPOINT_SINKS",
    "CHECKPOINT_KEYS_FILE",
    "SEALER_DATABASE_URL",
    "SEALER_KEY_FILE",
    "SEALER_SUCCESSOR_KEY_FILE",
    "SEALER_ORIGIN",
)
"""The control plane's own: no agent inherits them, nor the store's credentials."""
SEALERS = "SEALER_"
"""What begins so is the sealer's alone: neither web nor worker nor agents inherit it."""


def is_secret(variable: str) -> bool:
    return variable in SECRETS or variable.startswith(("AWS_", SEALERS))


@dataclass(frozen=True, slots=True)
class Site:
    """One running system: its folder and its environment, completed by ``provide_missing``."""

    home: Home
    environ: Mapping[str, str]
    port: int

    @property
    def url(self) -> str:
        return f"http://{ports.LOOPBACK}:{self.port}"

    def server_environ(self) -> dict[str, str]:
        """What Django's processes see."""
        kept = {name: value for name, value in self.environ.items() if not _is_sealers(name)}
        return {
            "PUBLIC_URL": self.url,
            **kept,
            "DJANGO_SETTINGS_MODULE": "governance.settings",
            "PYTHONUNBUFFERED": "1",
        }


def web_port(home: Home, *, wanted: int | None) -> int:
    """Choose the web process's port; agents and people have written the last one down."""
    file = home.run / "web.port"
    if wanted is not None and not ports.is_free(wanted):
        raise EmbeddedError(f"port {wanted} is taken; choose another, or none for any free one.")
    port = wanted or ports.choose(file, usual=USUAL_PORT)
    ports.remember(file, port)
    return port


def web(site: Site) -> Program:
    command = [sys.executable, "-m", "gunicorn", "governance.wsgi:application"]
    command += ["--worker-class", "gthread", "--workers", "1", "--threads", str(THREADS)]
    command += ["--bind", f"{ports.LOOPBACK}:{site.port}", "--no-control-socket"]
    command += ["--graceful-timeout", "5", "--timeout", "60", "--log-level", "warning"]
    # Well above the agents' two seconds between polls: at the default of two, the web process
    # closes a connection just as an agent uses it.
    command += ["--keep-alive", "15"]
    health = f"{site.url}/health/ready"
    site.home.folder("static")  # Whitenoise warns about one that is not there.
    return Program("web", command, site.server_environ, 8, site.url, health)


def worker(site: Site) -> Program:
    # Threads: a second process would cost 100 MB, and no task here is heavy.
    command = [sys.executable, "-m", "celery", "-q", "-A", "governance", "worker", "-B"]
    command += ["-s", str(site.home.run / "beat-schedule"), "-P", "threads", "--concurrency", "2"]
    command += ["-l", "info", "--without-gossip", "--without-mingle"]
    return Program("worker", command, lambda: site.server_environ() | AS_ROOT, hush=SWEEPS)


def sealer(site: Site) -> Program:
    command = [sys.executable, "-m", "governance.sealing"]

    def environ() -> dict[str, str]:
        """Its own settings, and no secret of the others but the store's credentials."""
        return {
            "PYTHONUNBUFFERED": "1",
            **{
                name: value
                for name, value in site.environ.items()
                if not is_secret(name) or name.startswith((SEALERS, "AWS_", "CHECKPOINT_SINKS"))
            },
        }

    return Program("sealer", command, environ)


def _is_sealers(variable: str) -> bool:
    return variable.startswith(SEALERS)


def manage(name: str, site: Site, *arguments: str) -> Program:
    """One of Django's commands, to run once."""
    command = [sys.executable, "-m", "django", *arguments]
    return Program(name, command, site.server_environ, once=True)


def serving(agent: Agent, *, site: Site, admission: Callable[[], Admission]) -> Program:
    folder = site.home.folder("agents") / agent.name
    folder.mkdir(mode=0o700, exist_ok=True)
    port = ports.choose(folder / "port")
    ports.remember(folder / "port", port)
    url = f"http://{ports.LOOPBACK}:{port}"

    def environ() -> dict[str, str]:
        """Give it its settings; nothing of the control plane's, and no token in a command line."""
        kept = {name: value for name, value in site.environ.items() if not is_secret(name)}
        found = {
            **kept,
            "PYTHONUNBUFFERED": "1",
            "LOCKGATE_AGENT_HOME": str(folder),
            "LOCKGATE_AGENT_NAME": agent.name,
            "LOCKGATE_AGENT_URL": site.url,
            "LOCKGATE_AGENT_PORT": str(port),
            "LOCKGATE_AGENT_KEY": admission().key,
            "LOCKGATE_AGENT_MIRROR_URL": site.environ["MIRROR_URL"],
        }
        token = admission().tokens.get(agent.name)
        if token and not enrolled(site.home, agent.name):
            found["LOCKGATE_AGENT_JOIN_TOKEN"] = token
        return found

    command = [sys.executable, "-m", "serving_agent", "run"]
    return Program(agent.name, command, environ, 20, url, f"{url}/v2/health/live")


def enrolled(home: Home, name: str) -> bool:
    """Say whether an agent has its own token already."""
    return (home.path / "agents" / name / "state" / "identity.json").exists()
