"""Bodies are read strictly: what is stored is what was meant."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.api import parsing
from governance.errors import Invalid

ECHO = "/api/v1/test/echo"


@pytest.fixture
def client(api, asha):
    return api(asha)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"not json",
        b"[]",
        b'"text"',
        b"null",
        b"1",
        b'\xef\xbb\xbf{"text": "x"}',
        b'{"text": "\xff"}',
        '{"text": "x"}'.encode("utf-16"),
        b'{"text": "a", "text": "b"}',
        b'{"text": {"a": 1, "a": 2}}',
        b'{"number": NaN}',
        b'{"number": Infinity}',
        b'{"number": -Infinity}',
        b'{"number": 1e400}',
        b'{"integer": 9007199254740993}',
        b'{"integer": -9007199254740993}',
        b'{"integer": 1' + b"0" * 5_000 + b"}",
        b'{"text": "\\ud800"}',
        b'{"\\udc00": 1}',
        b'{"text": "a\\u0000b"}',
        b'{"text": ' + b"[" * 64 + b"]" * 64 + b"}",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"text": "x"} trailing',
        b'{"text": "x",}',
        b"{'text': 'x'}",
    ],
)
def test_a_body_that_can_be_misread_is_refused(body):
    with pytest.raises(Invalid) as error:
        parsing.loads(body)
    assert error.value.code == "invalid_json"


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"integer": 9007199254740992, "number": -0.0}',
        '{"text": "größer 模型 \U0001f600"}'.encode(),
        b'{"text": ' + b"[" * 63 + b"]" * 63 + b"}",
        b'{"text": "\\ud83d\\ude00"}',
    ],
)
def test_a_body_with_one_meaning_is_read(body):
    assert parsing.loads(body) == json.loads(body)


LEAVES = st.integers(-9, 9) | st.booleans()
INNER = st.recursive(LEAVES, st.lists, max_leaves=5)


@given(st.dictionaries(st.text(max_size=9), INNER, max_size=5))
def test_ordinary_json_is_read_as_it_is(value):
    text = json.dumps(value, ensure_ascii=False)
    try:
        assert parsing.loads(text.encode()) == value
    except (Invalid, UnicodeEncodeError):
        assert any(char == "\0" or "\ud800" <= char <= "\udfff" for char in "".join(value))


@pytest.mark.django_db
@pytest.mark.urls("tests.governance.urls")
class TestOverHttp:
    def test_a_problem_says_what_is_wrong(self, client):
        answer = client.post(ECHO, b'{"a": 1, "a": 2}', content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")
        assert "twice" in answer.json()["detail"]

    @pytest.mark.parametrize(
        ("content_type", "status"),
        [
            ("application/json; charset=utf-8", 200),
            ("application/json; charset=latin-1", 400),
            ("text/plain", 415),
            ("application/x-www-form-urlencoded", 415),
            ("multipart/form-data; boundary=x", 415),
        ],
    )
    def test_only_json_is_taken(self, client, content_type, status):
        assert client.post(ECHO, b"{}", content_type=content_type).status_code == status

    def test_a_compressed_body_is_refused(self, client):
        answer = client.post(
            ECHO, b"{}", content_type="application/json", HTTP_CONTENT_ENCODING="gzip"
        )
        assert answer.json()["code"] == "invalid_json"

    def test_a_body_over_the_limit_is_too_large(self, client, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
        body = b'{"text": "' + b"x" * 100 + b'"}'
        answer = client.post(ECHO, body, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        answer = client.post(ECHO, body, content_type="application/json", HTTP_IDEMPOTENCY_KEY="x")
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"unknown": 1},
            {"text": 1},
            {"text": ""},
            {"text": " \n"},
            {"text": "x" * 11},
            {"text": "\u202e"},
            {"text": None},
            {"number": "1"},
            {"number": True},
            {"integer": 1.0},
            {"integer": "1"},
            {"integer": True},
            {"truth": 1},
            {"truth": "true"},
            {"slug": "Big"},
            {"slug": 1},
            {"digest": "A" * 64},
            {"choice": "c"},
            {"choice": 1},
            {"choice": []},
            {"id": 1},
            {"id": "x" * 36},
            {"id": {}},
        ],
    )
    def test_a_field_is_what_it_says(self, client, wrong):
        answer = client.post(ECHO, wrong, format="json")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        assert list(answer.json()["problems"]) == list(wrong)

    def test_what_is_right_comes_through_unchanged(self, client):
        right = {
            "text": " a\n",
            "number": 1.5,
            "integer": 3,
            "truth": False,
            "slug": "a-b",
            "digest": "0" * 64,
            "choice": "a",
            "id": "00000000-0000-0000-0000-000000000001",
        }
        assert client.post(ECHO, right, format="json").json() == right

    def test_a_change_names_what_it_changes(self, client):
        assert client.put(ECHO, {}, format="json").json()["code"] == "precondition_required"
        answer = client.put(ECHO, {}, format="json", HTTP_IF_MATCH='"0"')
        assert (answer.status_code, answer.json()["code"]) == (412, "stale")
        assert client.put(ECHO, {}, format="json", HTTP_IF_MATCH='"0", "1"').status_code == 200
