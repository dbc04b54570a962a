"""Who wants to know is told, once committed, signed, and as often as it takes."""

import base64
import datetime as dt
import hashlib
import hmac
import ipaddress
import json
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.utils import timezone

from governance.errors import Conflict, Forbidden, Invalid, NotFound
from governance.models import Environment
from promotion import events
from promotion.adapters import outbound
from promotion.models import Delivery
from promotion.services import requests, webhooks
from promotion.services.webhooks.addresses import secret_of

pytestmark = pytest.mark.django_db(transaction=True)


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it is told; answers what the test wants."""

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((dict(self.headers), content))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 204)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *_):
        """Keep quiet."""


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        """A refused handshake is what a test wanted."""


@pytest.fixture
def receive():
    servers = []

    def start(tls=None):
        server = Server(("127.0.0.1", 0), Receiver)
        server.heard, server.answers = [], []
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def inside(monkeypatch):
    """Loopback may be called, as a setting would allow it."""
    allowed = settings.CONFIG.model_copy(update={"webhook_networks": "127.0.0.0/8"})
    monkeypatch.setattr(settings, "CONFIG", allowed)


@pytest.fixture
def told(world, ada, receive, inside):
    """A receiver that is told everything of prod-eu."""
    server = receive()
    url = f"http://127.0.0.1:{server.server_address[1]}/hooks?team=risk"
    return server, webhooks.add(url=url, environment="prod-eu", actor=ada)


def by_its_name(headers):
    return {name.lower(): value for name, value in headers.items()}


def test_an_event_arrives_signed_and_says_what_happened(told, world, ask, asha):
    server, made = told
    version = world.version()
    request = ask(version, by=asha)

    assert webhooks.deliver_due() == 1
    headers, content = server.heard[0]
    headers = by_its_name(headers)
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + content
    key = base64.b64decode(made.secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    event = json.loads(content)
    assert event["specversion"] == "1.0"
    assert event["id"] == headers["webhook-id"]
    assert event["type"] == "io.lockgate.request.opened"
    assert event["subject"] == request.subject
    assert event["data"]["model"] == "credit-default"
    assert event["data"]["environment"] == "prod-eu"
    assert event["data"]["request"] == str(request.pk)
    assert "asha" not in content.decode()
    assert Delivery.objects.get().delivered_at


def test_other_environments_are_not_told_of(told, world, ask, asha):
    world.agent("qa-1", "qa")
    ask(world.version(), environment="qa", by=asha)

    assert not Delivery.objects.exists()


def test_what_is_rolled_back_is_not_told(told, world, ask, asha):
    version = world.version()
    ask(version, by=asha)
    with pytest.raises(Conflict):
        ask(version, by=asha)

    assert Delivery.objects.count() == 1


def test_a_failed_delivery_is_tried_again_later_and_then_given_up(told, world, ask, asha):
    server, _ = told
    server.answers = [500] * 20
    ask(world.version(), by=asha)
    now = timezone.now()

    webhooks.deliver_due(now=now)
    delivery = Delivery.objects.get()
    assert (delivery.attempts, delivery.status, delivery.error) == (1, 500, "it answered 500")
    assert webhooks.deliver_due(now=now) == 0
    for _ in range(len(events.PAUSES)):
        due = Delivery.objects.get().next_at
        assert webhooks.deliver_due(now=due) == 1
    delivery.refresh_from_db()
    assert (delivery.attempts, delivery.next_at) == (len(events.PAUSES) + 1, None)
    assert len({headers["webhook-id"] for headers, _ in map(_lower, server.heard)}) == 1


def _lower(heard):
    return by_its_name(heard[0]), heard[1]


def test_a_redirect_is_not_followed(told, world, ask, asha):
    server, _ = told
    server.answers = [307]
    ask(world.version(), by=asha)
    webhooks.deliver_due()

    assert len(server.heard) == 1
    assert Delivery.objects.get().error == "it answered 307"


def test_a_replay_sends_the_same_bytes_again(told, world, ask, asha, ada):
    server, _ = told
    ask(world.version(), by=asha)
    webhooks.deliver_due()
    webhooks.replay(delivery_id=Delivery.objects.get().pk, actor=ada)
    webhooks.deliver_due()

    first, second = map(_lower, server.heard)
    assert first[1] == second[1]
    assert first[0]["webhook-id"] == second[0]["webhook-id"]


def test_a_removed_address_is_told_nothing_more(told, world, ask, asha, ada):
    server, made = told
    ask(world.version(), by=asha)
    webhooks.remove(webhook_id=made.webhook.pk, actor=ada)
    requests.withdraw(request_id=_only_request(), reason="enough", actor=asha)

    assert webhooks.deliver_due() == 0
    assert server.heard == []
    with pytest.raises(Conflict):
        webhooks.replay(delivery_id=Delivery.objects.get().pk, actor=ada)
    with pytest.raises(NotFound):
        webhooks.remove(webhook_id=made.webhook.pk, actor=ada)


def _only_request():
    from promotion.models import Request

    return Request.objects.get().pk


def test_a_new_secret_ends_the_old_one(told, ada):
    _, made = told
    again = webhooks.rotate(webhook_id=made.webhook.pk, actor=ada)

    assert again.secret != made.secret
    assert secret_of(again.webhook) == again.secret


def test_two_workers_send_an_event_once(told, world, ask, asha):
    server, _ = told
    ask(world.version(), by=asha)
    from django.db import connections

    def work():
        try:
            webhooks.deliver_due()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(server.heard) == 1


REFUSED = [
    "http://localhost/",
    "https://localhost/",
    "https://[::1]/",
    "https://0x7f000001/",
    "https://127.1/",
    "https://2130706433/",
    "https://169.254.169.254/latest/meta-data",
    "https://10.1.2.3/",
    "https://192.168.0.1/",
    "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::a00:1]/",
    "https://[fd00::1]/",
    "https://0.0.0.0/",
    "https://224.0.0.1/",
    "https://user:secret@203.0.113.1/",
    "https://203.0.113.1:22/",
    "ftp://203.0.113.1/",
    "file:///etc/passwd",
    "https://",
    "https://203.0.113.1:99999/",
    "http://93.184.216.34/",
    "https://no.such.name.invalid/",
    "gopher://203.0.113.1/",
    "https://203.0.113.9/\u202etxt",
    "nonsense",
    "https://203.0.113.9/" + "x" * 500,
]


@pytest.mark.parametrize("url", REFUSED)
def test_addresses_inside_and_odd_ones_are_refused(world, ada, url):
    with pytest.raises(Invalid) as refusal:
        webhooks.add(url=url, environment=None, actor=ada)

    assert refusal.value.code == "bad_address"


def test_a_name_that_leads_inside_later_is_not_called(told, world, ask, asha, monkeypatch):
    """Rebinding: what was allowed when it was added is looked at again each time."""
    server, _ = told
    closed = settings.CONFIG.model_copy(update={"webhook_networks": ""})
    monkeypatch.setattr(settings, "CONFIG", closed)
    ask(world.version(), by=asha)
    webhooks.deliver_due()

    assert server.heard == []
    assert "https" in Delivery.objects.get().error


def certificate(folder, name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return file, context


@pytest.mark.parametrize(("name", "trusted"), [("localhost", True), ("other.example", False)])
def test_tls_is_checked_against_the_name_not_the_address(
    receive, inside, tmp_path, monkeypatch, name, trusted
):
    file, context = certificate(tmp_path, name)
    server = receive(context)
    changed = settings.CONFIG.model_copy(update={"webhook_ca_file": file})
    monkeypatch.setattr(settings, "CONFIG", changed)
    monkeypatch.setattr(socket, "has_ipv6", False)
    url = f"https://localhost:{server.server_address[1]}/"

    if trusted:
        assert outbound.post(url, content=b"{}", headers={}) == 204
        assert by_its_name(server.heard[0][0])["host"].startswith("localhost")
    else:
        with pytest.raises(outbound.Unreachable):
            outbound.post(url, content=b"{}", headers={})
        assert server.heard == []


def test_the_address_that_was_checked_is_the_one_that_is_called(inside):
    checked = outbound.check("http://localhost:8080/a?b=c")

    assert checked.ip in {ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")}
    assert str(checked.ip) in checked.url
    assert checked.host == "localhost:8080"


def test_only_those_who_administer_may(world, asha, inside):
    with pytest.raises(Forbidden):
        webhooks.add(url="http://127.0.0.1:9/", environment="prod-eu", actor=asha)
    with pytest.raises(Forbidden):
        webhooks.add(url="http://127.0.0.1:9/", environment=None, actor=asha)


def test_the_api_shows_the_secret_once_and_the_log_for_good(
    world, api, ada, asha, ask, receive, inside
):
    server = receive()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    client = api(ada)

    made = client.post("/api/v1/webhooks", {"url": url}, format="json")
    assert made.status_code == 201, made.content
    assert made.json()["secret"].startswith("whsec_")
    listed = client.get("/api/v1/webhooks").json()["items"]
    assert [(item["url"], "secret" in item) for item in listed] == [(url, False)]
    ask(world.version(), by=asha)
    webhooks.deliver_due()
    path = f"/api/v1/webhooks/{made.json()['id']}"
    [delivery] = client.get(f"{path}/deliveries").json()["items"]
    assert delivery["status"] == 204
    again = client.post(f"/api/v1/deliveries/{delivery['id']}/replay")
    assert again.status_code == 202
    assert client.post(f"{path}/secret").json()["secret"] != made.json()["secret"]
    assert client.delete(path).status_code == 204
    assert client.get("/api/v1/webhooks").json()["items"] == []
    assert api(asha).get("/api/v1/webhooks").status_code == 403
    assert client.post(f"/api/v1/deliveries/{uuid4()}/replay").status_code == 404


def test_an_administrator_of_one_environment_sees_its_webhooks_only(
    world, make_person, api, ada, inside
):
    webhooks.add(url="http://127.0.0.1:9009/qa", environment="qa", actor=ada)
    webhooks.add(url="http://127.0.0.1:9009/all", environment=None, actor=ada)
    place = Environment.objects.get(slug="qa")
    local = make_person("lena", "admin", environment=place).actor

    listed = api(local).get("/api/v1/webhooks").json()["items"]
    assert [item["url"] for item in listed] == ["http://127.0.0.1:9009/qa"]
