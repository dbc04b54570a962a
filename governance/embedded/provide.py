"""Fill in what the environment does not name, from servers and keys of the home."""

import os
from collections.abc import MutableMapping

from governance.embedded import keys, servers
from governance.embedded.errors import EmbeddedError, describe
from governance.embedded.home import Home
from governance.embedded.postgres import Postgres
from governance.embedded.servers import Server, stop_started
from governance.embedded.valkey import BROKER, MIRROR

__all__ = ["provide_missing", "stop_started"]

SERVERS: dict[str, Server] = {
    "DATABASE_URL": Postgres(),
    "BROKER_URL": BROKER,
    "MIRROR_URL": MIRROR,
}
NAMES = (*SERVERS, "STORE_URL", "SECRET_KEY_FILE", "SIGNING_KEY_FILE")


def provide_missing(
    environ: MutableMapping[str, str] = os.environ, *, thread_stays: bool = False
) -> None:
    """Put a URL or a file into ``environ`` for each setting that is not there.

    Servers that run for this ``LOCKGATE_HOME`` are attached to; the others start as
    children of this process and stop with it. Cheap when all is there: call it anywhere.

    Args:
        environ: read and completed; by default the process's own.
        thread_stays: the calling thread lives until the process ends (the main one does).

    Raises:
        EmbeddedError: one line that says what is wrong.
    """
    _refuse_blanks(environ)
    if all(name in environ for name in NAMES):
        return
    home = Home.of(environ)
    try:
        environ["LOCKGATE_HOME"] = str(home.path)
        for name, server in SERVERS.items():
            if name not in environ:
                _provide(environ, name, servers.ensure(home, server, thread_stays=thread_stays))
        _provide_files(environ, home)
    except OSError as error:
        raise EmbeddedError(f"{describe(error)} (home: {home.path})") from error


def _refuse_blanks(environ: MutableMapping[str, str]) -> None:
    """Refuse a setting that is there and empty: it is a mistake, not a wish for our servers."""
    blank = [name for name in (*NAMES, "DATABASE_OWNER_URL") if environ.get(name) == ""]
    if blank:
        raise EmbeddedError(f"{', '.join(blank)} set but empty: give a value, or unset it.")
    if "DATABASE_OWNER_URL" in environ and "DATABASE_URL" not in environ:
        raise EmbeddedError("DATABASE_OWNER_URL is set without DATABASE_URL.")


def _provide(environ: MutableMapping[str, str], name: str, urls: dict[str, str]) -> None:
    environ[name] = urls["url"]
    for variable, url in (
        ("DATABASE_OWNER_URL", "owner_url"),
        ("SEALER_DATABASE_URL", "sealer_url"),
    ):
        if url in urls:
            environ[variable] = urls[url]


def _provide_files(environ: MutableMapping[str, str], home: Home) -> None:
    if "STORE_URL" not in environ:
        environ["STORE_URL"] = home.folder("store").as_uri()
    made = {"SECRET_KEY_FILE": keys.secret, "SIGNING_KEY_FILE": keys.signing_key}
    for variable, make in made.items():
        if variable not in environ:
            environ[variable] = str(keys.keep(home, variable.removesuffix("_FILE").lower(), make))
    if "SEALER_DATABASE_URL" in environ and "CHECKPOINT_SINKS" not in environ:
        _provide_sealing(environ, home)


def _provide_sealing(environ: MutableMapping[str, str], home: Home) -> None:
    """A key, a name and a sink for the sealer of the embedded database, all in the home.

    They are out of the database's power, and not out of our own user's.
    """
    environ["CHECKPOINT_SINKS"] = home.folder("checkpoints").as_uri()
    key = keys.keep(home, "sealer_key", keys.signing_key)
    origin = keys.keep(home, "sealer_origin", keys.origin).read_text()
    public = keys.keep(home, "checkpoint_keys", lambda: keys.verifier(key, origin))
    environ.setdefault("SEALER_KEY_FILE", str(key))
    environ.setdefault("SEALER_ORIGIN", origin)
    environ.setdefault("CHECKPOINT_KEYS_FILE", str(public))
