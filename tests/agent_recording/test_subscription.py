"""It is true that a copy is delivered until it is acknowledged, and a bad one is set aside."""

from collections.abc import Callable, Iterator

import msgspec
import pytest

from serving_agent.mirror.interface import Batch, MirrorUnavailable
from serving_agent.mirror.record import MAX_BYTES, encode
from serving_agent.mirror.redis_subscription import (
    DEAD_BYTES,
    DEAD_LENGTH,
    RedisSubscription,
)

from .broker import Broker, eventually
from .parts import STREAM, answer

DEAD = f"{STREAM}:dead"

Join = Callable[..., RedisSubscription]


@pytest.fixture
def join(broker: Broker) -> Iterator[Join]:
    joined: list[RedisSubscription] = []

    def make(consumer: str = "agent-1", *, stale_seconds: float = 60.0) -> RedisSubscription:
        made = RedisSubscription(
            broker.url, stream=STREAM, consumer=consumer, stale_seconds=stale_seconds
        )
        joined.append(made)
        return made

    yield make
    for made in joined:
        made.close()


def payload(number: int) -> bytes:
    return encode(answer(number), producer="agent-9", epoch="boot-9", seq=number)


def publish(broker: Broker, *numbers: int) -> None:
    for number in numbers:
        broker.client.xadd(STREAM, {"v": "1", "d": payload(number)})


def seqs(batch: Batch) -> list[int]:
    return [d.record.seq for d in batch.deliveries]


def entries(batch: Batch) -> list[str]:
    return [d.entry for d in batch.deliveries]


def receive(subscription: RedisSubscription, most: int = 100) -> Batch:
    return subscription.receive(most=most, wait=0.05)


def test_a_missing_stream_is_made_and_what_comes_later_is_read(broker: Broker, join: Join) -> None:
    reader = join()
    assert receive(reader) == Batch(())

    publish(broker, 1, 2)

    assert seqs(receive(reader)) == [1, 2]


def test_what_was_there_before_the_group_is_read(broker: Broker, join: Join) -> None:
    publish(broker, 1, 2, 3)

    batch = receive(join())

    assert seqs(batch) == [1, 2, 3]
    assert not batch.redelivered


def test_two_consumers_share_the_copies(broker: Broker, join: Join) -> None:
    publish(broker, *range(1, 11))
    first, second = join("agent-1"), join("agent-2")

    assert [seqs(receive(first, 5)), seqs(receive(second, 5))] == [
        [1, 2, 3, 4, 5],
        [6, 7, 8, 9, 10],
    ]


def test_what_a_dead_consumer_had_comes_again_to_its_successor(broker: Broker, join: Join) -> None:
    publish(broker, 1, 2, 3)
    before = join()
    batch = receive(before)
    before.ack(entries(batch)[:1])
    before.close()

    publish(broker, 4)
    successor = join()
    again = receive(successor)
    assert (seqs(again), again.redelivered) == ([2, 3], True)
    successor.ack(entries(again))

    fresh = receive(successor)
    assert (seqs(fresh), fresh.redelivered) == ([4], False)
    successor.ack(entries(fresh))
    assert broker.pending(STREAM) == 0


def test_what_is_not_acknowledged_yet_is_not_delivered_twice(broker: Broker, join: Join) -> None:
    reader = join(stale_seconds=0.0)
    publish(broker, 1)
    assert seqs(receive(reader)) == [1]
    publish(broker, 2)

    assert seqs(receive(reader)) == [2]


def test_what_another_left_for_too_long_is_claimed(broker: Broker, join: Join) -> None:
    publish(broker, 1, 2)
    receive(join("gone"))
    other = join("agent-2", stale_seconds=0.02)

    eventually(lambda: bool(found := receive(other)) and seqs(found) == [1, 2])

    assert other.counters()["claimed"] == 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"v": "1", "d": b"\xc1 not msgpack"}, "malformed"),
        ({"v": "1", "d": msgspec.msgpack.encode({"transaction_id": 5})}, "Expected"),
        ({"v": "2", "d": payload(1)}, "version"),
        ({"d": payload(1)}, "version"),
        ({"v": "1"}, "without a record"),
        ({"other": "x"}, "version"),
        ({"v": "1", "d": b"\0" * (MAX_BYTES + 1)}, "limit"),
        (
            {
                "v": "1",
                "d": msgspec.msgpack.encode(
                    {**msgspec.msgpack.decode(payload(1)), "champion_score": float("nan")}
                ),
            },
            "finite",
        ),
    ],
)
def test_what_cannot_be_read_is_set_aside_and_holds_up_nobody(
    broker: Broker, join: Join, fields: dict[str, str | bytes], reason: str
) -> None:
    publish(broker, 1)
    bad = broker.append(STREAM, fields)
    publish(broker, 2)
    reader = join()

    batch = receive(reader)

    assert seqs(batch) == [1, 2]
    assert reader.counters()["poison"] == 1
    ((_, kept),) = broker.entries(DEAD)
    assert kept[b"entry"] == bad
    assert reason in kept[b"reason"].decode()
    assert len(kept[b"d"]) <= DEAD_BYTES
    reader.ack(entries(batch))
    assert broker.pending(STREAM) == 0


def test_a_copy_that_kills_its_readers_is_set_aside_alone(broker: Broker, join: Join) -> None:
    publish(broker, *range(1, 7))
    scored: list[int] = []
    deaths = 0
    while deaths < 10:
        reader = join()
        finished = False
        while not finished:
            batch = receive(reader)
            if 4 in seqs(batch):
                deaths += 1
                break
            scored += seqs(batch)
            reader.ack(entries(batch))
            finished = not batch.deliveries and not batch.redelivered
        reader.close()
        if finished:
            break

    assert deaths == 3
    assert sorted(scored) == [1, 2, 3, 5, 6]
    ((_, kept),) = broker.entries(DEAD)
    assert kept[b"d"] == payload(4)
    assert broker.pending(STREAM) == 0


def test_the_dead_are_bounded(broker: Broker, join: Join) -> None:
    for _ in range(DEAD_LENGTH + 20):
        broker.client.xadd(STREAM, {"v": "1", "d": b"?"})
    reader = join()

    eventually(lambda: not receive(reader).deliveries and broker.pending(STREAM) == 0)
    assert broker.client.xlen(DEAD) <= DEAD_LENGTH
    assert reader.counters()["poison"] >= 100


def test_a_copy_that_was_trimmed_away_is_counted_not_waited_for(broker: Broker, join: Join) -> None:
    publish(broker, 1, 2)
    receive(join())
    broker.client.xtrim(STREAM, maxlen=1, approximate=False)
    successor = join()

    batch = receive(successor)

    assert seqs(batch) == [2]
    assert successor.counters()["trimmed"] == 1


def test_a_broker_that_comes_back_is_read_on(broker: Broker, join: Join) -> None:
    reader = join()
    publish(broker, 1, 2)
    taken = entries(receive(reader))
    broker.kill()
    with pytest.raises(MirrorUnavailable):
        receive(reader)
    with pytest.raises(MirrorUnavailable):
        reader.ack(taken)
    broker.start()

    reader.ack(taken)
    publish(broker, 3)
    batch = receive(reader)
    assert (seqs(batch), batch.redelivered) == ([3], False)


def test_a_broker_that_lost_everything_gets_its_group_again(broker: Broker, join: Join) -> None:
    reader = join()
    publish(broker, 1)
    taken = entries(receive(reader))
    broker.client.flushall()
    publish(broker, 2)

    with pytest.raises(MirrorUnavailable):
        receive(reader)
    reader.ack(taken)

    assert seqs(receive(reader)) == [2]


def test_a_delivery_that_was_lost_on_the_way_comes_again(broker: Broker, join: Join) -> None:
    """The broker answers a paused read after the reader has hung up."""
    reader = join()
    receive(reader)
    publish(broker, 1)
    broker.pause()
    try:
        with pytest.raises(MirrorUnavailable):
            receive(reader)
    finally:
        broker.resume()
    eventually(lambda: broker.pending(STREAM) == 1)

    batch = receive(reader)

    assert (seqs(batch), batch.redelivered) == ([1], True)
