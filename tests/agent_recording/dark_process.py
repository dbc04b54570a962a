"""A dark agent's loop as a process of its own, to be killed.

Called with the broker's URL, the home folder, the folder that uploads go to and
the moment to die at: ``ack`` (rows are on disk, the broker does not know),
``acked`` (it knows, the file is not released), ``uploaded`` (sent, not deleted),
``score:N`` (in the middle of the Nth score), or ``never``.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from serving_agent.dark import DarkLoop
from serving_agent.mirror import open_subscription
from serving_agent.mirror.interface import Batch, Subscription
from serving_agent.ports import (
    DarkVersion,
    MirrorSettings,
    PredictionKind,
    RecordingSettings,
    Tensor,
)
from serving_agent.spool import Spool
from serving_agent.uploader import Uploader

MODEL = "credit-default"
STREAM = "mirror:prod-eu"
DIGESTS = ("a" * 64, "b" * 64)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingSubscription:
    """The real one, and the end of the process before or after it has acknowledged."""

    def __init__(self, inner: Subscription, moment: str) -> None:
        self._inner = inner
        self._moment = moment

    def receive(self, *, most: int, wait: float) -> Batch:
        return self._inner.receive(most=most, wait=wait)

    def ack(self, entries: Sequence[str]) -> None:
        if self._moment == "ack":
            die()
        self._inner.ack(entries)
        if self._moment == "acked":
            die()

    def counters(self) -> dict[str, int]:
        return self._inner.counters()

    def close(self) -> None:
        self._inner.close()


class Runtime:
    def __init__(self, moment: str) -> None:
        name, _, count = moment.partition(":")
        self._left = int(count) if name == "score" else sys.maxsize

    def dark_versions(self) -> list[DarkVersion]:
        return [DarkVersion(MODEL, n, d) for n, d in enumerate(DIGESTS, start=4)]

    def score(self, model: str, digest: str, inputs: tuple[Tensor, ...]) -> float:
        assert (model, digest in DIGESTS) == (MODEL, True)
        self._left -= 1
        if not self._left:
            die()
        return float(inputs[0].data.flat[0])


class Folder:
    """Keeps uploads as a control plane does: the same file sent twice is one file."""

    def __init__(self, folder: Path, moment: str) -> None:
        self._folder = folder
        self._moment = moment

    def upload_predictions(self, kind: PredictionKind, path: Path) -> None:
        part = self._folder / f"{path.name}.part"
        part.write_bytes(path.read_bytes())
        part.rename(self._folder / f"{kind}-{path.name}")
        if self._moment == "uploaded":
            die()


def main() -> None:
    url, home, uploads, moment = sys.argv[1:5]
    spool = Spool(Path(home), "dark", limit_bytes=2**28)

    def subscribe(url: str, *, stream: str, consumer: str) -> Subscription:
        return DyingSubscription(open_subscription(url, stream=stream, consumer=consumer), moment)

    loop = DarkLoop(
        RecordingSettings("agent-2", "dark-a", "boot", "prod-eu", Path(home), url, 0.05),
        Runtime(moment),
        spool=spool,
        uploader=Uploader(spool, Folder(Path(uploads), moment)),
        subscribe=subscribe,
    )
    loop.start()
    loop.configure(MirrorSettings(STREAM, 1.0))
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    print("started", flush=True)
    while not stopped:
        time.sleep(0.02)
    loop.close(timeout=10)


if __name__ == "__main__":
    main()
