"""Blobs: what is promised about them, and what happens when the promise breaks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving_agent.errors import ChangedOnDisk, Reason, VersionFailure
from serving_agent.store import Store

from .versions import Version, make, make_external, pack, sha256


def opened(home: Path, *, reserve: int = 0, limit: int = 10**9) -> Store:
    store = Store(home, reserve_bytes=reserve, file_bytes=limit)
    store.open()
    return store


def put(store: Store, version: Version) -> None:
    for name, content in version.blobs.items():
        store.add(name, [content], limit=len(content))
    store.manifest(version.digest, model=version.model)


def test_a_version_is_held_once_all_of_it_is_here(tmp_path: Path) -> None:
    store, version = opened(tmp_path), make()
    for name, content in version.blobs.items():
        assert store.held() == frozenset()
        store.add(name, [content], limit=len(content))
    store.manifest(version.digest, model="credit")

    assert store.held() == {version.digest}
    assert opened(tmp_path).held() == {version.digest}


def test_wrong_bytes_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)

    with pytest.raises(VersionFailure) as failure:
        store.add(sha256(b"right"), [b"wrong"], limit=100)

    assert failure.value.reason is Reason.DIGEST_MISMATCH
    assert list(store.incoming.iterdir()) == list(store.blobs.iterdir()) == []


def test_more_bytes_than_named_are_refused_before_they_are_all_here(tmp_path: Path) -> None:
    store = opened(tmp_path)
    taken = []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(1)
            yield b"x" * 1000

    with pytest.raises(VersionFailure) as failure:
        store.add("0" * 64, endless(), limit=5000)

    assert failure.value.reason is Reason.OVERSIZED
    assert len(taken) == 6
    assert list(store.incoming.iterdir()) == []


def test_a_transfer_that_broke_off_goes_on(tmp_path: Path) -> None:
    store, content = opened(tmp_path), b"0123456789"

    def broken() -> Iterator[bytes]:
        yield content[:4]
        raise ConnectionResetError

    with pytest.raises(VersionFailure):
        store.add(sha256(content), broken(), limit=10)

    class Broken(Exception): ...

    def broken_by_network() -> Iterator[bytes]:
        yield content[:4]
        raise Broken

    with pytest.raises(Broken):
        store.add(sha256(content), broken_by_network(), limit=10)
    assert store.partial(sha256(content)) == 4

    store.add(sha256(content), [content[4:]], limit=10, offset=4)
    assert (store.blobs / sha256(content)).read_bytes() == content


@pytest.mark.parametrize("role", ["model", "golden", "external_data"])
def test_one_byte_changed_in_any_file_is_found(role: str, tmp_path: Path) -> None:
    store, version = opened(tmp_path), make_external()
    put(store, version)
    manifest = store.manifest(version.digest, model="credit")
    store.verify(manifest)
    path = store.blobs / version.files[role]
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)

    with pytest.raises(ChangedOnDisk):
        store.verify(manifest)

    assert not path.exists()
    assert store.held() == frozenset()


def test_a_changed_manifest_is_found(tmp_path: Path) -> None:
    store, version = opened(tmp_path), make()
    put(store, version)
    path = store.blobs / version.digest
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b" ")

    with pytest.raises(ChangedOnDisk):
        store.manifest(version.digest, model="credit")
    assert opened(tmp_path).held() == frozenset()


def test_space_is_looked_for_before_anything_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(VersionFailure) as failure:
        opened(tmp_path, reserve=2**60).check_space(1)
    assert failure.value.reason is Reason.DISK_FULL

    with pytest.raises(VersionFailure) as failure:
        opened(tmp_path, limit=10).check_space(11)
    assert failure.value.reason is Reason.OVERSIZED


def test_what_two_versions_share_stays_with_the_one_that_stays(tmp_path: Path) -> None:
    store = opened(tmp_path)
    first = make()
    second = pack(
        "credit",
        2,
        first.blobs[first.files["model"]],
        first.blobs[first.files["golden"]],
        metrics={"auc": 0.5},
    )
    put(store, first)
    store.add(second.digest, [second.blobs[second.digest]], limit=10**6)
    store.manifest(second.digest, model="credit")
    assert store.held() == {first.digest, second.digest}

    assert store.sweep({second.digest}) == 1

    assert store.held() == store.on_disk() == {second.digest}


def test_half_fetched_files_are_forgotten_at_a_start(tmp_path: Path) -> None:
    store = opened(tmp_path)
    (store.incoming / ("0" * 64)).write_bytes(b"half")

    assert opened(tmp_path).partial("0" * 64) == 0


def test_what_is_no_file_of_a_version_is_in_nobodys_way(tmp_path: Path) -> None:
    """A volume has a folder lost+found, and a disk may give a file back no more."""
    version = make()
    put(opened(tmp_path), version)
    for folder in ("blobs", "incoming"):
        (tmp_path / folder / "lost+found").mkdir()
    (tmp_path / "blobs" / "dangling").symlink_to("/nowhere")

    store = opened(tmp_path)

    assert store.held() == {version.digest}
    assert store.sweep({version.digest}) == 1  # The link.
    assert (tmp_path / "blobs" / "lost+found").is_dir()


def test_a_folder_in_the_place_of_a_file_is_no_file(tmp_path: Path) -> None:
    version = make()
    store = opened(tmp_path)
    put(store, version)
    path = store.blobs / version.files["model"]
    path.unlink()
    path.mkdir()

    assert opened(tmp_path).held() == set()
