"""It is true that every copy is scored by every dark version, and that what is not is counted."""

import math
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from serving_agent import dark
from serving_agent.errors import ScoringFailed
from serving_agent.mirror.record import encode
from serving_agent.ports import DarkScorer, MirrorSettings, Tensor
from serving_agent.prediction_log import DarkRow
from serving_agent.recording import build_dark
from serving_agent.spool import Spool

from .broker import Broker, eventually
from .parts import (
    CHAMPION,
    STREAM,
    ControlPlane,
    Runtime,
    answer,
    elapsed,
    first_feature,
    settings,
)

A, B = "a" * 64, "b" * 64

Make = Callable[..., DarkScorer]


@pytest.fixture
def make(tmp_path: Path, broker: Broker, control_plane: ControlPlane) -> Iterator[Make]:
    made: list[DarkScorer] = []

    def build(runtime: Runtime, *, stream: str | None = STREAM, **changes: Any) -> DarkScorer:
        values: dict[str, Any] = {"agent_id": "agent-2", "mirror_url": broker.url, **changes}
        home = values.pop("home", tmp_path / "home")
        scorer = build_dark(settings(home, **values), runtime, control_plane)
        scorer.start()
        scorer.configure(MirrorSettings(stream, 1.0) if stream else None)
        made.append(scorer)
        return scorer

    yield build
    for scorer in made:
        scorer.close(timeout=5)


def publish(broker: Broker, *numbers: int, stream: str = STREAM, **changes: Any) -> None:
    for number in numbers:
        record = encode(answer(number, **changes), producer="agent-1", epoch="boot-1", seq=number)
        broker.append(stream, {"v": "1", "d": record})


def rejects(_inputs: tuple[Tensor, ...]) -> float:
    raise ScoringFailed("input X: wrong\nshape \x1b[31m")


def breaks(_inputs: tuple[Tensor, ...]) -> float:
    raise RuntimeError("x" * 10_000)


def not_a_number(_inputs: tuple[Tensor, ...]) -> float:
    return math.nan


def test_every_dark_version_scores_every_copy(
    make: Make, broker: Broker, control_plane: ControlPlane
) -> None:
    publish(broker, *range(1, 11))
    scorer = make(Runtime({A: first_feature, B: lambda _: 0.5}))

    eventually(lambda: len(control_plane.rows("dark")) == 20)

    rows = control_plane.rows("dark")
    by_pair = {(r["transaction_id"], r["digest"]): r for r in rows}
    one = by_pair["tx-7", A]
    assert one.pop("latency_ms") >= 0
    assert one == {
        "transaction_id": "tx-7",
        "at": datetime.fromtimestamp(1_790_000_000, UTC).replace(microsecond=7),
        "model": "credit-default",
        "version": 4,
        "digest": A,
        "score": 7.0,
        "error": None,
        "champion_digest": CHAMPION,
        "champion_score": 0.25,
        "agent": "agent-2",
        "producer": "agent-1",
        "epoch": "boot-1",
        "seq": 7,
    }
    assert by_pair["tx-7", B]["score"] == 0.5
    counts = scorer.counters()
    assert (counts["received"], counts["scored"], counts["errors"]) == (10, 20, 0)
    eventually(lambda: broker.pending(STREAM) == 0)


def test_a_version_that_cannot_score_leaves_its_error_and_the_others_their_scores(
    make: Make, broker: Broker, control_plane: ControlPlane
) -> None:
    publish(broker, 1)
    digests = {A: first_feature, B: rejects, "d" * 64: breaks, "e" * 64: not_a_number}
    scorer = make(Runtime(digests))

    eventually(lambda: len(control_plane.rows("dark")) == 4)

    rows = {r["digest"]: (r["score"], r["error"]) for r in control_plane.rows("dark")}
    assert rows[A] == (1.0, None)
    assert rows[B] == (None, "input X: wrong shape  [31m")
    assert rows["e" * 64] == (None, "the score is nan")
    score, error = rows["d" * 64]
    assert (score, error[:16], len(error)) == (None, "RuntimeError: xx", 500)
    assert (scorer.counters()["scored"], scorer.counters()["errors"]) == (1, 3)


def test_a_copy_that_comes_twice_counts_once(
    make: Make, broker: Broker, control_plane: ControlPlane
) -> None:
    publish(broker, 1, 2, 1, 3, 2)
    scorer = make(Runtime({A: first_feature}))

    eventually(lambda: scorer.counters()["duplicates"] == 2)
    eventually(lambda: len(control_plane.rows("dark")) == 3)

    counts = scorer.counters()
    assert (counts["received"], counts["scored"], counts["missing"]) == (3, 3, 0)
    eventually(lambda: broker.pending(STREAM) == 0)


def test_a_version_that_turns_dark_later_scores_what_comes_later(
    make: Make, broker: Broker, control_plane: ControlPlane
) -> None:
    runtime = Runtime({A: first_feature})
    publish(broker, 1)
    make(runtime)
    eventually(lambda: len(control_plane.rows("dark")) == 1)

    runtime.scorers[B] = first_feature
    publish(broker, 1, 2)

    eventually(lambda: len(control_plane.rows("dark")) == 4)


def test_copies_of_a_model_without_dark_versions_are_counted_and_let_go(
    make: Make, broker: Broker, control_plane: ControlPlane
) -> None:
    scorer = make(Runtime({A: first_feature}))
    publish(broker, 1, 2, model="other")

    eventually(lambda: scorer.counters()["unscored"] == 2)
    eventually(lambda: broker.pending(STREAM) == 0)
    assert control_plane.rows("dark") == []


def test_a_version_that_has_just_left_owes_no_row(
    make: Make, broker: Broker, control_plane: ControlPlane
) -> None:
    class Leaving(Runtime):
        def score(self, model: str, digest: str, inputs: tuple[Tensor, ...]) -> float:
            self.scorers.pop(B, None)
            return super().score(model, digest, inputs)

    publish(broker, 1)
    scorer = make(Leaving({A: first_feature, B: first_feature}))

    eventually(lambda: scorer.counters()["unloaded"] == 1)
    eventually(lambda: len(control_plane.rows("dark")) == 1)
    assert scorer.counters()["errors"] == 0


def test_what_was_dropped_on_the_way_is_seen_as_missing(make: Make, broker: Broker) -> None:
    publish(broker, 1, 2, 5, 9, 8)
    scorer = make(Runtime({A: first_feature}))

    eventually(lambda: scorer.counters()["received"] == 5)

    assert scorer.counters()["missing"] == 4


def test_poison_stops_nothing(make: Make, broker: Broker, control_plane: ControlPlane) -> None:
    publish(broker, 1)
    for poison in (b"", b"\xff" * 100, b"\x80", b"\0" * 2_000_000):
        broker.append(STREAM, {"v": "1", "d": poison})
    publish(broker, 2)
    scorer = make(Runtime({A: first_feature}))

    eventually(lambda: len(control_plane.rows("dark")) == 2)

    assert scorer.counters()["poison"] == 4
    assert len(broker.entries(f"{STREAM}:dead")) == 4
    eventually(lambda: broker.pending(STREAM) == 0)


def test_the_loop_goes_on_when_the_broker_comes_back(
    make: Make, broker: Broker, control_plane: ControlPlane
) -> None:
    make(Runtime({A: first_feature}))
    publish(broker, *range(1, 51))
    eventually(lambda: len(control_plane.rows("dark")) > 0)
    broker.kill()
    broker.start()
    publish(broker, *range(51, 101))
    broker.pause()
    broker.resume()

    eventually(lambda: len(control_plane.rows("dark")) == 100, seconds=20)
    eventually(lambda: broker.pending(STREAM) == 0)
    assert len({r["transaction_id"] for r in control_plane.rows("dark")}) == 100


def test_a_disk_that_refuses_keeps_the_copies_unacknowledged(
    make: Make, broker: Broker, control_plane: ControlPlane, tmp_path: Path
) -> None:
    scorer = make(Runtime({A: first_feature}))
    shutil.rmtree(tmp_path / "home" / "spool")
    publish(broker, 1, 2)
    eventually(lambda: scorer.counters()["scored"] == 2)
    publish(broker, 3)
    assert not control_plane.rows("dark")
    assert broker.pending(STREAM) > 0

    (tmp_path / "home" / "spool" / "dark").mkdir(parents=True)

    eventually(lambda: len(control_plane.rows("dark")) == 3)
    eventually(lambda: broker.pending(STREAM) == 0)


def test_another_stream_is_followed_when_the_document_names_it(
    make: Make, broker: Broker, control_plane: ControlPlane
) -> None:
    scorer = make(Runtime({A: first_feature}), stream=None)
    publish(broker, 1, stream="first")
    publish(broker, 100, stream="second")
    scorer.configure(MirrorSettings("first", 1.0))
    eventually(lambda: len(control_plane.rows("dark")) == 1)

    scorer.configure(MirrorSettings("second", 1.0))
    eventually(lambda: len(control_plane.rows("dark")) == 2)
    scorer.configure(None)

    assert scorer.counters()["missing"] == 0
    assert broker.pending("first") == 0


def test_what_a_dead_process_scored_is_sent_even_if_no_stream_is_named_any_more(
    make: Make, control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "home", "dark", limit_bytes=10_000_000)
    spool.open()
    row = DarkRow(
        *("tx-1", 1, "m", 4, A, 0.5, None, 1.5, CHAMPION, 0.25),
        *("agent-2", "agent-1", "boot-1", 7),
    )
    spool.write([row], held=True)
    monkeypatch.setattr(dark, "NO_STREAM_SECONDS", 0.2)

    make(Runtime({}), stream=None)

    eventually(lambda: len(control_plane.rows("dark")) == 1)


def test_disorder_and_repetition_change_nothing(
    make: Make, broker: Broker, control_plane: ControlPlane
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    order = [n for n in range(1, 301) for _ in range(1 + n % 3)]
    random.Random(seed).shuffle(order)
    publish(broker, *order)
    scorer = make(Runtime({A: first_feature, B: first_feature}))

    eventually(lambda: scorer.counters()["duplicates"] == len(order) - 300)
    eventually(lambda: len(control_plane.rows("dark")) == 600)

    pairs = Counter((r["transaction_id"], r["digest"]) for r in control_plane.rows("dark"))
    assert set(pairs.values()) == {1}
    counts = scorer.counters()
    assert (counts["received"], counts["scored"], counts["missing"]) == (300, 600, 0)


def test_two_agents_share_the_work(
    make: Make, broker: Broker, control_plane: ControlPlane, tmp_path: Path
) -> None:
    scorers = [
        make(Runtime({A: first_feature}), agent_id=agent, home=tmp_path / agent)
        for agent in ("agent-2", "agent-3")
    ]
    for number in range(1, 201):
        publish(broker, number)

    eventually(lambda: len(control_plane.rows("dark")) == 200)

    agents = Counter(r["agent"] for r in control_plane.rows("dark"))
    assert set(agents) == {"agent-2", "agent-3"}
    assert [s.counters()["duplicates"] for s in scorers] == [0, 0]
    eventually(lambda: broker.pending(STREAM) == 0)


def test_without_a_broker_leftovers_are_still_sent(
    make: Make, broker: Broker, control_plane: ControlPlane
) -> None:
    publish(broker, 1)
    control_plane.gate.clear()
    first = make(Runtime({A: first_feature}))
    eventually(lambda: first.counters()["files_waiting"] == 1)
    first.close(timeout=0.3)
    control_plane.gate.set()

    make(Runtime({}), mirror_url=None)

    eventually(lambda: len(control_plane.rows("dark")) == 1)


def test_closing_is_bounded_while_everything_hangs(
    make: Make, broker: Broker, control_plane: ControlPlane
) -> None:
    scorer = make(Runtime({A: first_feature}))
    publish(broker, 1)
    eventually(lambda: scorer.counters()["scored"] == 1)
    control_plane.gate.clear()
    broker.pause()
    try:
        assert elapsed(lambda: scorer.close(timeout=1.0)) < 2.5
    finally:
        broker.resume()
        control_plane.gate.set()
