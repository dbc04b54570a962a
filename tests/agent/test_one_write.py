"""An answer goes out in one piece, and whatever has no body goes out too."""

import json
import socket
from urllib.parse import urlsplit

from .process import AgentProcess
from .protocol import call


def connected(agent: AgentProcess) -> socket.socket:
    at = urlsplit(agent.url)
    return socket.create_connection((at.hostname, at.port), timeout=10)


def request(body: bytes, *, more: str = "") -> bytes:
    head = f"POST /v2/models/credit/infer HTTP/1.1\r\nHost: a\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_head_and_body_come_together(agent: AgentProcess) -> None:
    with connected(agent) as connection:
        connection.sendall(request(json.dumps(call()).encode()))
        first = connection.recv(1 << 16)

    head, _, body = first.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert json.loads(body)["model_name"] == "credit"


def test_requests_sent_at_once_are_answered_in_their_order(agent: AgentProcess) -> None:
    many = [request(json.dumps({**call(), "id": f"t{number}"}).encode()) for number in range(20)]
    with connected(agent) as connection:
        connection.sendall(b"".join(many))
        told = b""
        while told.count(b'"id":') < 20:
            piece = connection.recv(1 << 16)
            assert piece, told[-500:]
            told += piece

    places = [told.index(f'"id":"t{number}"'.encode()) for number in range(20)]
    assert places == sorted(places)


def test_an_answer_without_a_body_is_not_kept_back(agent: AgentProcess) -> None:
    with connected(agent) as connection:
        connection.sendall(b"HEAD /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n")

        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 405 ")


def test_a_caller_who_waits_for_a_go_ahead_gets_it(agent: AgentProcess) -> None:
    body = json.dumps(call()).encode()
    asked = request(body, more="Expect: 100-continue\r\n")
    with connected(agent) as connection:
        connection.sendall(asked[: -len(body)])
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)

        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
