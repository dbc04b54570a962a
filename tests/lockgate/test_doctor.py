"""``lockgate doctor`` from the outside: whatever is down, it says what it could not reach."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from lockgate import checkup

NOWHERE = "http://127.0.0.1:9"


def doctor(lockgate, *before: str):
    code, out, _ = lockgate(*before, "--json", "doctor")
    document = json.loads(out)
    assert document["ok"] is (code == 0)
    for check in document["checks"]:
        assert check["verdict"] == "ok" or check["fix"], check
    return code, {check["name"]: check for check in document["checks"]}


@pytest.fixture
def answering():
    """A server that gives one answer to everything."""
    servers = []

    def serve(status: int, body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_with_the_service_down_it_says_what_it_could_not_reach(lockgate):
    code, found = doctor(lockgate, "--url", NOWHERE, "--token", "none")
    assert code == 1
    assert list(found) == ["address", "service", "not looked at"]
    assert "refused" in found["service"]["found"]
    assert "lockgate up" in found["service"]["fix"]
    for name in ("token", "database role", "signing key", "worker", "agents"):
        assert name in found["not looked at"]["found"]


def test_people_read_each_fix(lockgate):
    code, out, err = lockgate("--url", NOWHERE, "doctor")
    assert (code, err) == (1, "")
    assert "FAIL  service" in out
    assert "Fix: Start it" in out
    assert out.endswith("1 ok, 0 to look at, 2 failed\n")


@pytest.mark.parametrize("url", ["", "lockgate.example", "ftp://lockgate.example"])
def test_an_address_that_is_none_is_found(lockgate, url):
    code, found = doctor(lockgate, *(["--url", url] if url else []))
    assert code == 1
    assert found["address"]["verdict"] == "fail"


def test_an_address_without_tls_is_worth_a_look():
    found = checkup._address("http://lockgate.example:8000")
    assert (found.verdict, found.name) == ("warn", "address")
    assert checkup._address("https://lockgate.example").verdict == "ok"
    assert checkup._address("http://[::1]:8000").verdict == "ok"


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, b"<html>welcome</html>", "not as Lockgate does"),
        (200, b"[]", "not as Lockgate does"),
        (502, b"", "not as Lockgate does"),
        (503, b'{"ready": false, "database": false, "broker": true}', "does without: database"),
    ],
)
def test_a_service_that_is_ill_or_another_is_found(lockgate, answering, status, body, says):
    code, found = doctor(lockgate, "--url", answering(status, body), "--token", "none")
    assert code == 1
    assert says in found["service"]["found"]
    assert "not looked at" in found


@pytest.mark.parametrize(
    ("ahead", "took", "verdict"),
    [
        (0.0, 0.1, "ok"),
        (3.0, 3.1, "ok"),
        (9.0, 0.1, "warn"),
        (-9.0, 0.1, "warn"),
        (-900.0, 0.1, "fail"),
    ],
)
def test_clocks_are_compared(ahead, took, verdict):
    assert checkup._clock(ahead, took=took).verdict == verdict


def test_a_verdict_of_another_release_is_no_good_one():
    assert checkup._read({"name": "x", "verdict": "splendid", "found": ""}).verdict == "fail"


class TestAgainstTheService:
    @pytest.fixture
    def ask(self, lockgate, live_server, make_person, bearer, transactional_db):
        def asked(*roles: str, token: str | None = None):
            secret = bearer(make_person("omar", *roles).actor) if token is None else token
            return doctor(lockgate, "--url", live_server.url, "--token", secret)

        return asked

    def test_what_the_service_finds_is_shown(self, ask):
        code, found = ask("operator")
        assert code == 1
        assert found["token"]["found"] == "of omar"
        assert found["clock here"]["verdict"] == "ok"
        assert found["database role"]["verdict"] == "ok"
        assert found["worker"]["found"] == "it has never swept"
        assert "Start worker and beat" in found["worker"]["fix"]

    def test_a_clock_of_ours_that_is_off_is_found(self, ask, monkeypatch):
        class Late(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(UTC) - timedelta(seconds=7)

        monkeypatch.setattr(checkup, "datetime", Late)
        _, found = ask("operator")
        assert found["clock here"]["verdict"] == "warn"
        assert "7 s behind" in found["clock here"]["found"]

    def test_who_does_not_run_it_is_told_whom_to_ask(self, ask):
        code, found = ask("viewer")
        assert code == 1
        assert "operator or admin" in found["examination"]["fix"]

    @pytest.mark.parametrize("token", ["", "nonsense"])
    def test_a_token_that_is_not_known_is_found(self, ask, token):
        code, found = ask(token=token)
        assert code == 1
        assert found["token"]["verdict"] == "fail"
