"""Agents are told to load and unload: told, acknowledged, done."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from promotion.adapters import hints
from promotion.models import Telling
from promotion.services import tellings

DIGEST = "a" * 64


class Listener(BaseHTTPRequestHandler):
    """An agent's control listener that keeps what it is told."""

    status = 202

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, dict(self.headers), json.loads(body)))
        self.send_response(self.status)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *_):
        """Keep quiet."""


class Redirecting(Listener):
    status = 307


@pytest.fixture
def listen():
    servers = []

    def start(handler=Listener):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.heard = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server, f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def post(url):
    return hints.post(url, action="load", model="m", digest=DIGEST, generation=3)


def test_a_hint_says_what_changed_and_carries_no_secret(listen):
    server, url = listen()

    assert post(url) == hints.Answer()
    path, headers, body = server.heard[0]
    assert path == "/v1/hint"
    assert body == {"action": "load", "model": "m", "digest": DIGEST, "generation": 3}
    assert "Authorization" not in headers


def test_a_redirect_is_not_followed(listen):
    server, url = listen(Redirecting)

    assert post(url).error == "it answered 307"
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/",
        "http://10.0.0.1:80",
        "http://8.8.8.8",
        "https://127.0.0.1:1",
        "file:///etc/passwd",
        "http://[::ffff:10.0.0.1]/",
        "http://user@10.1.1.1/",
        "nonsense",
        "",
        "http://127.0.0.1:99999",
    ],
)
def test_only_the_allowed_networks_are_called(url):
    assert post(url).error == "its address is outside the allowed networks"


def test_an_agent_that_is_gone_is_an_answer_not_an_exception():
    assert post("http://127.0.0.1:9").error == "ConnectError"


@pytest.mark.django_db
def test_each_telling_is_told_acknowledged_and_done(world, listen):
    server, url = listen()
    version = world.version()
    near, far = world.agent("near"), world.agent("far")
    near.say(near.desired()["generation"], [], control_url=url)
    far.say(far.desired()["generation"], [], control_url="http://127.0.0.1:9")
    generation = near.desired()["generation"]

    took = tellings.tell(
        action="load",
        target_id=near.agent.target_id,
        version_id=version.pk,
        generation=generation,
    )

    assert took == 1
    assert len(server.heard) == 1
    told = {t.agent.name: t for t in Telling.objects.select_related("agent")}
    assert told["near"].acknowledged_at
    assert told["far"].error == "ConnectError"
    assert told["near"].done_at is None
    held = {"model": "credit-default", "version": 1, "digest": version.digest}
    near.say(generation, [{**held, "role": "load", "phase": "ready"}], control_url=url)
    assert Telling.objects.get(agent=near.agent).done_at
