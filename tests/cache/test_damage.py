"""Entries and indexes changed behind the store's back are noticed, dropped and reported."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

import cache.sweep
from cache import Store, shard_key
from tests.cache.helpers import LARGE, SMALL, assert_same, make_shard

Damage = Callable[[Path], None]


def value_file(folder: Path) -> Path:
    (path,) = folder.glob("*/*.val")
    return path


def flip_file(folder: Path) -> None:
    path = value_file(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_file(folder: Path) -> None:
    path = value_file(folder)
    path.write_bytes(path.read_bytes()[:-1])


def empty_file(folder: Path) -> None:
    value_file(folder).write_bytes(b"")


def remove_file(folder: Path) -> None:
    value_file(folder).unlink()


def edit(folder: Path, statement: str, values: tuple[object, ...] = ()) -> None:
    with sqlite3.connect(folder / "cache.db") as connection:
        connection.execute(statement, values)
    connection.close()


def flip_row(folder: Path) -> None:
    with sqlite3.connect(folder / "cache.db") as connection:
        ((value,),) = connection.execute("SELECT value FROM Cache")
        changed = bytearray(value)
        changed[-1] ^= 0x80
        connection.execute("UPDATE Cache SET value = ?", (bytes(changed),))
    connection.close()


def cut_row(folder: Path) -> None:
    edit(folder, "UPDATE Cache SET value = substr(value, 1, 20)")


def null_row(folder: Path) -> None:
    edit(folder, "UPDATE Cache SET value = NULL")


def text_row(folder: Path) -> None:
    edit(folder, "UPDATE Cache SET value = 'text'")


@pytest.mark.parametrize(
    ("rows", "damage"),
    [
        (LARGE, flip_file),
        (LARGE, cut_file),
        (LARGE, empty_file),
        (LARGE, remove_file),
        (SMALL, flip_row),
        (SMALL, cut_row),
        (SMALL, null_row),
        (SMALL, text_row),
    ],
)
@pytest.mark.parametrize("reopened", [False, True])
def test_a_damaged_entry_is_dropped_and_reported(
    folder: Path, rows: int, damage: Damage, reopened: bool
) -> None:
    key = shard_key({"query": "q"}, 3)
    store = Store(folder)
    store.put(key, make_shard(1, rows))
    if reopened:
        store.close()
        store = Store(folder)
    damage(folder)
    assert store.get(key) is None
    (event,) = store.drain_events()
    assert (event.kind, event.key) == ("damaged", key)
    assert str(folder) in event.message
    assert store.keys() == []
    assert list(folder.glob("*/*.val")) == []

    assert store.get(key) is None
    assert store.drain_events() == [], "a dropped entry is reported once"
    store.put(key, make_shard(2, rows))
    assert_same(store.get(key), make_shard(2, rows))


def test_damage_to_one_entry_leaves_the_others(store: Store, folder: Path) -> None:
    store.put("first", make_shard(1, LARGE))
    flip_file(folder)
    store.put("second", make_shard(2, LARGE))
    store.put("third", make_shard(3, SMALL))
    assert store.get("first") is None
    assert_same(store.get("second"), make_shard(2, LARGE))
    assert_same(store.get("third"), make_shard(3, SMALL))


def test_entries_that_changed_places_are_noticed(store: Store, folder: Path) -> None:
    # Both are whole, but each would answer for the other.
    store.put("first", make_shard(1, SMALL))
    store.put("second", make_shard(2, SMALL))
    edit(folder, "UPDATE Cache SET key = 'shard:x' WHERE key = 'shard:first'")
    edit(folder, "UPDATE Cache SET key = 'shard:first' WHERE key = 'shard:second'")
    assert store.get("first") is None
    (event,) = store.drain_events()
    assert "belongs under another key" in event.message


def test_an_entry_of_the_other_kind_is_damage_not_an_answer(store: Store) -> None:
    store._save("json:verdicts", b"{not json")
    assert store.get_json("verdicts") is None
    assert [event.key for event in store.drain_events()] == ["verdicts"]


def test_an_entry_replaced_while_it_was_read_is_not_dropped(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("key", make_shard(1, LARGE))
    fetch = store._cache.disk.fetch

    def replaced_meanwhile(*args: object) -> bytes:
        monkeypatch.undo()
        found: bytes = fetch(*args)
        with Store(store.path) as other:
            other.put("key", make_shard(2, LARGE))
        return found[:-1]

    monkeypatch.setattr(store._cache.disk, "fetch", replaced_meanwhile)
    assert_same(store.get("key"), make_shard(2, LARGE))
    assert store.drain_events() == []


@pytest.mark.parametrize(
    "garbage", [b"this is not a database" * 300, b"SQLite format 3\0" + bytes(5000)]
)
def test_a_ruined_index_is_made_anew_from_the_files(folder: Path, garbage: bytes) -> None:
    with Store(folder) as store:
        for index in range(40):
            store.put(shard_key({}, index), make_shard(index, LARGE))
        store.put("small", make_shard(9, SMALL))
    (folder / "cache.db").write_bytes(garbage)
    with Store(folder) as store:
        (event,) = store.drain_events()
        assert event.kind == "rebuilt"
        assert "40 saved results" in event.message
        assert len(store.keys()) == 40
        for index in range(40):
            assert_same(store.get(shard_key({}, index)), make_shard(index, LARGE))
        assert store.get("small") is None
        assert len(list(folder.glob("*/*.val"))) == 40


def test_a_lost_index_is_made_anew_from_the_files(folder: Path) -> None:
    with Store(folder) as store:
        store.put("key", make_shard(1, LARGE))
    (folder / "cache.db").unlink()
    with Store(folder) as store:
        assert_same(store.get("key"), make_shard(1, LARGE))
        assert [event.kind for event in store.drain_events()] == ["rebuilt"]


def flip_bits_of_the_index(folder: Path, chance: random.Random, count: int) -> None:
    database = folder / "cache.db"
    content = bytearray(database.read_bytes())
    for _ in range(count):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    database.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("checked", [False, True])
def test_random_damage_to_the_index_never_gives_a_wrong_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checked: bool
) -> None:
    """Whatever flips: every get is right, or None; and right again after the daily check."""
    chance = random.Random(0)
    monkeypatch.setattr(cache.sweep, "EVERY_SECONDS", -1.0 if checked else 1e9)
    right = 0
    for trial in range(25):
        folder = tmp_path / str(trial)
        shards = [make_shard(index, LARGE if index % 2 else SMALL) for index in range(30)]
        with Store(folder) as store:
            for index, shard in enumerate(shards):
                store.put(shard_key({}, index), shard)
        flip_bits_of_the_index(folder, chance, count=1 + 2 * trial)
        with Store(folder) as store:
            for index, shard in enumerate(shards):
                found = store.get(shard_key({}, index))
                if found is not None:
                    assert_same(found, shard)
                    right += 1
            for index, shard in enumerate(shards):
                store.put(shard_key({}, index), shard)
            for index, shard in enumerate(shards):
                found = store.get(shard_key({}, index))
                if found is not None or checked:
                    assert_same(found, shard)
    assert right > 100


def test_an_index_ruined_under_an_open_store(folder: Path) -> None:
    with Store(folder) as store, Store(folder) as other:
        for index in range(50):
            store.put(shard_key({}, index), make_shard(index, LARGE))
        store.close()
        other.close()
        content = (folder / "cache.db").read_bytes()
        (folder / "cache.db").write_bytes(content[:5000] + bytes(len(content) - 5000))
        for opened in (store, other):
            for index in range(50):
                found = opened.get(shard_key({}, index))
                if found is not None:
                    assert_same(found, make_shard(index, LARGE))
        # The first read notices; from then on the files answer again, in both.
        for opened in (store, other):
            assert_same(opened.get(shard_key({}, 49)), make_shard(49, LARGE))
        assert "rebuilt" in [event.kind for event in store.drain_events()]


def test_sweep_adopts_whole_files_and_removes_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(folder) as store:
        store.put("kept", make_shard(1, LARGE))
        store.put("forgotten", make_shard(2, LARGE))
        edit(folder, "DELETE FROM Cache WHERE key = 'shard:forgotten'")
        torn = folder / "ab" / ("0" * 30 + ".val")
        torn.parent.mkdir(exist_ok=True)
        torn.write_bytes(b"TAILSC01 torn")
        assert cache.sweep.sweep(folder, store._cache) == 0, "young files are left alone"
        assert torn.exists()
        assert cache.sweep.sweep(folder, store._cache, settled_seconds=0) == 1
        assert not torn.exists()
        assert_same(store.get("forgotten"), make_shard(2, LARGE))
        assert len(list(folder.glob("*/*.val"))) == 2
    assert not cache.sweep.is_due(folder)
    monkeypatch.setattr(cache.sweep, "EVERY_SECONDS", -1.0)
    assert cache.sweep.is_due(folder)
