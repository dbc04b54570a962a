"""Our own small driver of PostgreSQL: one cluster in the home, sockets only.

It stays in the foreground as our child and shuts down cleanly when we end, also by
kill -9. Three roles as in production: ``lockgate_owner`` owns the tables,
``lockgate_app``, which the application uses, may not change the audit log, and
``lockgate_sealer`` reads it and adds checkpoints.
"""

import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from governance.embedded import processes, seats
from governance.embedded.errors import EmbeddedError
from governance.embedded.home import Home
from governance.embedded.output import Output, appended, wait_ready
from governance.embedded.processes import Leash, Process
from governance.embedded.seats import SOCKET_NAME, Seat
from governance.embedded.servers import GOODBYE_SECONDS, Started

SETTINGS = """
# Set by Lockgate when it made this cluster.
listen_addresses = ''
max_connections = 100
shared_buffers = 64MB
wal_level = minimal
max_wal_senders = 0
max_wal_size = 256MB
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
"""
FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
ROLES = {
    "lockgate_owner": "LOGIN CREATEDB",
    "lockgate_app": "LOGIN NOSUPERUSER",
    "lockgate_sealer": "LOGIN NOSUPERUSER",
}
DATABASE = "lockgate"


@dataclass(frozen=True, slots=True)
class Postgres:
    """The embedded database server."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": roll back, write out, end

    def answers(self, urls: Mapping[str, str]) -> bool:
        return ping(Path(urls["sockets"]))

    def start(self, home: Home, *, thread_stays: bool) -> Started:
        seat = seats.find(home)
        with appended(home.log(self.name)) as output:
            _make_cluster(seat, output)
            sockets = seats.sockets(home, seat)
            _clear_leftovers(seat, sockets)
            child = processes.start(
                [seat.programs.postgres, "-D", str(seat.data), "-k", str(sockets), *_speed()],
                leash=Leash(signal.SIGINT, seat.identity, thread_stays, seat.folder),
                output=output.file,
                environ=_plain_environment(),
            )
            wait_ready(
                child,
                name=self.name,
                ready=lambda: ping(sockets, role="postgres", database="postgres"),
                output=output,
            )
        _ensure_roles(child, sockets)
        return Started(child, {**_urls(sockets), "data": str(seat.data)})


def ping(sockets: Path, *, role: str = "lockgate_app", database: str = DATABASE) -> bool:
    """Say whether the server behind a socket lets that role into that database now."""
    words = f"user\0{role}\0database\0{database}\0\0".encode()
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(2)
        try:
            link.connect(str(sockets / SOCKET_NAME))
            # The startup message of protocol 3.0; "R" answers it when we are let in.
            link.sendall(struct.pack("!II", 8 + len(words), 0x30000) + words)
            welcome = b""
            while len(welcome) < 9:
                more = link.recv(9 - len(welcome))
                if not more:
                    return False
                welcome += more
            link.sendall(b"X\0\0\0\4")
        except OSError:
            return False
    return welcome == b"R" + struct.pack("!II", 8, 0)


def _urls(sockets: Path) -> dict[str, str]:
    at = f"?host={quote(str(sockets))}"
    return {
        "url": f"postgresql://lockgate_app@/{DATABASE}{at}",
        "sealer_url": f"postgresql://lockgate_sealer@/{DATABASE}{at}",
        "owner_url": f"postgresql://lockgate_owner@/{DATABASE}{at}",
        "superuser_url": f"postgresql://postgres@/postgres{at}",
        "sockets": str(sockets),
    }


def _make_cluster(seat: Seat, output: Output) -> None:
    """Make the cluster beside its place, then rename it: half of one is never taken for whole."""
    if seat.data.exists():
        return
    half = seat.folder / "data-half"
    if half.exists():
        shutil.rmtree(half)
    locale = ["--locale=C"]
    if seat.programs.major >= 17:
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command = [seat.programs.initdb, "-D", str(half), "-U", "postgres", "-A", "trust"]
    command += ["-E", "UTF8", "--no-instructions", *locale, *(["-N"] if _speed() else [])]
    made = subprocess.run(
        Leash(signal.SIGKILL, seat.identity, thread_stays=True).command(command),
        stdin=subprocess.DEVNULL,
        stdout=output.file,
        stderr=subprocess.STDOUT,
        cwd=seat.folder,
        env=_plain_environment(),
        check=False,
    )
    if made.returncode:
        raise EmbeddedError(f"no database made: {output.last_words()} (log: {output.path})")
    with (half / "postgresql.conf").open("a") as file:
        file.write(SETTINGS)
        file.flush()
        os.fsync(file.fileno())
    half.rename(seat.data)


def _clear_leftovers(seat: Seat, sockets: Path) -> None:
    """Remove the locks of a server that is gone: its number may be somebody else's by now.

    Both folders are this cluster's alone, and we hold the home's lock.
    """
    lock = seat.data / "postmaster.pid"
    try:
        former = Process.of(int(lock.read_text().split()[0]))
    except (FileNotFoundError, ValueError, IndexError):
        former = Process(0, "")
    until = time.monotonic() + GOODBYE_SECONDS
    while former.alive() and _works_in(former.pid, seat.data):
        if time.monotonic() > until:
            raise EmbeddedError(f"process {former.pid} already serves {seat.data}; end it first.")
        time.sleep(0.05)
    for leftover in (lock, *sockets.iterdir()):
        leftover.unlink(missing_ok=True)


def _works_in(pid: int, data: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == data.resolve()
    except PermissionError:
        return False  # not ours, so not our server either
    except OSError:
        return Path("/proc/self").exists() is False  # gone, or a system where we cannot look


def _ensure_roles(child: subprocess.Popen[bytes], sockets: Path) -> None:
    import psycopg  # noqa: PLC0415  only the starter needs it: attaching stays quick
    from psycopg import sql  # noqa: PLC0415

    try:
        with psycopg.connect(_urls(sockets)["superuser_url"], autocommit=True) as link:
            known = {row[0] for row in link.execute("SELECT rolname FROM pg_roles")}
            for role in ROLES.keys() - known:
                rights = sql.SQL(ROLES[role])
                link.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(role), rights))
            asked = link.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if not asked.fetchone():
                create = sql.SQL("CREATE DATABASE {} OWNER lockgate_owner")
                link.execute(create.format(sql.Identifier(DATABASE)))
    except psycopg.Error as error:
        processes.stop(child, seconds=GOODBYE_SECONDS, with_signal=signal.SIGINT)
        raise EmbeddedError(f"postgres: {str(error).splitlines()[0]}") from None


def _speed() -> list[str]:
    """Durability off, for tests only."""
    if os.environ.get("LOCKGATE_PG_FSYNC") != "off":
        return []
    return [word for setting in FAST for word in ("-c", setting)]


def _plain_environment() -> dict[str, str]:
    """Our environment without what would point PostgreSQL's programs elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
