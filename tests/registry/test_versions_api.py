"""Models and versions: registered once, numbered without gaps, sealed."""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from governance.actors import Actor
from governance.models import User
from governance.services import bindings, tokens
from registry import selectors
from registry.adapters import store
from registry.models import Inspection, ModelVersion, RegisteredModel, VersionFile
from registry.services import blobs, inspections, registered_models, versions
from registry.services.registered_models import Description

pytestmark = pytest.mark.django_db

MODEL = {"name": "credit-default", "owner": "Team Credit", "purpose": "Approve small credits."}


@pytest.fixture
def submitter(api, asha) -> APIClient:
    return api(asha)


@pytest.fixture
def model(asha) -> RegisteredModel:
    return registered_models.register_model(
        name="credit-default", description=Description("Team Credit", "Approve."), actor=asha
    )


@pytest.fixture
def ci(asha, set_up) -> Actor:
    """A pipeline's token that submits, answered for by Asha."""
    owner = User.objects.get(pk=asha.id)
    issued = tokens.issue(name="pipeline", scope="ci", owner=owner, actor=set_up)
    bindings.grant_role(to=issued.token, role="submitter", actor=set_up)
    return Actor.from_service(issued.token.pk, name="pipeline", owner=owner.person)


@pytest.fixture
def uploaded(files, asha) -> None:
    for data in files.values():
        blobs.keep(data, actor=asha)


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


class TestModels:
    def test_a_model_is_registered(self, submitter, audit_trail):
        answer = submitter.post("/api/v1/models", {**MODEL, "group": "credit"}, format="json")

        assert answer.status_code == 201
        assert answer["Location"] == "/api/v1/models/credit-default"
        assert answer.json()["risk_tier"] == "medium"
        shown = submitter.get("/api/v1/models/credit-default").json()
        assert shown == answer.json()
        assert audit_trail() == [("model.registered", "asha")]

    def test_everything_said_of_a_model_is_kept(self, submitter):
        said = {
            **MODEL,
            "risk_tier": "high",
            "regimes": ["SR 26-2", "EU AI Act"],
            "optimising_metric": "auc",
            "optimising_direction": "max",
            "satisficing": {"latency_ms": 30.0},
            "latency_budget_ms": 30.0,
        }
        answer = submitter.post("/api/v1/models", said, format="json").json()
        assert {key: answer[key] for key in said} == said

    def test_a_name_is_taken_once(self, submitter, model, audit_trail):
        audit_trail.clear()
        assert code(submitter.post("/api/v1/models", MODEL, format="json")) == (409, "exists")
        assert audit_trail() == []

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", "Credit"),
            ("name", "credit default"),
            ("name", "<b>credit</b>"),
            ("name", "credit\u0000"),
            ("name", "-credit"),
            ("name", "x" * 64),
            ("name", ""),
            ("name", 7),
            ("owner", " "),
            ("owner", "a\u202eb"),
            ("owner", "x" * 101),
            ("purpose", None),
            ("purpose", "x" * 5001),
            ("risk_tier", "critical"),
            ("group", "Not A Slug"),
            ("regimes", ["a", "a"]),
            ("regimes", ["x"] * 51),
            ("regimes", "EU AI Act"),
            ("satisficing", {"latency": "30"}),
            ("satisficing", {"latency": True}),
            ("latency_budget_ms", -1),
            ("latency_budget_ms", 0),
            ("latency_budget_ms", "30"),
            ("optimising_direction", "up"),
            ("created_at", "2020-01-01T00:00:00Z"),
            ("id", "00000000-0000-0000-0000-000000000000"),
        ],
    )
    def test_a_wrong_field_is_named_and_nothing_changes(self, submitter, audit_trail, field, value):
        response = submitter.post("/api/v1/models", {**MODEL, field: value}, format="json")

        assert response.status_code == 400
        body = response.json()
        assert body["code"] == "invalid_json" or any(
            path.startswith(field) for path in body["problems"]
        )
        assert not RegisteredModel.objects.exists()
        assert audit_trail() == []

    @pytest.mark.parametrize("field", ["name", "owner", "purpose"])
    def test_a_missing_field_is_named(self, submitter, field):
        given = {key: value for key, value in MODEL.items() if key != field}
        response = submitter.post("/api/v1/models", given, format="json")
        assert list(response.json()["problems"]) == [field]

    def test_html_in_free_text_is_only_text(self, submitter):
        purpose = "<script>alert(1)</script>"
        submitter.post("/api/v1/models", {**MODEL, "purpose": purpose}, format="json")
        shown = submitter.get("/api/v1/models/credit-default")
        assert shown["Content-Type"] == "application/json"
        assert shown.json()["purpose"] == purpose

    def test_who_may_not_submit_in_the_group_registers_nothing(self, api, make_person, vera):
        fraud = make_person("gus", "submitter", group="fraud").actor
        for actor in (fraud, vera):
            response = api(actor).post("/api/v1/models", {**MODEL, "group": "ads"}, format="json")
            assert code(response) == (403, "forbidden")
        own = {**MODEL, "group": "fraud"}
        assert api(fraud).post("/api/v1/models", own, format="json").status_code == 201

    def test_models_of_other_groups_are_neither_listed_nor_found(self, api, make_person, asha):
        for name, group in (("ads-ctr", "ads"), ("card-fraud", "fraud"), ("plain", "")):
            description = Description("Team", "Purpose", group=group)
            registered_models.register_model(name=name, description=description, actor=asha)
        client = api(make_person("gus", "viewer", group="fraud").actor)

        names = [model["name"] for model in client.get("/api/v1/models").json()["items"]]
        assert names == ["card-fraud"]
        assert client.get("/api/v1/models/card-fraud").status_code == 200
        for hidden in ("ads-ctr", "plain", "no-such"):
            assert code(client.get(f"/api/v1/models/{hidden}")) == (404, "no_such_model")
            response = client.get(f"/api/v1/models/{hidden}/versions")
            assert code(response) == (404, "no_such_model")

    def test_who_has_no_role_sees_nothing(self, api, make_person):
        client = api(make_person("nora").actor)
        assert code(client.get("/api/v1/models")) == (403, "forbidden")
        assert code(client.get("/api/v1/models/x")) == (403, "forbidden")

    def test_a_list_goes_on_in_pages(self, submitter, asha):
        for number in range(5):
            registered_models.register_model(
                name=f"m{number}", description=Description("T", "P"), actor=asha
            )
        names, cursor = [], ""
        while cursor is not None:
            page = submitter.get(f"/api/v1/models?limit=2{cursor}").json()
            names += [model["name"] for model in page["items"]]
            cursor = f"&cursor={page['next']}" if page["next"] else None
        assert names == [f"m{number}" for number in range(5)]


@pytest.mark.django_db(transaction=True)
def test_a_model_changes_only_with_an_entry(model):
    rows = RegisteredModel.objects.filter(pk=model.pk)
    with pytest.raises(IntegrityError):
        rows.update(owner="mallory")
    assert rows.get().owner == "Team Credit"


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
        assert max(few) <= 9


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


class TestInspection:
    @pytest.fixture
    def inspector(self) -> Actor:
        return Actor.from_task(inspections.TASK)

    @pytest.fixture
    def version(self, model, uploaded, manifest, encode, asha) -> ModelVersion:
        sealed = versions.register_version(model=model, manifest=encode(manifest), actor=asha)
        return sealed.version

    def test_a_version_in_order_becomes_ready_once(
        self, version, inspector, audit_trail, submitter
    ):
        audit_trail.clear()
        first = inspections.inspect_version(version_id=version.pk, actor=inspector)
        again = inspections.inspect_version(version_id=version.pk, actor=inspector)

        assert first.status == again.status == Inspection.Status.READY
        assert audit_trail() == [("version.inspected", "registry.inspect_version")]
        shown = submitter.get("/api/v1/models/credit-default/versions/1").json()
        assert (shown["status"], shown["reasons"]) == ("ready", [])
        assert shown["facts"]["nodes"] == 2
        assert shown["inspected_at"]

    def test_a_pickle_is_rejected_by_name(
        self, model, manifest, files, encode, entry, asha, inspector, submitter
    ):
        files["model.onnx"] = b"\x80\x04K\x01."
        for data in files.values():
            blobs.keep(data, actor=asha)
        manifest["files"][0] = entry("model.onnx", files["model.onnx"], "model")
        sealed = versions.register_version(model=model, manifest=encode(manifest), actor=asha)

        inspections.inspect_version(version_id=sealed.version.pk, actor=inspector)

        shown = submitter.get("/api/v1/models/credit-default/versions/1").json()
        assert shown["status"] == "rejected"
        assert [reason["code"] for reason in shown["reasons"]] == ["pickle"]

    def test_a_store_that_lost_the_bytes_is_no_verdict(self, version, inspector):
        digest = selectors.file(version, "model").blob_id
        path = store.default().path(digest)
        aside = path.rename(path.with_suffix(".aside"))
        try:
            with pytest.raises(Exception, match="no bytes"):
                inspections.inspect_version(version_id=version.pk, actor=inspector)
        finally:
            aside.rename(path)
        assert Inspection.objects.get(pk=version.pk).status == Inspection.Status.INSPECTING
        assert inspections.inspect_version(version_id=version.pk, actor=inspector).status == "ready"

    def test_what_nobody_was_woken_for_is_swept(self, version):
        assert inspections.sweep_inspections() == 0  # Too young.
        inspections.OVERDUE, usual = -inspections.OVERDUE, inspections.OVERDUE
        try:
            assert inspections.sweep_inspections() == 1
        finally:
            inspections.OVERDUE = usual

    def test_a_version_that_is_not_there_is_not_found(self, inspector, model):
        with pytest.raises(Exception, match="no such version"):
            inspections.inspect_version(version_id=model.pk, actor=inspector)


@pytest.mark.django_db(transaction=True)
def test_parallel_inspections_have_one_outcome_and_one_entry(
    model, uploaded, manifest, encode, asha, audit_trail
):
    sealed = versions.register_version(model=model, manifest=encode(manifest), actor=asha)
    audit_trail.clear()

    def inspect(_: int) -> None:
        try:
            actor = Actor.from_task(inspections.TASK)
            inspections.inspect_version(version_id=sealed.version.pk, actor=actor)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(inspect, range(4)))

    assert Inspection.objects.get(pk=sealed.version.pk).status == Inspection.Status.READY
    assert audit_trail() == [("version.inspected", "registry.inspect_version")]
