"""Models and versions: registered once, numbered without gaps, sealed."""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from governance.actors import Actor
from governance.models import User
from governance.services import bindings, tokens
from registry.models import ModelVersion, VersionFile
from registry.services import blobs, versions

pytestmark = pytest.mark.django_db

MODEL = {"name": "credit-default", "owner": "Team Credit", "purpose": "Approve small credits."}


@pytest.fixture
def ci(asha, set_up) -> Actor:
    """A pipeline's token that submits, answered for by Asha."""
    owner = User.objects.get(pk=asha.id)
    issued = tokens.issue(name="pipeline", scope="ci", owner=owner, actor=set_up)
    bindings.grant_role(to=issued.token, role="submitter", actor=set_up)
    return Actor.from_service(issued.token.pk, name="pipeline", owner=owner.person)


@pytest.fixture
def register(submitter, model, uploaded, encode) -> Callable[..., Any]:
    def register(manifest: Any, **headers: str) -> Any:
        body = manifest if isinstance(manifest, bytes) else encode(manifest)
        return submitter.post(
            "/api/v1/models/credit-default/versions",
            body,
            content_type="application/json",
            headers=headers,
        )

    return register


def code(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


class TestVersions:
    def test_a_version_is_registered_and_waits_for_its_inspection(
        self, register, manifest, encode, audit_trail
    ):
        answer = register(manifest)

        assert answer.status_code == 201
        version = answer.json()
        assert (version["number"], version["status"]) == (1, "inspecting")
        assert version["digest"] == hashlib.sha256(encode(manifest)).hexdigest()
        assert version["manifest"] == manifest
        assert answer["Location"] == "/api/v1/models/credit-default/versions/1"
        assert [file["path"] for file in version["files"]] == ["golden.json", "model.onnx"]
        assert audit_trail() == [("model.registered", "asha"), ("version.registered", "asha")]

    def test_the_exact_bytes_are_the_manifest(self, register, manifest):
        raw = json.dumps(manifest, indent=3, ensure_ascii=False).encode() + b"\n"
        digest = register(raw).json()["digest"]
        with blobs.open_blob(digest) as reader:
            assert b"".join(reader) == raw
        assert digest == hashlib.sha256(raw).hexdigest()

    def test_the_same_manifest_again_is_the_same_version(self, register, manifest, audit_trail):
        first = register(manifest)
        audit_trail.clear()
        again = register(manifest)

        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json()["number"] == 1
        assert ModelVersion.objects.count() == 1
        assert audit_trail() == []

    def test_another_manifest_is_the_next_version(self, register, manifest):
        assert register(manifest).json()["number"] == 1
        manifest["metrics"]["auc"] = 0.78
        assert register(manifest).json()["number"] == 2

    def test_versions_are_listed_and_shown(self, register, submitter, manifest):
        register(manifest)
        manifest["metrics"]["auc"] = 0.78
        register(manifest)

        listed = submitter.get("/api/v1/models/credit-default/versions").json()["items"]
        shown = submitter.get("/api/v1/models/credit-default/versions/2").json()

        assert [version["number"] for version in listed] == [2, 1]
        assert shown["manifest"]["metrics"]["auc"] == 0.78
        assert shown["files"][1]["size"] == manifest["files"][0]["size"]

    @pytest.mark.parametrize("number", ["0", "3", "2147483648", "9" * 30])
    def test_a_version_that_is_not_there_is_not_found(self, submitter, model, number):
        response = submitter.get(f"/api/v1/models/credit-default/versions/{number}")
        assert code(response) == (404, "no_such_version")

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"approved_by": "mallory"}, "approved_by"),
            ({"code": "mallory"}, "code"),
            ({"message": "mallory"}, "message"),
            ({"model": "other"}, "model"),
            ({"model": "<b>"}, "model"),
            ({"authors": []}, "authors"),
            ({"authors": ["a\u0000b"]}, "authors[0]"),
            ({"files": []}, "files"),
        ],
    )
    def test_a_manifest_out_of_order_changes_nothing(
        self, register, manifest, audit_trail, change, path
    ):
        audit_trail.clear()
        response = register({**manifest, **change})

        assert code(response) == (400, "invalid_manifest")
        assert list(response.json()["problems"]) == [path]
        assert not ModelVersion.objects.exists()
        assert audit_trail() == []

    @pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b"\x80\x04.", b"null"])
    def test_a_body_that_is_no_manifest_is_refused(self, register, raw):
        assert code(register(raw)) == (400, "invalid_manifest")

    def test_a_doubled_key_is_refused(self, register, manifest, encode):
        raw = encode(manifest).replace(b'"kind": "onnx"', b'"kind": "onnx", "kind": "onnx"')
        assert register(raw).json()["problems"] == {"kind": "stands there more than once"}

    def test_a_manifest_over_a_megabyte_is_refused(self, register, manifest):
        manifest["environment_lock"] = {"x": "y" * 1024**2}
        assert code(register(manifest)) == (413, "manifest_too_large")

    def test_another_content_type_is_refused(self, submitter, model):
        response = submitter.post(
            "/api/v1/models/credit-default/versions", b"{}", content_type="text/plain"
        )
        assert response.status_code == 415

    def test_files_that_were_not_uploaded_are_named(self, register, manifest):
        manifest["files"][0]["sha256"] = "ef" * 32
        response = register(manifest)
        assert code(response) == (400, "missing_blobs")
        assert list(response.json()["problems"]) == ["files[0].sha256"]

    def test_a_file_of_another_size_is_named(self, register, manifest):
        size = manifest["files"][0]["size"]
        manifest["files"][0]["size"] += 1
        response = register(manifest)
        assert code(response) == (400, "invalid_manifest")
        assert response.json()["problems"] == {"files[0].size": f"must be {size}, as uploaded"}

    def test_who_does_not_submit_in_the_group_registers_nothing(
        self, api, vera, make_person, model, manifest
    ):
        for actor, status in (
            (vera, 403),
            (make_person("gus", "submitter", group="ads").actor, 404),
        ):
            response = api(actor).post(
                "/api/v1/models/credit-default/versions", manifest, format="json"
            )
            assert response.status_code == status
        assert not ModelVersion.objects.exists()

    def test_an_idempotency_key_gives_the_same_answer(self, register, manifest):
        key = {"Idempotency-Key": "ci-17"}
        first, again = register(manifest, **key), register(manifest, **key)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.content == again.content
        assert ModelVersion.objects.count() == 1

    def test_a_version_is_sealed(self, register, manifest):
        register(manifest)
        version = ModelVersion.objects.get()
        for rows, change in (
            (ModelVersion.objects, {"digest": "0" * 64}),
            (VersionFile.objects, {"path": "other"}),
        ):
            with pytest.raises(IntegrityError), transaction.atomic():
                rows.update(**change)
        with pytest.raises(IntegrityError), transaction.atomic():
            ModelVersion.objects.filter(pk=version.pk)._raw_delete(using="default")

    def test_a_service_registers_and_its_owner_is_remembered(
        self, model, uploaded, manifest, encode, ci
    ):
        sealed = versions.register_version(model=model, manifest=encode(manifest), actor=ci)
        assert sealed.version.registered_by == "pipeline"
        assert sealed.version.registered_by_person == "asha"

    def test_showing_more_versions_takes_no_more_queries(self, register, submitter, manifest):
        def queries(path: str) -> int:
            with CaptureQueriesContext(connection) as captured:
                assert submitter.get(path).status_code == 200
            return len(captured)

        register(manifest)
        listing = "/api/v1/models/credit-default/versions"
        few = queries(listing), queries("/api/v1/models"), queries(f"{listing}/1")
        for number in range(5):
            manifest["metrics"]["auc"] = number / 10
            register(manifest)

        many = queries(listing), queries("/api/v1/models"), queries(f"{listing}/6")
        assert many == few
        assert max(few) <= 10


@pytest.mark.django_db(transaction=True)
def test_parallel_registrations_get_gapless_numbers(model, uploaded, manifest, encode, asha):
    def register(number: int) -> int:
        document = {**manifest, "metrics": {"auc": number / 100}}
        try:
            sealed = versions.register_version(model=model, manifest=encode(document), actor=asha)
            return sealed.version.number
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(register, range(16)))

    assert sorted(numbers) == list(range(1, 17))


@pytest.mark.django_db(transaction=True)
def test_parallel_registrations_of_one_manifest_are_one_version(
    model, uploaded, manifest, encode, asha
):
    def register(_: int) -> tuple[int, bool]:
        try:
            sealed = versions.register_version(model=model, manifest=encode(manifest), actor=asha)
            return sealed.version.number, sealed.is_new
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(register, range(8)))

    assert sorted(found) == [(1, False)] * 7 + [(1, True)]
