"""The desired state's bytes: canonical, and every version in one slot."""

import json

from promotion import desired
from promotion.desired import ModelState, Ref, TargetState

ONE, TWO, THREE = (Ref(n, str(n) * 64) for n in (1, 2, 3))


def state(*models, **changes):
    fields = {
        "environment": "prod-eu",
        "tier": "live",
        "generation": 7,
        "issued_at": "2026-01-01T00:00:00.000000Z",
        "keys": [{"keyid": "k", "public": "p"}],
        "models": models,
    }
    return TargetState(**{**fields, **changes})


def test_the_same_facts_give_the_same_bytes():
    forwards = state(ModelState("a", champion=ONE), ModelState("b", dark=[TWO, THREE]))
    backwards = state(ModelState("b", dark=[THREE, TWO]), ModelState("a", champion=ONE))

    assert forwards.payload() == backwards.payload()


def test_a_model_without_anything_to_do_is_left_out():
    document = json.loads(state(ModelState("a"), ModelState("b", hold=[ONE])).payload())

    assert [model["model"] for model in document["models"]] == ["b"]


def test_an_idle_target_has_an_empty_list_and_no_mirror():
    document = json.loads(state().payload())

    assert document["models"] == []
    assert document["mirror"] is None


def test_what_is_loaded_and_what_is_named():
    model = ModelState("a", champion=TWO, bake=ONE, hold=[THREE])
    document = json.loads(state(model, mirror_fraction=0.5).payload())

    assert desired.loaded(document) == {TWO.digest: "champion", ONE.digest: "bake"}
    assert desired.named(document) == {ONE.digest, TWO.digest, THREE.digest}
    assert document["mirror"] == {"stream": "mirror:prod-eu", "fraction": 0.5}
