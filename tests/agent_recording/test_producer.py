"""It is true that offering a copy never waits, and that every drop is counted."""

import time

import numpy as np
import pytest

from serving_agent.mirror import open_publisher
from serving_agent.mirror.breaker import Breaker
from serving_agent.mirror.producer import Producer, ProducerLimits
from serving_agent.mirror.record import MirrorRecord, decode
from serving_agent.mirror.redis_publisher import STREAM_LENGTH
from serving_agent.ports import Tensor

from .broker import Broker, eventually
from .parts import STREAM, answer, elapsed, no_waits


def producer(broker: Broker, *, records: int = 10_000, size: int = 64 * 1024 * 1024) -> Producer:
    made = Producer(
        open_publisher(broker.url),
        producer="agent-1",
        epoch="boot-1",
        limits=ProducerLimits(records=records, bytes=size, linger=0.005),
        breaker=Breaker(waits=no_waits),
    )
    made.start()
    return made


def arrived(broker: Broker, stream: str = STREAM) -> list[MirrorRecord]:
    return [decode(fields[b"d"]) for _, fields in broker.entries(stream)]


def offer(to: Producer, first: int, last: int) -> float:
    """Offer a run of copies and return the longest that one of them took, in seconds."""
    longest = 0.0
    for number in range(first, last + 1):
        copy = answer(number)
        began = time.monotonic()
        to.offer(STREAM, copy)
        longest = max(longest, time.monotonic() - began)
    return longest


def test_copies_arrive_in_order_and_numbered_without_gaps(broker: Broker) -> None:
    sending = producer(broker)
    offer(sending, 1, 500)
    sending.close(timeout=5)

    records = arrived(broker)
    assert [r.transaction_id for r in records] == [f"tx-{n}" for n in range(1, 501)]
    assert [r.seq for r in records] == list(range(1, 501))
    assert {(r.producer, r.epoch) for r in records} == {("agent-1", "boot-1")}
    assert sending.counters() == {
        "offered": 500,
        "sent": 500,
        "dropped": 0,
        "waiting": 0,
        "retries": 0,
    }


def test_an_entry_has_the_fields_of_the_format(broker: Broker) -> None:
    sending = producer(broker)
    offer(sending, 1, 1)
    sending.close(timeout=5)

    ((_, fields),) = broker.entries(STREAM)
    assert sorted(fields) == [b"d", b"v"]
    assert fields[b"v"] == b"1"


def test_offers_do_not_wait_while_the_broker_stands_still(broker: Broker) -> None:
    sending = producer(broker, records=100)
    offer(sending, 1, 1)
    eventually(lambda: sending.counters()["sent"] == 1)

    broker.pause()
    try:
        longest = offer(sending, 2, 5_001)
        stopped = sending.counters()
        time.sleep(1.0)
        longest = max(longest, offer(sending, 5_002, 5_101))
    finally:
        broker.resume()

    assert longest < 0.25, "an offer waited for the broker"
    assert stopped["sent"] == 1
    assert stopped["dropped"] >= 4_500
    eventually(lambda: sending.counters()["waiting"] == 0)
    sending.close(timeout=5)
    counts = sending.counters()
    assert counts["offered"] == 5_101 == counts["sent"] + counts["dropped"]
    # A batch whose answer never came is sent again, so an entry may be there twice.
    assert len({r.seq for r in arrived(broker)}) == counts["sent"]


def test_offers_do_not_wait_while_the_broker_is_gone(broker: Broker) -> None:
    broker.kill()
    sending = producer(broker, records=50)

    assert offer(sending, 1, 2_000) < 0.25
    eventually(lambda: sending.counters()["retries"] > 3)
    assert sending.counters()["dropped"] >= 1_500

    broker.start()
    eventually(lambda: sending.counters()["waiting"] == 0)
    assert offer(sending, 2_001, 2_001) < 0.25
    sending.close(timeout=5)
    seqs = {r.seq for r in arrived(broker)}
    assert 2_001 in seqs
    assert len(seqs) == 2_001 - sending.counters()["dropped"]


def test_a_restart_of_the_broker_loses_nothing_that_fits_the_queue(broker: Broker) -> None:
    sending = producer(broker)
    offer(sending, 1, 100)
    eventually(lambda: sending.counters()["sent"] == 100)
    broker.kill()
    offer(sending, 101, 200)
    broker.start()
    offer(sending, 201, 300)
    sending.close(timeout=10)

    assert {r.seq for r in arrived(broker)} == set(range(1, 301))
    assert sending.counters()["dropped"] == 0


def test_closing_is_bounded_and_counts_what_it_leaves(broker: Broker) -> None:
    sending = producer(broker)
    broker.pause()
    try:
        offer(sending, 1, 400)
        took = elapsed(lambda: sending.close(timeout=0.5))
    finally:
        broker.resume()

    assert took < 3
    counts = sending.counters()
    assert counts["offered"] == 400 == counts["sent"] + counts["dropped"]
    assert not sending.offer(STREAM, answer())


def test_the_queue_is_bounded_in_bytes_too(broker: Broker) -> None:
    broker.pause()
    sending = producer(broker, size=1_000_000)
    wide = Tensor("X", "FP64", (1, 10_000), np.zeros((1, 10_000)))
    try:
        taken = sum(sending.offer(STREAM, answer(n, inputs=(wide,))) for n in range(100))
    finally:
        broker.resume()

    # Twelve fit the queue; a batch of them may be with the sender.
    assert 12 <= taken <= 26
    sending.close(timeout=5)


def test_what_cannot_be_sent_is_counted_and_leaves_a_gap(broker: Broker) -> None:
    sending = producer(broker)
    offer(sending, 1, 1)
    sending.offer(STREAM, answer(2, transaction_id="\ud800"))
    offer(sending, 3, 3)
    sending.close(timeout=5)

    assert [r.seq for r in arrived(broker)] == [1, 3]
    assert sending.counters()["dropped_unsendable"] == 1


def test_a_refusal_of_the_broker_is_tried_again(broker: Broker) -> None:
    broker.client.set(STREAM, "not a stream")
    sending = producer(broker)
    offer(sending, 1, 3)
    eventually(lambda: sending.counters()["retries"] > 1)
    broker.client.delete(STREAM)
    sending.close(timeout=5)

    assert {r.seq for r in arrived(broker)} == {1, 2, 3}


def test_each_copy_goes_to_the_stream_it_was_offered_for(broker: Broker) -> None:
    sending = producer(broker)
    for number, stream in enumerate(["a", "a", "b", "a"]):
        sending.offer(stream, answer(number))
    sending.close(timeout=5)

    assert [r.seq for r in arrived(broker, "a")] == [1, 2, 4]
    assert [r.seq for r in arrived(broker, "b")] == [3]


def test_the_stream_stays_near_its_length(broker: Broker) -> None:
    sending = producer(broker, records=STREAM_LENGTH * 2)
    offer(sending, 1, STREAM_LENGTH + 3_000)
    sending.close(timeout=20)

    assert sending.counters()["dropped"] == 0
    assert STREAM_LENGTH <= broker.client.xlen(STREAM) < STREAM_LENGTH + 500


@pytest.mark.parametrize("url", ["kafka://127.0.0.1", "127.0.0.1:6379", "http://x"])
def test_an_unknown_transport_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="mirror transport"):
        open_publisher(url)
