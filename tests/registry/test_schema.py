"""The API describes itself, without a warning and without a hole."""

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator

from governance.api import schema as _extensions  # noqa: F401 - found by being imported
from registry.api import urls

OURS = {
    ("/api/v1/blobs/{name}", "put"),
    ("/api/v1/blobs/{name}", "head"),
    ("/api/v1/models", "get"),
    ("/api/v1/models", "post"),
    ("/api/v1/models/{model}", "get"),
    ("/api/v1/models/{model}/versions", "get"),
    ("/api/v1/models/{model}/versions", "post"),
    ("/api/v1/models/{model}/versions/{number}", "get"),
}


@pytest.fixture(scope="module")
def paths():
    GENERATOR_STATS.reset()
    schema = SchemaGenerator(patterns=urls.urlpatterns).get_schema(public=True)
    assert not GENERATOR_STATS
    return schema["paths"]


def test_every_call_is_described(paths):
    described = {
        (f"/api/v1{path}", method)
        for path, methods in paths.items()
        for method in methods
        if method != "parameters"
    }
    assert described >= {call for call in OURS if call[1] != "head"}


def test_every_answer_has_a_form_and_every_call_a_name(paths):
    for methods in paths.values():
        for operation in methods.values():
            assert operation["operationId"]
            for answer in operation["responses"].values():
                assert answer.get("content") or answer.get("description")
