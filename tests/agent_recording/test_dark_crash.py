"""It is true that each (transaction, version) is one row, whenever the dark agent dies."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving_agent.mirror.record import encode

from .broker import Broker, eventually
from .dark_process import DIGESTS
from .parts import STREAM, answer, rows_of

REPOSITORY = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("dark_process.py")


class Site:
    """One host's folders and the process that runs in them."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.broker = broker
        self.home = folder / "home"
        self.uploads = folder / "uploads"
        self.uploads.mkdir()
        self._started: list[subprocess.Popen[bytes]] = []

    def run(self, moment: str = "never") -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [
                *(sys.executable, str(SCRIPT), self.broker.url),
                *(str(self.home), str(self.uploads), moment),
            ],
            cwd=REPOSITORY,
            env={"PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()

    def die_at(self, moment: str) -> None:
        assert self.run(moment).wait(30) == -signal.SIGKILL

    def finish(self) -> None:
        """Run until nothing is pending, then stop in good order."""
        process = self.run()
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"started\n"
            eventually(lambda: self._drained() and not self._left(), seconds=30)
        finally:
            process.terminate()
            assert process.wait(30) == 0

    def publish(self, first: int, last: int) -> None:
        pipeline = self.broker.client.pipeline(transaction=False)
        for n in range(first, last + 1):
            record = encode(answer(n), producer="agent-1", epoch="boot-1", seq=n)
            pipeline.xadd(STREAM, {"v": "1", "d": record})
        pipeline.execute()

    def pairs(self) -> Counter[tuple[str, str]]:
        """Count the rows of each pair at the control plane; nothing may be left on the host."""
        assert not self._left()
        files = self.uploads.glob("dark-*")
        return Counter((r["transaction_id"], r["digest"]) for r in rows_of(*files))

    def _left(self) -> list[Path]:
        return list((self.home / "spool" / "dark").glob("*.parquet*"))

    def _drained(self) -> bool:
        groups = self.broker.client.xinfo_groups(STREAM)
        return [(g["pending"], g["lag"]) for g in groups] == [(0, 0)]


@pytest.fixture
def site(broker: Broker, tmp_path: Path) -> Iterator[Site]:
    site = Site(broker, tmp_path)
    yield site
    site.close()


def once_each(last: int) -> Counter[tuple[str, str]]:
    return Counter((f"tx-{n}", digest) for n in range(1, last + 1) for digest in DIGESTS)


@pytest.mark.parametrize("moment", ["ack", "acked", "uploaded", "score:37"])
def test_a_death_at_the_worst_moment_costs_and_doubles_nothing(site: Site, moment: str) -> None:
    site.publish(1, 100)

    site.die_at(moment)
    site.publish(101, 120)
    site.finish()

    assert site.pairs() == once_each(120)


def test_deaths_one_after_the_other_cost_and_double_nothing(site: Site) -> None:
    last = 0
    for moment in ("ack", "acked", "score:9", "uploaded", "score:70", "ack"):
        site.publish(last + 1, last + 40)
        last += 40
        site.die_at(moment)
    site.finish()

    assert site.pairs() == once_each(last)


def test_deaths_at_any_moment_cost_and_double_nothing(site: Site) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    last = 0
    for _ in range(4):
        site.publish(last + 1, last + 400)
        last += 400
        process = site.run()
        time.sleep(0.4 + chance.random() * 0.6)
        process.kill()
        process.wait()
    site.finish()

    assert site.pairs() == once_each(last)
