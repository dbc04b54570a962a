"""Bytes on a connection, as no well-behaved client sends them."""

import json
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from .process import AgentProcess
from .protocol import call

PATH = "/v2/models/credit/infer"
GOOD = json.dumps(call()).encode()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        content = json.loads(self.body)
        assert set(content) == {"error"}, content
        return str(content["error"])


class Caller:
    """One connection to an agent."""

    def __init__(self, agent: AgentProcess, *, seconds: float = 10.0) -> None:
        host, port = agent.url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=seconds)
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, content: bytes) -> None:
        self.socket.sendall(content)

    def answer(self) -> Answer | None:
        """Read one answer; None where the connection ended without one."""
        head, found, rest = self._rest.partition(b"\r\n\r\n")
        while not found:
            if not (more := self._receive()):
                return None
            head, found, rest = (self._rest + more).partition(b"\r\n\r\n")
            self._rest += more
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        length = int(headers["content-length"])
        while len(rest) < length:
            rest += self._receive()
        self._rest = rest[length:]
        return Answer(int(lines[0].split()[1]), headers, rest[:length])

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(65536)
        except ConnectionResetError:
            return b""

    def is_over(self) -> bool:
        """Wait for the end, and say whether nothing more came before it."""
        return not self._rest and self._receive() == b""


def head(*lines: str, method: str = "POST", path: str = PATH) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "host: agent", *lines, "", "")).encode()


def whole(body: bytes, *lines: str, path: str = PATH) -> bytes:
    return head(f"content-length: {len(body)}", *lines, path=path) + body


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def parameters(**given: Any) -> bytes:
    return json.dumps({**call(), "parameters": given}).encode()


def resident_bytes(agent: AgentProcess, *, what: str = "VmRSS") -> int:
    with open(f"/proc/{agent.process.pid}/status") as status:  # noqa: PTH123 - no file of ours
        line = next(line for line in status if line.startswith(what))
    return int(line.split()[1]) * 1024
