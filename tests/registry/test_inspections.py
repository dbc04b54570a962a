"""A version is inspected once, whoever is woken for it and however often."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from governance.actors import Actor
from registry import selectors
from registry.adapters import store
from registry.models import Inspection, ModelVersion
from registry.services import blobs, inspections, versions

pytestmark = pytest.mark.django_db


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
