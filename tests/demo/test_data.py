import hashlib

import pytest

from lockgate.demo import data


@pytest.fixture(scope="module")
def clients():
    return data.read()


def test_the_file_is_the_one_its_attribution_names():
    named = data.FILE.with_name("DATA.md").read_text()

    assert hashlib.sha256(data.FILE.read_bytes()).hexdigest() in named


def test_every_client_is_read_once(clients):
    assert len(clients) == len(set(clients.ids.tolist())) == 30_000
    assert clients.features.shape == (30_000, len(data.feature_names())) == (30_000, 23)
    assert round(float(clients.labels.mean()), 3) == 0.221


def test_nobody_held_out_is_learnt_from(clients):
    parts = data.split(clients)

    held_out = set(parts.held_out.ids.tolist())
    assert held_out.isdisjoint(parts.all_known.ids.tolist())
    assert set(parts.first.ids.tolist()) < set(parts.all_known.ids.tolist())
    assert len(held_out) + len(parts.all_known) == 30_000


def test_the_deal_is_always_the_same(clients):
    again = data.split(clients).held_out.ids

    assert data.split(clients).held_out.ids.tolist() == again.tolist()
