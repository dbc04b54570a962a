"""Which documents are refused, for which reason, and that nothing but good ones pass."""

import base64
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from serving_agent.documents import MAX_BYTES, Document, Target, verify
from serving_agent.errors import Nack
from serving_agent.signing import PublicKey, Trust

from .control_plane import Key, envelope, model, payload

KEY, NEXT, STRANGER = Key(), Key(), Key()
TRUST = Trust([PublicKey(**KEY.public)])
TARGET = Target("qa", "live")


def ref(number: int) -> dict[str, Any]:
    return {"version": number, "digest": f"{number:064x}"}


def content(generation: int = 2, **changes: Any) -> dict[str, Any]:
    models = [model("credit", champion=ref(1), bake=ref(2), load=[ref(3)], hold=[ref(4)])]
    return {**payload(generation, models, keys=changes.pop("keys", [KEY])), **changes}


def sealed(document: dict[str, Any] | bytes, key: Key = KEY) -> bytes:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return envelope(raw, key)


def check(raw: bytes, applied: Document | None = None) -> Document:
    return verify(raw, trust=TRUST, target=TARGET, applied=applied)


APPLIED = check(sealed(content(1)))


def with_model(**slots: Any) -> dict[str, Any]:
    return content(models=[model("credit", **slots)])


def without(name: str) -> dict[str, Any]:
    document = content()
    del document[name]
    return document


def lacking(slot: str) -> dict[str, Any]:
    document = content()
    del document["models"][0][slot]
    return document


def test_a_good_document_passes() -> None:
    document = check(sealed(content()), APPLIED)

    assert document.generation == 2
    assert document.signer == KEY.id
    assert document.payload.champions() == {"credit": ref(1)["digest"]}


def test_the_same_bytes_again_are_the_applied_document() -> None:
    assert check(APPLIED.raw, APPLIED) is APPLIED


def test_an_idle_tier_is_valid() -> None:
    assert check(sealed(content(models=[]))).payload.models == []
    assert check(sealed(content(models=[], may_remove=["credit"])), APPLIED).generation == 2


def test_fields_of_later_versions_are_passed_over() -> None:
    document = content()
    document["later"] = {"x": 1}
    document["models"][0]["later"] = 1

    assert check(sealed(document), APPLIED).generation == 2


def test_a_successor_is_learnt_from_a_document_and_signs_the_next() -> None:
    announced = check(sealed(content(keys=[KEY, NEXT])), APPLIED)
    trust = Trust(announced.payload.keys)
    following = sealed(content(3, keys=[NEXT]), NEXT)

    assert verify(following, trust=trust, target=TARGET, applied=announced).generation == 3
    with pytest.raises(Nack, match="BAD_SIGNATURE"):
        check(following, APPLIED)


def tampered() -> bytes:
    raw = json.loads(sealed(content()))
    inner = json.loads(base64.b64decode(raw["payload"]))
    inner["models"][0]["champion"], inner["models"][0]["bake"] = (ref(2), ref(1))
    raw["payload"] = base64.b64encode(json.dumps(inner).encode()).decode()
    return json.dumps(raw).encode()


def unsigned() -> bytes:
    raw = json.loads(sealed(content()))
    raw["signatures"] = []
    return json.dumps(raw).encode()


def misnamed() -> bytes:
    raw = json.loads(sealed(content(), STRANGER))
    raw["signatures"][0]["keyid"] = KEY.id
    return json.dumps(raw).encode()


REFUSED: list[tuple[str, str, Callable[[], bytes | dict[str, Any]]]] = [
    ("signed by a stranger", "BAD_SIGNATURE", lambda: sealed(content(), STRANGER)),
    ("signed by a stranger under our key's name", "BAD_SIGNATURE", misnamed),
    ("changed after signing", "BAD_SIGNATURE", tampered),
    ("not signed", "INVALID", unsigned),
    ("not JSON", "INVALID", lambda: b"\x00\xff"),
    ("empty", "INVALID", lambda: b""),
    ("an empty object", "INVALID", lambda: b"{}"),
    (
        "a payload that is not base64",
        "INVALID",
        lambda: sealed(content()).replace(b'ad": "', b'ad": "!'),
    ),
    ("nested too deeply", "INVALID", lambda: b"[" * 100_000 + b"]" * 100_000),
    ("a payload nested too deeply", "INVALID", lambda: b"[" * 100_000),
    (
        "another payload type",
        "UNKNOWN_SCHEMA",
        lambda: envelope(b"{}", KEY, payload_type="text/plain"),
    ),
    ("too large", "OVERSIZED", lambda: sealed(content()) + b" " * MAX_BYTES),
    ("for another environment", "WRONG_TARGET", lambda: content(environment="prod")),
    ("for another tier", "WRONG_TARGET", lambda: content(tier="dark")),
    ("a later schema", "UNKNOWN_SCHEMA", lambda: content(schema="lockgate.desired-state/2")),
    ("an unknown feature", "UNSUPPORTED", lambda: content(requires=["switch.all", "teleport"])),
    ("an older generation", "STALE", lambda: content(0 + 1, issued_at="2025-01-01T00:00:00Z")),
    ("generation 0", "INVALID", lambda: content(0)),
    ("a negative generation", "INVALID", lambda: content(-5)),
    ("a generation beyond counting", "INVALID", lambda: content(2**63)),
    ("a generation that is text", "INVALID", lambda: content(generation="2")),  # type: ignore[arg-type]
    ("models missing", "INVALID", lambda: without("models")),
    ("models blank", "INVALID", lambda: content(models=None)),
    ("models an object", "INVALID", lambda: content(models={})),
    ("may_remove missing", "INVALID", lambda: without("may_remove")),
    ("mirror missing", "INVALID", lambda: without("mirror")),
    ("keys missing", "INVALID", lambda: without("keys")),
    ("keys blank", "INVALID", lambda: content(keys=[])),
    ("keys without the signer", "INVALID", lambda: content(keys=[NEXT])),
    (
        "a key under a wrong id",
        "INVALID",
        lambda: content() | {"keys": [KEY.public, {**NEXT.public, "keyid": "0" * 16}]},
    ),
    ("champion missing", "INVALID", lambda: lacking("champion")),
    ("hold missing", "INVALID", lambda: lacking("hold")),
    ("switch missing", "INVALID", lambda: lacking("switch")),
    ("a champion without a digest", "INVALID", lambda: with_model(champion={"version": 1})),
    (
        "a digest in capitals",
        "INVALID",
        lambda: with_model(champion={"version": 1, "digest": "A" * 64}),
    ),
    (
        "a digest with a line after it",
        "INVALID",
        lambda: with_model(champion={"version": 1, "digest": "a" * 64 + "\n"}),
    ),
    ("version 0", "INVALID", lambda: with_model(champion={"version": 0, "digest": "a" * 64})),
    ("a version in two slots", "INVALID", lambda: with_model(champion=ref(1), bake=ref(1))),
    ("a doubled list", "INVALID", lambda: with_model(champion=ref(1), hold=[ref(2), ref(2)])),
    (
        "one number, two digests",
        "INVALID",
        lambda: with_model(champion=ref(1), hold=[{"version": 1, "digest": "b" * 64}]),
    ),
    ("a model twice", "INVALID", lambda: content(models=[model("credit", champion=ref(1))] * 2)),
    (
        "a version of two models",
        "INVALID",
        lambda: content(models=[model("credit", champion=ref(1)), model("b", champion=ref(1))]),
    ),
    (
        "a model's name that is a path",
        "INVALID",
        lambda: content(models=[model("../x", champion=ref(1))]),
    ),
    ("a fraction above one", "INVALID", lambda: content(mirror={"stream": "s", "fraction": 1.5})),
    ("the champion's model is gone", "CHAMPION_REMOVED", lambda: content(models=[])),
    ("the champion is blank", "CHAMPION_REMOVED", lambda: with_model(champion=None)),
    ("another model may go", "CHAMPION_REMOVED", lambda: content(models=[], may_remove=["other"])),
]


@pytest.mark.parametrize(("reason", "make"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refused(reason: str, make: Callable[[], bytes | dict[str, Any]]) -> None:
    made = make()
    raw = made if isinstance(made, bytes) else sealed(made)

    with pytest.raises(Nack) as refusal:
        check(raw, APPLIED)

    assert refusal.value.reason.value == reason
    assert 0 <= refusal.value.generation < 2**63


def test_a_signed_body_that_is_nested_too_deeply_is_invalid() -> None:
    with pytest.raises(Nack, match="INVALID"):
        check(sealed(b"[" * 100_000), APPLIED)


def test_the_same_generation_with_other_bytes_is_stale() -> None:
    with pytest.raises(Nack, match="STALE"):
        check(sealed(content(1, issued_at="2026-02-02T00:00:00Z")), APPLIED)


def _mutate(raw: bytes, chance: random.Random) -> bytes:
    """Damage an envelope in one of the ways that networks, disks and people do."""
    place = chance.randrange(len(raw))
    kind = chance.randrange(6)
    if kind == 0:
        return raw[:place] + bytes([raw[place] ^ (1 << chance.randrange(8))]) + raw[place + 1 :]
    if kind == 1:
        return raw[:place]
    if kind == 2:
        return raw[:place] + raw[place + chance.randrange(1, 40) :]
    if kind == 3:
        return raw[:place] + chance.randbytes(chance.randrange(1, 8)) + raw[place:]
    if kind == 4:
        return raw + raw[place:]
    return raw[:place] + raw[place : place + 30] + raw[place:]


def test_two_thousand_damaged_envelopes_are_refused() -> None:
    """Or mean just what the whole one means: a byte of white space more is not a lie."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    good = sealed(content())
    refused = 0

    for _ in range(2000):
        raw = _mutate(good, chance)
        try:
            document = check(raw, APPLIED)
        except Nack:
            refused += 1
        else:
            assert document.payload == check(good, APPLIED).payload, f"seed {seed}"

    assert refused > 1500, f"seed {seed}"


def _damage_value(value: Any, chance: random.Random) -> Any:
    odd = [None, "", [], {}, -1, 2**63, 1.5, True, "x" * 70, [value, value], {"x": value}]
    return chance.choice([one for one in odd if one != value])


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += _places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += _places(inner, (*path, index))
    return found


NEVER_CHECKED = {
    "issued_at",
    "latency_budget_ms",
    "golden_interval",
    "minimum",
    "labels",
    "requires",
}


def test_signed_nonsense_is_refused_or_keeps_every_champion() -> None:
    """A control plane gone wrong signs what it says; the agent still keeps what answers."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    refused = 0
    for _ in range(1500):
        document = content()
        path = chance.choice(_places(document))
        holder: Any = document
        for step in path[:-1]:
            holder = holder[step]
        if chance.random() < 0.3 and isinstance(holder, dict):
            del holder[path[-1]]
        else:
            holder[path[-1]] = _damage_value(holder[path[-1]], chance)
        try:
            passed = check(sealed(document), APPLIED)
        except Nack:
            refused += 1
        else:
            assert "credit" in passed.payload.champions() or path[0] == "may_remove", (
                f"seed {seed}, path {path}"
            )
    assert refused > 700, f"seed {seed}"
