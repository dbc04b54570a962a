"""What differs between a row and the log is said in words that tell one from the other."""

import pytest

from governance.audit.comparing import Row, Told, _wrong_with

RULES = {"approvals": 2, "gates": [], "tier": "high", "windows": {}, "bake": 5}
OTHER = "its fact is not the one that entry 8 tells of"


@pytest.mark.parametrize(
    ("value", "said", "words"),
    [
        ("retired", "production", "its fact is retired, and entry 8 says production"),
        ("", 7, "its fact is empty, and entry 8 says 7"),
        ({**RULES, "approvals": 0}, RULES, f"{OTHER}: approvals"),
        ({}, RULES, f"{OTHER}: approvals, bake, gates ..."),
        (["bram"], ["asha"], OTHER),
        (RULES, dict(RULES), ""),
    ],
)  # fmt: skip
def test_a_difference_is_named(value, said, words):
    row = Row("policy:1", "policy 1 of qa", {"fact": value})
    assert _wrong_with(row, Told(facts={"fact": (said, 8)})) == words
