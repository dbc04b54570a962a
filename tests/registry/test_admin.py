"""The admin shows what the registry holds, to those who audit, and changes nothing."""

import pytest
from django.test import Client

from governance.models import User
from registry.models import ModelVersion
from registry.services import blobs, registered_models, versions
from registry.services.registered_models import Description

pytestmark = pytest.mark.django_db

TABLES = ("registeredmodel", "modelversion", "inspection", "blob")


@pytest.fixture
def version(asha, files, manifest, encode) -> ModelVersion:
    model = registered_models.register_model(
        name="credit-default", description=Description("Team", "<b>bold</b>"), actor=asha
    )
    for data in files.values():
        blobs.keep(data, actor=asha)
    sealed = versions.register_version(model=model, manifest=encode(manifest), actor=asha)
    return sealed.version


def browser(make_person, *roles: str, is_staff: bool = True) -> Client:
    user = make_person("nele", *roles)
    User.objects.filter(pk=user.pk).update(is_staff=is_staff)
    client = Client()
    client.force_login(User.objects.get(pk=user.pk))
    return client


def pages(version: ModelVersion) -> list[str]:
    rows = {
        "registeredmodel": version.model_id,
        "modelversion": version.pk,
        "inspection": version.pk,
        "blob": version.digest,
    }
    paths = [f"/admin/registry/{table}/" for table in TABLES]
    paths += [f"/admin/registry/{table}/{rows[table]}/change/" for table in TABLES]
    return paths + [f"/admin/registry/{table}/{rows[table]}/history/" for table in TABLES]


def test_an_auditor_sees_every_table_and_row(make_person, version):
    client = browser(make_person, "auditor")
    for path in pages(version):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "<b>bold</b>" not in answer.content.decode()
    history = client.get(f"/admin/registry/modelversion/{version.pk}/history/")
    assert "version.registered" in history.content.decode()


@pytest.mark.parametrize(("roles", "is_staff"), [(("submitter",), True), (("auditor",), False)])
def test_others_see_none_of_it(make_person, version, roles, is_staff):
    client = browser(make_person, *roles, is_staff=is_staff)
    for path in pages(version):
        assert client.get(path).status_code in {302, 403}, path


def test_nothing_is_changed_here(make_person, version):
    client = browser(make_person, "auditor", "admin")
    for path in pages(version)[4:8]:
        assert client.post(path, {"name": "x", "owner": "y"}).status_code == 403, path
        assert client.post(path.replace("change", "delete"), {"post": "yes"}).status_code == 403
    for table in TABLES:
        assert client.get(f"/admin/registry/{table}/add/").status_code == 403
