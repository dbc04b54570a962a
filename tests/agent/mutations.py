"""Desired states gone wrong, each in a known way and so with a known reason.

What a control plane gone wrong might sign, what a network might damage, and
what an attacker might try: drawn from a seed, as many as one likes.
"""

import base64
import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from .control_plane import Key, envelope, model, payload

Document = dict[str, Any]
SLOTS = ("champion", "candidate", "bake", "spare", "dark", "load", "hold")
NOTHING = (None, "", [], {}, 0, False)
REQUIRED = ("schema", "requires", "environment", "tier", "generation", "keys", "models", "mirror")
ODD = (None, "", "x", [], {}, -1, 1.5, True, [[]], {"x": 1}, 2**70, "0" * 64, [None])
EXPECTED = {"schema": "UNKNOWN_SCHEMA", "environment": "WRONG_TARGET", "tier": "WRONG_TARGET"}
"""Of a text field that holds another text; of another type it cannot be read at all."""


@dataclass(frozen=True)
class Mutant:
    kind: str
    raw: bytes
    reasons: frozenset[str]
    """Which refusals are right. More than one where the damage may hit this or that."""


class Mutations:
    """Makes documents that must be refused after ``applied``, which holds some champions."""

    def __init__(self, key: Key, *, seed: int, champions: dict[str, Any]) -> None:
        self._key, self._stranger = key, Key()
        self._chance = Random(seed)
        self._champions = champions
        self._ways: list[Callable[[Document], tuple[Document | bytes, str]]] = [
            self._blank, self._remove, self._retype, self._double, self._double_key,
            self._move, self._ask_too_much, self._go_back, self._drop_champion, self._unload_all,
            self._share_a_version, self._misname, self._break_ref, self._break_switch,
        ]  # fmt: skip

    def __iter__(self) -> Iterator[Mutant]:
        while True:
            yield self._one()

    def _one(self) -> Mutant:
        if self._chance.random() < 0.2:
            return self._damaged()
        way = self._chance.choice(self._ways)
        made, reason = way(self.good())
        body = made if isinstance(made, bytes) else json.dumps(made).encode()
        return Mutant(way.__name__, envelope(body, self._key), frozenset({reason}))

    def good(self) -> Document:
        """Make a document that would be applied: every champion kept, more versions beside."""
        chance = self._chance
        models = []
        for name, champion in self._champions.items():
            slots: Document = {"champion": champion}
            for slot in chance.sample(SLOTS[1:], chance.randrange(3)):
                slots[slot] = [self._ref()] if slot in SLOTS[4:] else self._ref()
            if slots.get("candidate"):
                slots["switch"] = {"weight": 0.5, "salt": "s"}
            models.append(model(name, **slots))
        generation = chance.randrange(2, 2**40)
        mirror = chance.choice([None, {"stream": "s", "fraction": 0.5}])
        issued = "2026-02-02T00:00:00Z"
        return payload(generation, models, keys=[self._key], mirror=mirror, issued_at=issued)

    def _ref(self) -> Document:
        digest = self._chance.randbytes(32).hex()
        return {"version": self._chance.randrange(10**6, 2**31), "digest": digest}

    def _any_model(self, document: Document) -> Document:
        chosen: Document = self._chance.choice(document["models"])
        return chosen

    # Ways to be wrong

    def _blank(self, document: Document) -> tuple[Document, str]:
        field = self._chance.choice([*REQUIRED[:-1], "may_remove"])
        blanks = [one for one in NOTHING if one != document[field] or one is False]
        if field in ("requires", "may_remove"):
            blanks = [one for one in blanks if one != []]
        if field == "models":
            blanks = [one for one in blanks if one != []]
        document[field] = self._chance.choice(blanks)
        texts = isinstance(document[field], str) and field in EXPECTED
        return document, EXPECTED[field] if texts else "INVALID"

    def _remove(self, document: Document) -> tuple[Document, str]:
        if self._chance.random() < 0.5:
            del document[self._chance.choice([*REQUIRED, "may_remove"])]
        else:
            one = self._any_model(document)
            del one[self._chance.choice(["model", *SLOTS, "switch", "placement"])]
        return document, "INVALID"

    def _retype(self, document: Document) -> tuple[Document, str]:
        one = self._any_model(document)
        holder, field = self._chance.choice(
            [
                *((document, name) for name in ("generation", "requires", "keys", "models")),
                *((one, name) for name in ("champion", "dark", "load", "hold", "switch", "model")),
            ]
        )
        odd = [value for value in ODD if not _fits(field, value)]
        holder[field] = self._chance.choice(odd)
        return document, "INVALID"

    def _double(self, document: Document) -> tuple[Document, str]:
        what = self._chance.choice(["models", "keys", "requires", "may_remove", "refs", "agents"])
        one = self._any_model(document)
        if what == "refs":
            slot = self._chance.choice(["dark", "load", "hold"])
            one[slot] = [self._ref()] * 2
        elif what == "agents":
            one["switch"] = {"agents": ["a1", "a1"]}
        elif what in ("requires", "may_remove"):
            document[what] = ["switch.all"] * 2
        else:
            document[what] = document[what] * 2
        return document, "INVALID"

    def _double_key(self, document: Document) -> tuple[bytes, str]:
        body = json.dumps(document)
        field = self._chance.choice(["models", "generation", "champion", "digest", "environment"])
        value = self._chance.choice(["[]", "1", "null", '"x"'])
        # Another reader would take the first of the two.
        return body.replace(f'"{field}":', f'"{field}": {value}, "{field}":', 1).encode(), "INVALID"

    def _move(self, document: Document) -> tuple[Document, str]:
        field, value = self._chance.choice(
            [("environment", "prod-eu"), ("environment", "QA"), ("environment", "qa "),
             ("environment", "qa\x00"), ("tier", "dark"), ("tier", "LIVE"), ("tier", "")]
        )  # fmt: skip
        document[field] = value
        return document, "WRONG_TARGET"

    def _ask_too_much(self, document: Document) -> tuple[Document, str]:
        if self._chance.random() < 0.5:
            version = self._chance.choice(["2", "1.1", "", "1 ", "10"])
            document["schema"] = f"lockgate.desired-state/{version}"
            return document, "UNKNOWN_SCHEMA"
        document["requires"] = ["switch.all", f"feature-{self._chance.randrange(10**6)}"]
        return document, "UNSUPPORTED"

    def _go_back(self, document: Document) -> tuple[Document, str]:
        if self._chance.random() < 0.5:
            document["generation"] = 1
            return document, "STALE"
        document["generation"] = self._chance.choice([0, -1, 2**63, -(2**63), 2**64])
        return document, "INVALID"

    def _drop_champion(self, document: Document) -> tuple[Document, str]:
        one = self._any_model(document)
        if self._chance.random() < 0.5:
            document["models"].remove(one)
        else:
            one["champion"] = None
        document["may_remove"] = self._chance.choice([[], ["another"], [one["model"] + "x"]])
        return document, "CHAMPION_REMOVED"

    def _unload_all(self, document: Document) -> tuple[Document, str]:
        names = list(self._champions)
        if self._chance.random() < 0.5:
            document["models"] = []
        else:
            for one in document["models"]:
                one["champion"] = None
        document["may_remove"] = self._chance.sample(names, self._chance.randrange(len(names)))
        return document, "CHAMPION_REMOVED"

    def _share_a_version(self, document: Document) -> tuple[Document, str]:
        one, ref = self._any_model(document), self._ref()
        slots = self._chance.sample(SLOTS[1:], 2)
        for slot in slots:
            one[slot] = [ref] if slot in SLOTS[4:] else ref
        return document, "INVALID"

    def _misname(self, document: Document) -> tuple[Document, str]:
        names = ["../x", "a/b", "A", "", " ", "-a", "x" * 201, "é", "a\n", "a\x00", "a b"]
        self._any_model(document)["model"] = self._chance.choice(names)
        return document, "INVALID"

    def _break_ref(self, document: Document) -> tuple[Document, str]:
        ref = self._ref()
        field = self._chance.choice(list(ref))
        if self._chance.random() < 0.3:
            del ref[field]
        elif field == "version":
            ref[field] = self._chance.choice([0, -1, 2**31, 1.5, "1", None, True])
        else:
            digest = ref["digest"]
            ref[field] = self._chance.choice(
                [digest.upper() + "A", digest[:-1], digest + "0", f"sha256:{digest}", None, 7, ""]
            )
        slot = self._chance.choice(SLOTS)
        self._any_model(document)[slot] = [ref] if slot in SLOTS[4:] else ref
        return document, "INVALID"

    def _break_switch(self, document: Document) -> tuple[Document, str]:
        self._any_model(document)["switch"] = self._chance.choice(
            [{}, {"to": "some"}, {"to": "all", "weight": 0.5}, {"weight": 1.5}, {"weight": -0.1},
             {"weight": "1"}, {"group": ""}, {"agents": "a1"}, {"agents": [1]}, {"group": 1}]
        )  # fmt: skip
        return document, "INVALID"

    # Ways to be damaged

    def _damaged(self) -> Mutant:
        chance, document = self._chance, self.good()
        good = envelope(json.dumps(document).encode(), self._key)
        kind = chance.randrange(5)
        if kind == 0:
            stranger = envelope(json.dumps(document).encode(), self._stranger)
            return Mutant("a stranger's", stranger, frozenset({"BAD_SIGNATURE"}))
        if kind == 1:
            outer = json.loads(good)
            outer["signatures"][0]["sig"] = base64.b64encode(chance.randbytes(64)).decode()
            return Mutant("made up", json.dumps(outer).encode(), frozenset({"BAD_SIGNATURE"}))
        if kind == 2:
            outer = json.loads(good)
            changed = copy.deepcopy(document)
            changed["may_remove"] = list(self._champions)
            body = json.dumps(changed).encode()
            outer["payload"] = base64.b64encode(body).decode()
            return Mutant("tampered", json.dumps(outer).encode(), frozenset({"BAD_SIGNATURE"}))
        if kind == 3:
            return Mutant("cut", good[: chance.randrange(len(good))], frozenset({"INVALID"}))
        start = good.index(b'"payload": "') + 12
        place = chance.randrange(start, good.index(b'"', start) - 8)
        torn = good[:place] + chance.randbytes(6) + good[place + 6 :]
        return Mutant("torn", torn, frozenset({"INVALID", "BAD_SIGNATURE"}))


def _fits(field: str, value: object) -> bool:
    """Whether an odd value happens to be of the right kind."""
    if field == "model":
        return value in ("x", "0" * 64)
    if field == "champion":
        return value is None
    return field in ("requires", "models", "dark", "load", "hold") and value == []
