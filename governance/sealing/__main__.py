"""``python -m governance.sealing``: run the sealer, seal once, print its keys, look at it."""

import argparse
import signal
import sys
import threading
import time

import psycopg

from governance import signing
from governance.audit.sinks import open_sinks
from governance.notes import read_keys
from governance.sealing import settings
from governance.sealing.log import connected
from governance.sealing.sealer import Round, Sealer

LONGEST_WAIT = 60.0
HEARTBEAT = 30.0
SILENCE = 180.0
"""Seconds without a word after which the sealer is not well."""


def main(arguments: list[str] | None = None) -> int:
    """Read the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m governance.sealing", description=__doc__)
    parser.add_argument(
        "command", nargs="?", choices=["run", "once", "keys", "well"], default="run"
    )
    asked = parser.parse_args(arguments)
    config = settings.load()
    keys = [signing.read_key(path) for path in config.key_files()]
    path = config.former_keys_file
    former = read_keys(path.read_text()) if path else []
    sealer = Sealer(config.origin, keys, open_sinks(config.sinks), former=former)
    if asked.command == "keys":
        for key in sealer.verifiers():
            _say(str(key))
        return 0
    if asked.command == "well":
        return 0 if _is_well(config.database_url) else 1
    if asked.command == "once":
        done = attempt(sealer, config.database_url)
        _tell(done, last="")
        return 1 if done.trouble or done.waiting else 0
    run(sealer, config)
    return 0


def run(sealer: Sealer, config: settings.SealerConfig) -> None:
    """Seal what is new every so often until told to stop, and once more then."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    failures, trouble, due = 0, "", 0.0
    while not stop.is_set():
        now = time.monotonic()
        seal = now >= due
        done = attempt(sealer, config.database_url, seal=seal)
        _tell(done, last=trouble)
        failures, trouble = (failures + 1 if done.trouble else 0), done.trouble
        if seal and not done.trouble:
            due = now + config.seconds
        beat = min(HEARTBEAT, config.seconds)
        stop.wait(min(2.0 ** (failures - 1), LONGEST_WAIT) if failures else beat)
    _tell(attempt(sealer, config.database_url), last=trouble)


def attempt(sealer: Sealer, url: str, *, seal: bool = True) -> Round:
    """Run one round. A database that does not answer is a trouble, not an end."""
    try:
        with connected(url) as log:
            return sealer.round(log, seal=seal)
    except psycopg.Error as error:
        return Round(trouble=f"the database: {(str(error).splitlines() or ['no answer'])[0]}")


def _is_well(url: str) -> bool:
    """Tell whether the running sealer was heard of lately."""
    try:
        with connected(url) as log:
            return log.quiet_seconds() < SILENCE
    except psycopg.Error:
        return False


def _tell(done: Round, *, last: str) -> None:
    if done.sealed:
        _say(f"sealed {done.sealed:,} entries: {done.size:,} in all")
    if done.trouble and done.trouble != last:
        _say(f"{done.waiting:,} entries wait to be sealed: {done.trouble}")
    elif last and not done.trouble:
        _say("seals again")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
