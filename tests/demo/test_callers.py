"""Callers as a process, against two small servers that answer as agents do."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lockgate.demo.errors import StoryError
from lockgate.demo.story.stage import wait_until
from lockgate.demo.traffic import Traffic


class _Agent(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        version, status = self.server.version, 200 if self.server.version else 503
        self.server.seen.append((self.path, asked))
        answer = {
            "model_version": version,
            "id": asked["id"],
            "outputs": [{"data": [0.5]}],
        }
        body = json.dumps(answer if status == 200 else {"error": "not now"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _serving(version: str) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Agent)
    server.version, server.seen = version, []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _url(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_callers_go_to_every_agent_and_count_what_they_see():
    with _serving("1") as one, _serving("1") as two:
        with Traffic(model="m", agents={"a": _url(one), "b": _url(two)}, rate=100) as traffic:
            traffic.wait_all_answer(1, seconds=20)
            one.version = two.version = "2"
            traffic.wait_all_answer(2, seconds=20)
            traffic.set_rate(50)
        tally = traffic.stop()

    assert tally.failed == 0
    assert tally.sent == len(one.seen) + len(two.seen)
    assert tally.versions.keys() == {"1", "2"}
    path, asked = one.seen[0]
    assert path == "/v2/models/m/infer"
    assert asked["id"].startswith("client-")
    assert asked["inputs"][0]["shape"] == [1, 23]
    ids = [each["id"] for _, each in one.seen + two.seen]
    assert len(ids) == len(set(ids))


def test_an_error_counts_as_a_failure_and_is_told_in_words():
    with _serving("1") as one, _serving("") as two:
        with Traffic(model="m", agents={"a": _url(one), "b": _url(two)}, rate=100) as traffic:
            wait_until(lambda: traffic.tally().failed > 0, what="a failed request is told")
            with pytest.raises(StoryError, match="not all answer"):
                traffic.wait_all_answer(2, seconds=0.5)
        tally = traffic.stop()

    assert tally.failed == len(two.seen) > 0
    assert "503" in tally.failures[0]
