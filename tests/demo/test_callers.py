"""Callers as a process, against a small server that answers as feature extraction does."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lockgate.demo.errors import StoryError
from lockgate.demo.story.stage import wait_until
from lockgate.demo.traffic import Traffic

AGENTS = ("127.0.0.1:1", "127.0.0.1:2")


class _Extraction(BaseHTTPRequestHandler):
    """Answers as the process that extracts features does, for two agents in turn."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        server.seen.append((self.path, asked))
        turn = len(server.seen) % 2
        version = server.versions[turn]
        answer = {"id": asked["id"], "score": 0.5, "version": version, "agent": AGENTS[turn]}
        body = json.dumps(answer if version else {"error": "not now"}).encode()
        self.send_response(200 if version else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _serving(*versions: str) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Extraction)
    server.versions, server.seen = list(versions), []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _traffic(server: ThreadingHTTPServer) -> Traffic:
    named = {name: f"http://{at}" for name, at in zip("ab", AGENTS, strict=True)}
    url = f"http://127.0.0.1:{server.server_address[1]}"
    return Traffic(extraction=url, agents=named, rate=100)


def test_callers_count_what_they_see_by_who_answered():
    with _serving("1", "1") as server:
        with _traffic(server) as traffic:
            traffic.wait_all_answer(1, seconds=20)
            server.versions = ["2", "2"]
            traffic.wait_all_answer(2, seconds=20)
            traffic.set_rate(50)
        tally = traffic.stop()

    assert tally.failed == 0
    assert tally.sent == len(server.seen)
    assert tally.versions.keys() == {"1", "2"}
    assert tally.agents.keys() == {"a", "b"}
    path, asked = server.seen[0]
    assert path == "/score"
    assert asked["id"].startswith("client-")
    assert len(asked["client"]["statements"]) == 6
    ids = [each["id"] for _, each in server.seen]
    assert len(ids) == len(set(ids))


def test_an_error_counts_as_a_failure_and_is_told_in_words():
    with _serving("1", "") as server:
        with _traffic(server) as traffic:
            wait_until(lambda: traffic.tally().failed > 0, what="a failed request is told")
            with pytest.raises(StoryError, match="not all answer"):
                traffic.wait_all_answer(2, seconds=0.5)
        tally = traffic.stop()

    assert tally.failed == (len(server.seen) + 1) // 2 > 0
    assert "503" in tally.failures[0]
