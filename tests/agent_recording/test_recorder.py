"""It is true that an answer is recorded and mirrored, and that recording never answers back."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from serving_agent.mirror.record import decode
from serving_agent.ports import MirrorSettings, Recorder
from serving_agent.recording import build_recorder, is_chosen

from .broker import Broker, eventually
from .parts import CHAMPION, STREAM, ControlPlane, answer, elapsed, settings

Make = Callable[..., Recorder]


@pytest.fixture
def make(tmp_path: Path, control_plane: ControlPlane) -> Iterator[Make]:
    made: list[Recorder] = []

    def build(**changes: Any) -> Recorder:
        recorder = build_recorder(settings(tmp_path / "home", **changes), control_plane)
        recorder.start()
        made.append(recorder)
        return recorder

    yield build
    for recorder in made:
        recorder.close(timeout=5)


def test_every_answer_becomes_a_row_at_the_control_plane(
    make: Make, control_plane: ControlPlane
) -> None:
    recorder = make()
    for number in range(20):
        recorder.answered(answer(number))
    recorder.close(timeout=5)

    rows = control_plane.rows("decision")
    assert sorted(r["transaction_id"] for r in rows) == sorted(f"tx-{n}" for n in range(20))
    assert {(r["digest"], r["score"], r["mirrored"], r["agent"]) for r in rows} == {
        (CHAMPION, 0.25, False, "agent-1")
    }


def test_the_mirrored_share_is_chosen_by_id_and_marked(
    make: Make, broker: Broker, control_plane: ControlPlane
) -> None:
    recorder = make(mirror_url=broker.url)
    recorder.configure(MirrorSettings(STREAM, 0.5))
    for number in range(200):
        recorder.answered(answer(number))
    recorder.close(timeout=5)

    copied = {decode(f[b"d"]).transaction_id for _, f in broker.entries(STREAM)}
    rows = control_plane.rows("decision")
    assert copied == {r["transaction_id"] for r in rows if r["mirrored"]}
    assert copied == {f"tx-{n}" for n in range(200) if is_chosen(f"tx-{n}", 0.5)}
    assert 70 < len(copied) < 130
    counts = recorder.counters()
    assert (counts["sent"], counts["dropped"]) == (len(copied), 0)


@pytest.mark.parametrize("mirror", [None, MirrorSettings(STREAM, 0.0)])
def test_nothing_is_mirrored_that_the_document_does_not_name(
    make: Make, broker: Broker, mirror: MirrorSettings | None
) -> None:
    recorder = make(mirror_url=broker.url)
    recorder.configure(MirrorSettings(STREAM, 1.0))
    recorder.configure(mirror)
    recorder.answered(answer())
    recorder.close(timeout=5)

    assert broker.entries(STREAM) == []


@pytest.mark.parametrize("score", [None, math.nan, math.inf])
def test_an_answer_without_a_score_is_recorded_and_not_expected_on_the_dark_side(
    make: Make, broker: Broker, control_plane: ControlPlane, score: float | None
) -> None:
    recorder = make(mirror_url=broker.url)
    recorder.configure(MirrorSettings(STREAM, 1.0))
    recorder.answered(answer(score=score))
    recorder.close(timeout=5)

    (row,) = control_plane.rows("decision")
    assert (row["score"], row["mirrored"]) == (None, False)
    assert broker.entries(STREAM) == []


def test_an_id_that_is_no_text_costs_nobody_else_a_row(
    make: Make, broker: Broker, control_plane: ControlPlane
) -> None:
    recorder = make(mirror_url=broker.url)
    recorder.answered(answer(1, transaction_id="\ud800"))
    recorder.configure(MirrorSettings(STREAM, 1.0))
    recorder.answered(answer(2, transaction_id="\ud800"))
    recorder.answered(answer(3))
    recorder.close(timeout=5)

    assert [r["transaction_id"] for r in control_plane.rows("decision")] == ["tx-3"]
    assert (recorder.counters()["failed"], recorder.counters()["rows_unfit"]) == (1, 1)


def test_answers_do_not_wait_while_broker_and_control_plane_hang(
    make: Make, broker: Broker, control_plane: ControlPlane
) -> None:
    recorder = make(mirror_url=broker.url, queue_size=100)
    recorder.configure(MirrorSettings(STREAM, 1.0))
    control_plane.gate.clear()
    broker.pause()
    try:
        longest = max(elapsed(partial(recorder.answered, answer(n))) for n in range(3_000))
    finally:
        broker.resume()
        control_plane.gate.set()

    assert longest < 0.25
    assert recorder.counters()["dropped"] >= 2_500
    recorder.close(timeout=10)
    rows = control_plane.rows("decision")
    assert len(rows) == 3_000
    assert all(r["mirrored"] for r in rows)


def test_what_could_not_be_sent_is_sent_after_the_next_start(
    make: Make, control_plane: ControlPlane
) -> None:
    control_plane.gate.clear()
    first = make()
    first.answered(answer(1))
    first.close(timeout=0.6)
    assert control_plane.rows("decision") == []

    control_plane.gate.set()
    make(boot_id="boot-2")

    eventually(lambda: len(control_plane.rows("decision")) == 1)
