"""Callers that send requests made before, check every answer, and measure each.

A process of its own, so that its interpreter takes no time from the server's. One
connection is a plain socket; several are one uvloop protocol each. A connection
sends its next request when it has the answer to the last.

    python -m benchmarks.load < task.json > result.json
"""

import asyncio
import base64
import json
import re
import socket
import sys
import time
from dataclasses import asdict, dataclass, field

import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
RECEIVE = 1 << 16


@dataclass
class Task:
    """What to send, and to whom. Requests and the bodies they are answered with, in base64."""

    host: str
    port: int
    requests: list[str]
    answers: list[str]
    connections: int = 1
    seconds: float = 3.0
    warm_up: float = 0.5


@dataclass
class Result:
    """What came back: milliseconds of each answer in the time that counts."""

    answered: int = 0
    wrong: int = 0
    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)


class Tally:
    """Takes answers as they come, and keeps those within the time that counts."""

    def __init__(self, task: Task) -> None:
        self.requests = [base64.b64decode(one) for one in task.requests]
        self.answers = [base64.b64decode(one) for one in task.answers]
        self.taken: list[float] = []
        self.wrong = 0
        self.begin = time.perf_counter() + task.warm_up
        self.end = self.begin + task.seconds

    def note(self, place: int, answer: bytes, sent: float) -> bool:
        """Keep one answer; return whether there is time for another."""
        now = time.perf_counter()
        if answer != self.answers[place]:
            self.wrong += 1
        if sent >= self.begin and now <= self.end:
            self.taken.append(now - sent)
        return now < self.end

    def result(self) -> Result:
        """Put down what was measured."""
        milliseconds = [round(one * 1000, 5) for one in self.taken]
        return Result(len(self.taken), self.wrong, self.end - self.begin, milliseconds)


def whole(data: bytes) -> bytes | None:
    """Return the body of a response that is all there, or None."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return None
    found = LENGTH.search(data, 0, head + 2)
    if found is None:
        sys.exit(f"a response without a length: {data[:200]!r}")
    return data[head + 4 :] if len(data) >= head + 4 + int(found[1]) else None


def one_by_one(task: Task, tally: Tally) -> None:
    """Ask over one plain socket, which adds the least to what is measured."""
    with socket.create_connection((task.host, task.port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        place, going = 0, True
        while going:
            sent = time.perf_counter()
            connection.sendall(tally.requests[place])
            data = connection.recv(RECEIVE)
            while (body := whole(data)) is None:
                piece = connection.recv(RECEIVE)
                if not piece:
                    sys.exit("the server hung up")
                data += piece
            going = tally.note(place, body, sent)
            place = (place + 1) % len(tally.requests)


class Caller(asyncio.Protocol):
    """One connection: the next request goes out when the last is answered."""

    transport: asyncio.Transport

    def __init__(self, tally: Tally, place: int) -> None:
        self._tally, self._place = tally, place
        self._data = b""
        self._sent = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = transport  # type: ignore[assignment] - uvloop's is not of that class
        self._ask()

    def _ask(self) -> None:
        self._sent = time.perf_counter()
        self.transport.write(self._tally.requests[self._place])

    def data_received(self, data: bytes) -> None:
        """Take an answer, or a part of one."""
        self._data = self._data + data if self._data else data
        body = whole(self._data)
        if body is None:
            return
        self._data = b""
        if not self._tally.note(self._place, body, self._sent):
            self.transport.close()
            return
        self._place = (self._place + 1) % len(self._tally.requests)
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """End, with the server's fault if it was one."""
        if not self.done.done():
            self.done.set_result(exc)


async def side_by_side(task: Task, tally: Tally) -> None:
    """Ask over several connections at once."""
    loop, callers = asyncio.get_running_loop(), []
    for number in range(task.connections):
        place = number * len(tally.requests) // task.connections
        _, caller = await loop.create_connection(
            lambda place=place: Caller(tally, place),  # type: ignore[misc]
            task.host,
            task.port,
        )
        callers.append(caller)
    ends = await asyncio.wait_for(
        asyncio.gather(*(one.done for one in callers)), task.warm_up + task.seconds + 30
    )
    if any(ends) or time.perf_counter() < tally.end:
        sys.exit(f"the server hung up: {ends}")


def main() -> None:
    """Read a task, do it, and write what came of it."""
    task = Task(**json.load(sys.stdin))
    tally = Tally(task)
    if task.connections == 1:
        one_by_one(task, tally)
    else:
        uvloop.run(side_by_side(task, tally))
    json.dump(asdict(tally.result()), sys.stdout)


if __name__ == "__main__":
    main()
