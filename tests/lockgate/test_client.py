"""The client against the real API."""

import hashlib
import json

import httpx
import pytest

from governance.actors import Actor
from lockgate import session
from lockgate.client import Client
from lockgate.errors import ApiError, Unreachable, WaitedTooLong
from lockgate.manifest import read_pack
from registry.models import Blob, Inspection
from registry.services import inspections, registered_models
from registry.services.registered_models import Description

BYTES = b"bytes of a client " * 100_000


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(session, "PAUSE_SECONDS", 0.01)


class TestAgainstTheService:
    def test_bytes_are_uploaded_once(self, client, tmp_path):
        file = tmp_path / "file"
        file.write_bytes(BYTES)

        first, again = client.upload_blob(file), client.upload_blob(BYTES)

        assert (first.is_new, again.is_new) == (True, False)
        assert first.sha256 == again.sha256 == hashlib.sha256(BYTES).hexdigest()
        assert Blob.objects.get(pk=first.sha256).size == len(BYTES)

    def test_an_empty_file_is_refused_by_name(self, client):
        with pytest.raises(ApiError) as refusal:
            client.upload_blob(b"")
        assert (refusal.value.status, refusal.value.code) == (400, "empty")

    def test_a_packed_version_is_registered_and_inspected(self, client, packed):
        client.register_model("credit-default", owner="Team Credit", purpose="Approve.")
        raw, _, files = read_pack(packed)
        for path in files.values():
            client.upload_blob(path)
        version = client.register_version("credit-default", raw)
        assert version["digest"] == hashlib.sha256(raw).hexdigest()

        pk = Inspection.objects.get().pk
        inspections.inspect_version(version_id=pk, actor=Actor.from_task("tests"))

        inspected = client.wait_until_inspected("credit-default", 1)
        assert (inspected["status"], inspected["reasons"]) == ("ready", [])
        assert [each["number"] for each in client.versions("credit-default")] == [1]
        assert [each["name"] for each in client.models()] == ["credit-default"]

    def test_waiting_ends(self, client, packed):
        client.register_model("credit-default", owner="Team Credit", purpose="Approve.")
        raw, _, files = read_pack(packed)
        for path in files.values():
            client.upload_blob(path)
        client.register_version("credit-default", raw)
        with pytest.raises(WaitedTooLong):
            client.wait_until_inspected("credit-default", 1, seconds=0.2)

    def test_lists_go_on_over_pages(self, client, asha):
        for number in range(60):
            registered_models.register_model(
                name=f"m{number:02}", description=Description("T", "P"), actor=asha
            )
        assert len(list(client.models())) == 60

    def test_a_refusal_has_its_code_and_problems(self, client):
        with pytest.raises(ApiError) as refusal:
            client.register_model("Not A Slug", owner="", purpose="P")
        assert refusal.value.code == "invalid"
        assert set(refusal.value.problems) == {"name", "owner"}

    @pytest.mark.parametrize("name", ["no/such", "..", "", "x?y=1", "x#y", "%2e%2e"])
    def test_a_strange_name_stays_one_part_of_the_path(self, client, name):
        with pytest.raises(ApiError) as refusal:
            client.model(name)
        assert refusal.value.status == 404

    def test_a_token_that_is_not_good_is_said(self, live_server, transactional_db):
        with Client(live_server.url, "lg_ci_nonsense") as nobody, pytest.raises(ApiError) as no:
            nobody.me()
        assert (no.value.status, no.value.code) == (401, "bad_token")


class Flaky(httpx.BaseTransport):
    """Answers as told, in turn."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    body = json.dumps({"code": code, "detail": "No."}).encode()
    return httpx.Response(status, content=body, headers=headers)


def flaky(*answers: httpx.Response | Exception) -> tuple[Client, Flaky]:
    transport = Flaky(*answers)
    return Client("http://service", "secret", transport=transport), transport


def test_a_lost_answer_is_asked_for_again_with_the_same_key():
    client, transport = flaky(
        httpx.ReadTimeout("lost"),
        problem(503, "unavailable"),
        httpx.Response(201, json={"id": "1"}),
    )

    client.promote("m", 1, "qa", to="dark", reason="R")

    keys = {request.headers["Idempotency-Key"] for request in transport.requests}
    assert len(transport.requests) == 3
    assert len(keys) == 1
    assert len({request.content for request in transport.requests}) == 1


def test_two_calls_have_two_keys():
    client, transport = flaky(*(httpx.Response(201, json={"id": "1"}) for _ in range(2)))
    for _ in range(2):
        client.rollback("qa", "m", reason="R")
    assert len({request.headers["Idempotency-Key"] for request in transport.requests}) == 2


def test_an_upload_that_broke_is_sent_again_whole():
    client, transport = flaky(
        httpx.Response(404), httpx.WriteError("reset"), httpx.Response(201, json={})
    )
    assert client.upload_blob(BYTES).is_new
    assert transport.requests[-1].content == BYTES
    assert "Transfer-Encoding" not in transport.requests[-1].headers


def test_a_service_that_stays_away_is_unreachable():
    client, transport = flaky(*[httpx.ConnectError("refused")] * 3)
    with pytest.raises(Unreachable, match="refused"):
        client.me()
    assert len(transport.requests) == 3


def test_a_refusal_is_not_asked_again():
    client, transport = flaky(problem(409, "rollout_in_progress"))
    with pytest.raises(ApiError) as refusal:
        client.promote("m", 1, "qa", to="dark", reason="R")
    assert refusal.value.code == "rollout_in_progress"
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(404, content=b"not found"),
        httpx.Response(302, headers={"Location": "https://elsewhere/"}),
    ],
)
def test_something_else_than_the_service_is_not_believed(answer):
    client, transport = flaky(answer)
    with pytest.raises(Unreachable, match="as Lockgate does"):
        client.me()
    assert len(transport.requests) == 1


def test_the_token_is_in_the_header_and_nowhere_else():
    client, transport = flaky(httpx.Response(200, json={}))
    client.me()
    assert transport.requests[0].headers["Authorization"] == "Bearer secret"
    assert "secret" not in str(transport.requests[0].url)


@pytest.mark.parametrize("url", ["", "service", "ftp://service", "file:///etc"])
def test_an_address_is_one(url):
    with pytest.raises(Unreachable):
        Client(url, "secret")
