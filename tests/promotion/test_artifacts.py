"""An agent reads the bytes its target names, and no others."""

import pytest
from rest_framework.test import APIClient

from promotion.services import environments
from registry.models import Blob, VersionFile
from registry.services import blobs
from tests.promotion.conftest import PROD, SET_UP

pytestmark = pytest.mark.django_db


def client(rig):
    made = APIClient()
    made.credentials(HTTP_AUTHORIZATION=f"Bearer {rig.secret}")
    return made


def read(rig, sha256):
    return client(rig).get(f"/api/v1/blobs/sha256:{sha256}")


@pytest.fixture
def stored(world):
    """Version 1, whose one file lies in the store."""
    version = world.version()
    file = VersionFile.objects.get(version=version)
    blobs.keep(b"credit-default 1", actor=SET_UP)
    assert Blob.objects.filter(pk=file.blob_id).exists()
    return version, file.blob_id


def test_what_the_target_names_can_be_read_and_nothing_else(world, stored, ask, sign, asha, bram):
    version, sha256 = stored
    rig = world.agent("eu-1")

    before = read(rig, sha256)
    sign(ask(version, by=asha), bram)
    named = read(rig, sha256)

    assert (before.status_code, before.json()["code"]) == (403, "not_named_by_target")
    assert b"".join(named.streaming_content) == b"credit-default 1"
    other = blobs.keep(b"another model's file", actor=SET_UP).sha256
    for digest in (other, "0" * 64):
        refused = read(rig, digest)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_named_by_target")


def test_another_environments_agent_reads_nothing_of_it(world, stored, ask, sign, asha, bram):
    version, sha256 = stored
    environments.apply(slug="prod-us", document=PROD, actor=SET_UP)
    world.agent("eu-1")
    foreign = world.agent("us-1", "prod-us")
    sign(ask(version, by=asha), bram)

    assert read(foreign, sha256).status_code == 403
    assert read(foreign, version.digest).status_code == 403


def test_people_and_pipelines_read_no_blobs(world, stored, api, asha, ada):
    _, sha256 = stored
    for actor in (asha, ada):
        refused = api(actor).get(f"/api/v1/blobs/sha256:{sha256}")
        assert (refused.status_code, refused.json()["code"]) == (403, "not_an_agent")
    assert APIClient().get(f"/api/v1/blobs/sha256:{sha256}").status_code == 401


@pytest.mark.parametrize("name", ["sha256:ABC", "md5:0", "sha256:" + "G" * 64, "%2e%2e", "x"])
def test_odd_names_are_refused(world, name):
    refused = client(world.agent("eu-1")).get(f"/api/v1/blobs/{name}")

    assert refused.status_code == 400, refused.content


def test_a_version_says_where_it_is_in_which_state(world, ask, sign, asha, bram, vera, api):
    world.agent("eu-1")
    sign(ask(world.version(), by=asha), bram)
    world.settle()

    shown = api(vera).get("/api/v1/models/credit-default/versions/1")

    assert shown.status_code == 200, shown.content
    assert shown.json()["deployments"][0]["environment"] == "prod-eu"
    assert shown.json()["deployments"][0]["role"] == "champion"
