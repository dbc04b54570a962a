"""Feature extraction: what callers know of a client becomes what training saw."""

import copy

import numpy as np
import pytest

from lockgate.demo import clients, data
from lockgate.demo.clients import NoClient, describe, extract


def test_every_client_comes_out_as_the_row_training_saw():
    known = data.read()
    rows = np.random.default_rng(3).choice(len(known), 2_000, replace=False)

    again = np.array([extract(describe(known.features[row])) for row in rows], dtype=np.float32)

    assert np.array_equal(again, known.features[rows])


def test_months_may_come_in_any_order():
    client = describe(data.read().features[5])
    turned = {**client, "statements": client["statements"][::-1]}

    assert extract(turned) == extract(client)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.pop("limit"), "limit"),
        (lambda c: c.update(sex="unheard of"), "unheard of"),
        (lambda c: c["statements"].pop(), clients.MONTHS[-1]),
        (lambda c: c["statements"][0].pop("paid"), "paid"),
        (lambda c: c.update(age="old"), "old"),
        (lambda c: c.update(age=None), "None"),
        (lambda c: c.update(statements=7), "int"),
    ],
)
def test_what_is_missing_or_strange_is_named(change, words):
    client = copy.deepcopy(describe(data.read().features[0]))
    change(client)

    with pytest.raises(NoClient, match=words):
        extract(client)
