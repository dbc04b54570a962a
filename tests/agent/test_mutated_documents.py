"""Thousands of desired states gone wrong: each refused for its reason, and nothing changes."""

import json
import random
import time
from collections import Counter
from functools import partial
from typing import Any

import pytest

from serving_agent.documents import MAX_BYTES, Document, Target, verify
from serving_agent.errors import Nack
from serving_agent.signing import PublicKey, Trust

from .conftest import StartAgent
from .control_plane import ControlPlane, Key, envelope, model, payload
from .mutations import Mutations
from .protocol import echo
from .versions import make, rows

MANY = 12_000
BY_WIRE = 100
CHAMPIONS = {name: {"version": n, "digest": f"{n:064x}"} for n, name in enumerate("abc", 1)}


def test_twelve_thousand_of_them_are_refused_for_the_right_reason() -> None:
    key, seed = Key(), random.randrange(2**32)
    trust, target = Trust([PublicKey(**key.public)]), Target("qa", "live")
    models = [model(name, champion=ref) for name, ref in CHAMPIONS.items()]
    first = envelope(_json(payload(1, models, keys=[key])), key)
    applied = verify(first, trust=trust, target=target, applied=None)
    mutations = Mutations(key, seed=seed, champions=CHAMPIONS)
    reasons: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    started = time.monotonic()

    for _, mutant in zip(range(MANY), mutations, strict=False):
        with pytest.raises(Nack) as refusal:
            verify(mutant.raw, trust=trust, target=target, applied=applied)
        reason = refusal.value.reason.value
        assert reason in mutant.reasons, f"seed {seed}: {mutant.kind}, {refusal.value}"
        assert len(refusal.value.detail) < 1000
        reasons[reason] += 1
        kinds[mutant.kind] += 1

    print(f"{MANY} in {time.monotonic() - started:.1f} s, seed {seed}: {dict(reasons)}")
    assert reasons.keys() == {
        "BAD_SIGNATURE", "CHAMPION_REMOVED", "INVALID", "STALE", "UNKNOWN_SCHEMA", "UNSUPPORTED",
        "WRONG_TARGET",
    }  # fmt: skip
    assert len(kinds) == 19
    assert min(kinds.values()) > 50


def test_what_the_mutations_begin_from_would_be_applied() -> None:
    """Else everything would be refused, whatever was done to it."""
    key = Key()
    trust, target = Trust([PublicKey(**key.public)]), Target("qa", "live")
    models = [model(name, champion=ref) for name, ref in CHAMPIONS.items()]
    first = envelope(_json(payload(1, models, keys=[key])), key)
    applied = verify(first, trust=trust, target=target, applied=None)
    mutations = Mutations(key, seed=7, champions=CHAMPIONS)

    for _ in range(500):
        good = envelope(_json(mutations.good()), key)
        assert isinstance(verify(good, trust=trust, target=target, applied=applied), Document)


def test_an_agent_that_gets_them_all_serves_as_before(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version, other = make(), echo()
    plane.publish(
        model(champion=version), model(other.model, champion=other), versions=[version, other]
    )
    agent = start_agent(poll_seconds="0.02", report_seconds="0.2")
    plane.wait_champion(version)
    plane.wait_champion(other)
    kept = (agent.home / "state" / "envelope.json").read_bytes()
    before = agent.infer(rows(1)).json()["outputs"]
    seed = random.randrange(2**32)
    champions = {"credit": version.ref, other.model: other.ref}
    mutations = Mutations(plane.key, seed=seed, champions=champions)
    oversized = envelope(_json(mutations.good()), plane.key) + b" " * MAX_BYTES

    for _, mutant in zip(range(BY_WIRE), mutations, strict=False):
        plane.reports.clear()
        plane.publish_raw(mutant.raw)
        said = f"seed {seed}: {mutant.kind}"
        report = plane.wait_report(partial(is_refused, reasons=mutant.reasons), seconds=10)
        assert report["observed_generation"] == 1, said
        assert {m["digest"] for m in report["models"] if m["role"] == "champion"} == {
            version.digest,
            other.digest,
        }, said
        answer = agent.infer(rows(1))
        assert answer.headers["lockgate-digest"] == version.digest, said
        assert answer.json()["outputs"] == before, said
    plane.publish_raw(oversized)
    plane.wait_refusal("OVERSIZED")

    assert agent.process.poll() is None
    assert (agent.home / "state" / "envelope.json").read_bytes() == kept
    following = make(number=2)
    plane.publish(
        model(champion=following), model(other.model, champion=other), versions=[following]
    )
    plane.wait_champion(following)


def is_refused(report: dict[str, Any], *, reasons: frozenset[str]) -> bool:
    return report["refused"] is not None and report["refused"]["reason"] in reasons


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()
