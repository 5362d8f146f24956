"""Full disks and read-only folders: one clear sentence, reading goes on, nothing saved is lost."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cache import Store, StoreError, open_store, shard_key
from tests.cache.helpers import LARGE, SMALL, assert_same, make_shard

NOBODY = 65534


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("needs root to mount a small file system")
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("may not mount a small file system here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@contextlib.contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Gives up root's right to write anywhere, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def users_folder() -> Iterator[Path]:
    """A folder of the ordinary user, outside pytest's own, which only root can enter."""
    base = Path(tempfile.mkdtemp(prefix="tailscope-read-only-"))
    if os.geteuid() == 0:
        os.chown(base, NOBODY, NOBODY)
    yield base / "store"
    (base / "store").chmod(0o700)
    shutil.rmtree(base)


def test_a_disk_that_is_really_full(tiny_disk: Path) -> None:
    for rows in (LARGE, SMALL):
        folder = tiny_disk / str(rows)
        with Store(folder) as store:
            kept = 0
            refusal: StoreError | None = None
            while refusal is None:
                try:
                    store.put(shard_key({}, kept), make_shard(kept, rows))
                    kept += 1
                except StoreError as error:
                    refusal = error
            assert kept > 10
            assert refusal.kind == "full"
            assert str(folder) in str(refusal)
            assert "is full; free some space, or set TAILSCOPE_CACHE" in str(refusal)
            with pytest.raises(StoreError, match="is full"):
                store.put("another", make_shard(0, 500))
            for index in range(kept):
                assert_same(store.get(shard_key({}, index)), make_shard(index, rows))
            assert [event.kind for event in store.drain_events()] == ["full"]
            # Nothing half-written stays behind.
            assert len(store._cache.files_in_use()) == len(list(folder.glob("*/*.val")))
        reopened = Store(folder)
        for index in range(kept):
            assert_same(reopened.get(shard_key({}, index)), make_shard(index, rows))
        reopened.close()
        shutil.rmtree(folder)


def test_a_store_opened_on_a_full_disk_still_reads(tiny_disk: Path) -> None:
    folder = tiny_disk / "store"
    with Store(folder) as store:
        store.put("key", make_shard(1))
    filler = os.open(tiny_disk / "filler", os.O_CREAT | os.O_WRONLY)
    with contextlib.suppress(OSError):
        while True:
            os.write(filler, bytes(4096))
    os.close(filler)
    with Store(folder) as store:
        assert_same(store.get("key"), make_shard(1))
        with pytest.raises(StoreError, match=r"is full|cannot be written"):
            store.put("other", make_shard(2))
        assert [event.kind for event in store.drain_events()] == ["full"]
    fresh = open_store(tiny_disk / "fresh")
    fresh.put("key", make_shard(1))
    assert_same(fresh.get("key"), make_shard(1))
    assert [event.kind for event in fresh.drain_events()] == ["full"]


FAILURES = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    sqlite3.OperationalError("database or disk is full"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_a_disk_said_to_be_full(
    store: Store, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    store.put("key", make_shard(1))

    def fail(*_: object) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(type(store._cache), "_row_insert", fail)
        for _ in range(3):
            with pytest.raises(StoreError, match="is full; free some space") as caught:
                store.put("other", make_shard(2))
            assert caught.value.kind == "full"
    assert store.get("other") is None
    assert_same(store.get("key"), make_shard(1))
    assert len(list(store.path.glob("*/*.val"))) == 1
    assert [event.kind for event in store.drain_events()] == ["full"], "said once, not three times"

    store.put("other", make_shard(2))
    assert_same(store.get("other"), make_shard(2))


def test_a_replacement_that_fails_leaves_what_was_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("key", make_shard(1))

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(type(store._cache), "_row_update", fail)
        with pytest.raises(StoreError):
            store.put("key", make_shard(2))
    assert_same(store.get("key"), make_shard(1))


@pytest.mark.parametrize("killed", [False, True], ids=["closed", "left open"])
def test_a_read_only_folder_is_read(users_folder: Path, killed: bool) -> None:
    with as_ordinary_user():
        writer = Store(users_folder)
        writer.put("large", make_shard(1, LARGE))
        writer.put("small", make_shard(2, SMALL))
        writer.put_json("verdicts", [1, None])
        if not killed:
            writer.close()
        users_folder.chmod(0o500)
        with Store(users_folder) as store:
            assert store.read_only
            (event,) = store.drain_events()
            assert event.kind == "read_only"
            assert f"the cache folder {users_folder} cannot be written" in event.message
            assert store.keys() == ["large", "small"]
            assert_same(store.get("large"), make_shard(1, LARGE))
            assert_same(store.get("small"), make_shard(2, SMALL))
            assert store.get_json("verdicts") == [1, None]
            assert store.get("missing") is None
            assert store.volume() > 0
            with pytest.raises(StoreError, match="cannot be written; change its permissions"):
                store.put("other", make_shard(3))
            with pytest.raises(StoreError, match="cannot be written"):
                store.drop("large")
            assert_same(store.get("large"), make_shard(1, LARGE))
        writer.close()


def test_damage_in_a_read_only_folder_is_reported(users_folder: Path) -> None:
    with as_ordinary_user():
        with Store(users_folder) as store:
            store.put("key", make_shard(1, LARGE))
        (value,) = users_folder.glob("*/*.val")
        value.write_bytes(value.read_bytes()[:-1])
        for path in (*users_folder.rglob("*"), users_folder):
            path.chmod(0o500 if path.is_dir() else 0o400)
        with Store(users_folder) as store:
            assert store.get("key") is None
            assert [event.kind for event in store.drain_events()] == ["read_only", "damaged"]
        for path in users_folder.iterdir():
            path.chmod(0o700)


def test_a_folder_that_turns_read_only_under_an_open_store(users_folder: Path) -> None:
    with as_ordinary_user(), Store(users_folder) as store:
        store.put("key", make_shard(1, LARGE))
        for path in (*users_folder.iterdir(), users_folder):
            path.chmod(0o500 if path.is_dir() else 0o400)
        with pytest.raises(StoreError, match="cannot be written") as caught:
            store.put("other", make_shard(2, LARGE))
        assert caught.value.kind == "read_only"
        assert_same(store.get("key"), make_shard(1, LARGE))
        for path in (users_folder, *users_folder.iterdir()):
            path.chmod(0o700)


def test_a_place_that_cannot_be_made(users_folder: Path) -> None:
    with as_ordinary_user():
        users_folder.mkdir()
        users_folder.chmod(0o500)
        with pytest.raises(StoreError, match="cannot be written") as caught:
            Store(users_folder / "deeper" / "store")
        assert str(users_folder / "deeper" / "store") in str(caught.value)
        store = open_store(users_folder / "deeper" / "store")
        store.put("key", make_shard(1))
        assert [event.kind for event in store.drain_events()] == ["read_only"]
