"""Real servers and real processes, each test with a home of its own."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.embedded.holding import Holder, clean_environ


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users can reach, with a short name."""
    folder = Path(tempfile.mkdtemp(prefix="lg-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def home(place: Path) -> Path:
    return place / "home"


@pytest.fixture(scope="session")
def template() -> Iterator[Path]:
    """A home that has been used once: most tests need no cold start."""
    folder = Path(tempfile.mkdtemp(prefix="lg-"))
    holder = Holder(clean_environ(folder / "home"))
    holder.urls()
    holder.let_go()
    yield folder / "home"
    shutil.rmtree(folder)


@pytest.fixture
def used(template: Path, home: Path) -> Path:
    """A copy of it, with a database that is there and ports to be chosen."""
    shutil.copytree(template, home, ignore=shutil.ignore_patterns("port", "*.json", "s"))
    return home


@pytest.fixture(scope="module")
def shared(template: Path) -> Iterator[Holder]:
    """Servers for tests that only look at them."""
    folder = Path(tempfile.mkdtemp(prefix="lg-"))
    home = folder / "home"
    shutil.copytree(template, home, ignore=shutil.ignore_patterns("port", "*.json", "s"))
    holder = Holder(clean_environ(home))
    holder.given = holder.urls()
    yield holder
    holder.let_go()
    shutil.rmtree(folder)


@pytest.fixture
def hold() -> Iterator[Callable[..., Holder]]:
    """Start holders that end with the test."""
    started: list[Holder] = []

    def start(home: Path, *arguments: str, **options: object) -> Holder:
        python = str(options.pop("python", sys.executable))
        user = options.pop("user", None)
        more = {str(name): str(value) for name, value in options.items()}
        environ = clean_environ(home, **more)
        holder = Holder(
            environ, *arguments, python=python, user=user if isinstance(user, int) else None
        )
        started.append(holder)
        return holder

    yield start
    for holder in started:
        if holder.process.poll() is None:
            holder.let_go()
