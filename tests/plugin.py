"""Servers for the test run, there before Django reads its settings.

Loaded by name from ``pyproject.toml``, because a ``conftest.py`` would be too late.
What the environment names is used; everything else is embedded, below a folder that
goes when the run ends. With ``-n`` each worker has servers of its own, and who hands
out the tests has none: it only collects, and reads settings that lead nowhere.
"""

import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

from governance import embedded

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
NOWHERE = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "BROKER_URL": "redis://127.0.0.1:1/0",
    "MIRROR_URL": "redis://127.0.0.1:1/0",
}
ONE_BY_ONE = (
    "tests/end_to_end/",
    "tests/system/",
    *(f"tests/embedded/test_{name}.py" for name in ("up", "compose", "crew")),
)
"""These start whole systems and measure time: never two of them beside each other."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Give Django its servers, and take back what must not reach the workers."""
    before = dict(os.environ)
    asked = early_config.known_args_namespace
    shares_out = bool(asked.numprocesses or asked.tx) and not WORKER
    _provide_servers(NOWHERE if shares_out else {})
    yield
    if shares_out:
        os.environ.clear()
        os.environ.update(before)


def _provide_servers(given: dict[str, str]) -> None:
    home = os.environ.get("LOCKGATE_HOME")
    if home is None:
        home = tempfile.mkdtemp(prefix="lockgate-tests-")
        # Registered first, so it runs last: after the servers have stopped.
        atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ["LOCKGATE_HOME"] = str(Path(home, WORKER))
    os.environ.setdefault("LOCKGATE_PG_FSYNC", "off")
    for name, url in given.items():
        os.environ.setdefault(name, url)
    embedded.provide_missing()
    # Whitenoise warns about a folder of static files that is not there.
    (Path(os.environ["LOCKGATE_HOME"]) / "static").mkdir(parents=True, exist_ok=True)


class Scheduling(LoadFileScheduling):
    """Whole files to whoever is free, and the longest first: what goes one by one."""

    def _split_scope(self, nodeid: str) -> str:
        return "one by one" if nodeid.startswith(ONE_BY_ONE) else super()._split_scope(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        if "one by one" in self.workqueue:
            self.workqueue.move_to_end("one by one", last=False)
        super()._assign_work_unit(node)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of the one whole system together: between others it would start again."""
    items.sort(key=lambda item: item.nodeid.startswith("tests/system/"))


def pytest_collection() -> None:
    """Look for no garbage while thousands of tests are made that all stay."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Keep what was made, and Django, out of every later search for garbage."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    return Scheduling(config, log) if config.getoption("dist") == "loadfile" else None
