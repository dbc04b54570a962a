from collections.abc import Iterator
from pathlib import Path

import pytest

from .broker import Broker
from .parts import ControlPlane


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    folder = tmp_path / "valkey"
    folder.mkdir()
    broker = Broker(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


@pytest.fixture
def control_plane(tmp_path: Path) -> ControlPlane:
    return ControlPlane(tmp_path / "received")
