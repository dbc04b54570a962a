"""Callers: held-out clients whose card transactions are scored, over V2.

Runs as a process of its own, so that nothing the story does slows a caller down::

    python -m lockgate.demo.callers --model NAME --agents eu-1=URL,eu-2=URL --rate 60

Each agent in turn gets the next client. One line of JSON (a ``Tally``) comes out four times
a second; ``rate N`` on standard input changes the pace, and its end is the end. A request
is never tried again: what failed, failed.
"""

import argparse
import itertools
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx

from lockgate.demo import data
from lockgate.demo.tally import Tally

THREADS = 4
TELL_SECONDS = 0.25
TIMEOUT_SECONDS = 10.0
INPUT = "X"


class Callers:
    """Some threads that send at one common pace, and the tally they keep."""

    def __init__(self, *, model: str, agents: dict[str, str], rate: float) -> None:
        self._model = model
        self._agents = itertools.cycle(agents.items())
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
                due, agent, url, body = self._take()
                if self._stop.wait(max(0.0, due - time.monotonic())):
                    return
                self._ask(client, agent, f"{url}/v2/models/{self._model}/infer", body)

    def _take(self) -> tuple[float, str, str, str]:
        """Take the next place in the queue: when, to whom, and what.

        Whoever is late is not chased: the pace begins anew instead of a burst.
        """
        with self._lock:
            self._due = max(self._due, time.monotonic() - 1 / self._rate) + 1 / self._rate
            agent, url = next(self._agents)
            return self._due, agent, url, next(self._bodies)

    def _ask(self, client: httpx.Client, agent: str, url: str, body: str) -> None:
        try:
            reply = client.post(url, content=body, headers={"Content-Type": "application/json"})
            found = reply.json() if reply.is_success else {}
            problem = "" if found.get("outputs") else f"{reply.status_code} {reply.text}"
        except (httpx.HTTPError, ValueError) as error:
            found, problem = {}, f"{type(error).__name__} {error}"
        with self._lock:
            if problem:
                self._tally.missed(agent, problem, now=time.time())
            else:
                self._tally.answered(agent, str(found["model_version"]), now=time.time())


def bodies(clients: data.Clients) -> Iterator[str]:
    """Give one request after another, client by client, again and again."""
    width = clients.features.shape[1]
    for turn in itertools.count(1):
        for client, row in zip(clients.ids.tolist(), clients.features.tolist(), strict=True):
            tensor = {
                "name": INPUT,
                "datatype": "FP32",
                "shape": [1, width],
                "data": row,
            }
            yield json.dumps({"id": f"client-{client}-{turn}", "inputs": [tensor]})


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
    parser = argparse.ArgumentParser(description="Send held-out clients to agents.")
    parser.add_argument("--model", required=True)
    parser.add_argument("--agents", required=True, help="NAME=URL, comma separated")
    parser.add_argument("--rate", type=float, default=60.0, help="requests per second")
    asked = parser.parse_args()
    agents = dict(pair.split("=", 1) for pair in asked.agents.split(","))
    callers = Callers(model=asked.model, agents=agents, rate=asked.rate)
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
