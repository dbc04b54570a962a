"""A real worker beside a test, to be killed with -9 in the middle of what it does."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
from celery import current_app
from django.db import connection

KILLABLE = Path(__file__).with_name("killable.py")
NAME = "killable worker"
PATIENCE = 3.0
"""How long a killer waits for the worker to have begun a transaction."""
BEAT = 0.1


class Worker:
    """Sweeps at every beat and tells agents what changed, until it is killed; then the next."""

    def __init__(self, process, watcher):
        self.killed = Counter()
        self._watcher = watcher
        self._process, self._lock = process, threading.Lock()
        self.begun = [self._next()]

    def kill(self, _which=0):
        """Kill it in the middle of a transaction, if it begins one soon; start another."""
        with self._lock:
            over = time.monotonic() + PATIENCE
            while not (is_busy := self._is_busy()) and time.monotonic() < over:
                time.sleep(0.002)
            self._process.stdin.write("\n")
            self._process.stdin.flush()
            self.begun.append(self._next())
            self.killed["in a transaction" if is_busy else "between two"] += 1

    def _is_busy(self):
        rows = self._watcher.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = %s AND xact_start IS NOT NULL",
            [NAME],
        )
        return rows.fetchone() is not None

    def _next(self):
        line = self._process.stdout.readline()
        assert line, "the worker's process has ended; what it said stands above"
        return int(line)


@contextmanager
def worker():
    """A worker on the tests' own database and broker, and a beat that wakes it to sweep."""
    found = connection.settings_dict
    database = {name: found[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}
    database["OPTIONS"] = {**found["OPTIONS"], "application_name": NAME}
    current_app.control.purge()
    over = threading.Event()
    beat = threading.Thread(target=_beat, args=(over,))
    with (
        _watcher(found) as watcher,
        subprocess.Popen(
            [sys.executable, str(KILLABLE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "KILLABLE_DATABASE": json.dumps(database)},
            cwd=Path(__file__).parents[2],
        ) as process,
    ):
        beat.start()
        try:
            yield Worker(process, watcher)
        finally:
            over.set()
            beat.join()
            process.stdin.close()
    current_app.control.purge()


def _watcher(database):
    """Connect as the owner: others do not see who is in a transaction."""
    return psycopg.connect(
        host=database["HOST"],
        port=database["PORT"] or None,
        user=database["USER"],
        password=database["PASSWORD"],
        dbname=database["NAME"],
        autocommit=True,
    )


def _beat(over):
    while not over.wait(BEAT):
        current_app.send_task("promotion.sweep", expires=1.0)


class _Listener(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_):
        """Keep quiet."""


@contextmanager
def listener():
    """Where agents take hints; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
