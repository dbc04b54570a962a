"""Callers: held-out clients who want to be scored, by whichever agent.

Runs as a process of its own, so that nothing the story does slows a caller down::

    python -m lockgate.demo.callers --extraction URL --agents eu-1=URL,eu-2=URL --rate 60

The process that extracts features gets one client after the other, as the bank's systems
know them; ``--agents`` only gives names to the addresses that answer. One line of JSON (a
``Tally``) comes out four times a second; ``rate N`` on standard input changes the pace, and
its end is the end. A request is never tried again here: what failed, failed.
"""

import argparse
import itertools
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import httpx

from lockgate.demo import clients, data
from lockgate.demo.tally import Tally

THREADS = 4
TELL_SECONDS = 0.25
TIMEOUT_SECONDS = 10.0


class Callers:
    """Some threads that send at one common pace, and the tally they keep."""

    def __init__(self, *, extraction: str, agents: dict[str, str], rate: float) -> None:
        self._url = f"{extraction}/score"
        self._names = {urlsplit(url).netloc: name for name, url in agents.items()}
        self._rate = rate
        self._bodies = bodies(data.split(data.read()).held_out)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._tally = Tally()
        self._due = time.monotonic()

    def set_rate(self, rate: float) -> None:
        with self._lock:
            self._rate = rate
            self._due = time.monotonic()

    def document(self) -> str:
        with self._lock:
            return json.dumps(self._tally.document())

    def start(self) -> list[threading.Thread]:
        threads = [threading.Thread(target=self._send, name=f"caller-{n}") for n in range(THREADS)]
        for thread in threads:
            thread.start()
        return threads

    def stop(self) -> None:
        self._stop.set()

    def _send(self) -> None:
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            while not self._stop.is_set():
                due, body = self._take()
                if self._stop.wait(max(0.0, due - time.monotonic())):
                    return
                self._ask(client, body)

    def _take(self) -> tuple[float, str]:
        """Take the next place in the queue: when, and what.

        Whoever is late is not chased: the pace begins anew instead of a burst.
        """
        with self._lock:
            self._due = max(self._due, time.monotonic() - 1 / self._rate) + 1 / self._rate
            return self._due, next(self._bodies)

    def _ask(self, client: httpx.Client, body: str) -> None:
        headers = {"Content-Type": "application/json"}
        try:
            reply = client.post(self._url, content=body, headers=headers)
            found = reply.json() if reply.is_success else {}
            problem = "" if "score" in found else f"{reply.status_code} {reply.text}"
        except (httpx.HTTPError, ValueError) as error:
            found, problem = {}, f"{type(error).__name__} {error}"
        with self._lock:
            if problem:
                self._tally.missed("callers", problem, now=time.time())
            else:
                agent = self._names.get(found["agent"], found["agent"])
                self._tally.answered(agent, str(found["version"]), now=time.time())


def bodies(known: data.Clients) -> Iterator[str]:
    """Give one request after another, client by client, again and again."""
    for turn in itertools.count(1):
        for client, row in zip(known.ids.tolist(), known.features, strict=True):
            described = clients.describe(row)
            yield json.dumps({"id": f"client-{client}-{turn}", "client": described})


def _tell(callers: Callers, stop: threading.Event) -> None:
    with suppress(BrokenPipeError, ValueError):
        while not stop.wait(TELL_SECONDS):
            print(callers.document(), flush=True)


def _listen(callers: Callers) -> None:
    for line in sys.stdin:
        match line.split():
            case ["rate", value]:
                callers.set_rate(float(value))


def main() -> None:
    parser = argparse.ArgumentParser(description="Have held-out clients scored.")
    parser.add_argument("--extraction", required=True, help="URL of who extracts features")
    parser.add_argument("--agents", required=True, help="NAME=URL, comma separated")
    parser.add_argument("--rate", type=float, default=60.0, help="requests per second")
    asked = parser.parse_args()
    agents = dict(pair.split("=", 1) for pair in asked.agents.split(","))
    callers = Callers(extraction=asked.extraction, agents=agents, rate=asked.rate)
    stop = threading.Event()
    threads = callers.start()
    threads.append(threading.Thread(target=_tell, args=(callers, stop), name="teller"))
    threads[-1].start()
    with suppress(KeyboardInterrupt):
        _listen(callers)
    callers.stop()
    stop.set()
    for thread in threads:
        thread.join()
    with suppress(BrokenPipeError):
        print(callers.document(), flush=True)


if __name__ == "__main__":
    main()
