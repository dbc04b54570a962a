"""The API describes itself, completely and in valid OpenAPI 3.1."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

pytestmark = pytest.mark.django_db


def test_the_description_is_valid_and_nothing_in_it_was_guessed():
    out = StringIO()
    call_command(
        "spectacular", "--format", "openapi-json", "--validate", "--fail-on-warn", stdout=out
    )
    schema = json.loads(out.getvalue())
    assert schema["openapi"].startswith("3.1")
    assert schema["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_the_description_is_served_to_anybody(client):
    answer = client.get("/api/schema")
    assert answer.status_code == 200
    assert "/api/v1/me" in answer.json()["paths"]
