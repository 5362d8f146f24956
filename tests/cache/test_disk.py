"""Nothing is ever pickled or unpickled, and rows that Tailscope cannot have written are refused."""

from __future__ import annotations

import pickle
import sqlite3
import stat
from pathlib import Path

import pytest

from cache import Store
from tests.cache.helpers import LARGE, SMALL, assert_same, make_shard


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def edit(folder: Path, statement: str, values: tuple[object, ...] = ()) -> None:
    with sqlite3.connect(folder / "cache.db") as connection:
        connection.execute(statement, values)
    connection.close()


@pytest.mark.parametrize("key", [1, 1.5, b"key", ("a", 1), None])
def test_only_text_is_a_key(store: Store, key: object) -> None:
    with pytest.raises(TypeError, match="a key must be text"):
        store._cache.set(key, b"value")


@pytest.mark.parametrize("value", [1, "text", {"a": 1}, None, bytearray(b"x"), ("a",)])
def test_only_bytes_are_a_value(store: Store, value: object) -> None:
    with pytest.raises(TypeError, match="a value must be bytes"):
        store._cache.set("key", value)


@pytest.mark.parametrize("mode", [1, 2, 3, 4])
def test_a_planted_pickle_is_never_loaded(
    store: Store, folder: Path, tmp_path: Path, mode: int
) -> None:
    store.put("key", make_shard(1, SMALL))
    mark = tmp_path / "sprung"
    trap = pickle.dumps(Trap(mark))
    pickle.loads(trap)
    assert mark.exists(), "the trap itself must work"
    mark.unlink()
    edit(folder, "UPDATE Cache SET mode = ?, value = ?", (mode, trap))
    assert store.get("key") is None
    assert not mark.exists()
    assert [event.kind for event in store.drain_events()] == ["damaged"]


def test_a_planted_pickle_as_key_or_setting_is_never_loaded(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    store.put("key", make_shard(1, SMALL))
    mark = tmp_path / "sprung"
    trap = pickle.dumps(Trap(mark))
    edit(folder, "INSERT INTO Cache (key, raw, mode, value) VALUES (?, 0, 4, ?)", (trap, trap))
    edit(folder, "INSERT OR REPLACE INTO Settings VALUES ('disk_pickle_protocol', ?)", (trap,))
    with Store(folder) as again:
        assert again.keys() == ["key"]
        assert_same(again.get("key"), make_shard(1, SMALL))
    assert not mark.exists()


@pytest.mark.parametrize(
    "name", ["../secret.val", "/etc/passwd", "ab/../../secret", "cache.db", ""]
)
def test_a_row_cannot_point_outside(store: Store, folder: Path, name: str) -> None:
    secret = folder.parent / "secret.val"
    secret.write_bytes(b"not yours")
    store.put("key", make_shard(1, LARGE))
    edit(folder, "UPDATE Cache SET filename = ?", (name,))
    assert store.get("key") is None
    assert secret.exists()
    assert (folder / "cache.db").exists()


def test_a_link_in_place_of_a_value_file_is_not_followed(store: Store, folder: Path) -> None:
    store.put("key", make_shard(1, LARGE))
    (value,) = folder.glob("*/*.val")
    elsewhere = folder.parent / "elsewhere"
    value.rename(elsewhere)
    value.symlink_to(elsewhere)
    assert store.get("key") is None
    assert [event.kind for event in store.drain_events()] == ["unreadable"]


def test_everything_on_disk_is_private(folder: Path) -> None:
    import os

    before = os.umask(0)
    try:
        with Store(folder) as store:
            store.put("large", make_shard(1, LARGE))
            store.put("small", make_shard(2, SMALL))
            assert (folder / "cache.db-wal").exists()
            for path in (folder.parent, folder, *folder.rglob("*")):
                assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), (
                    path
                )
    finally:
        os.umask(before)
