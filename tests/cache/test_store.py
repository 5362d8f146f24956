"""What a store promises on a good day."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cache import MemoryStore, Store, StoreError, default_folder, open_store, shard_key
from tests.cache.helpers import LARGE, SMALL, assert_same, make_shard

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["disk", "memory"])
def either(request: pytest.FixtureRequest, folder: Path) -> Store | MemoryStore:
    return Store(folder) if request.param == "disk" else MemoryStore()


@pytest.mark.parametrize("rows", [0, SMALL, LARGE])
def test_a_shard_comes_back_as_it_was(either: Store | MemoryStore, rows: int) -> None:
    assert either.get("key") is None
    either.put("key", make_shard(1, rows))
    assert_same(either.get("key"), make_shard(1, rows))
    either.put("key", make_shard(2, rows))
    assert_same(either.get("key"), make_shard(2, rows))
    assert either.drain_events() == []


def test_json_has_keys_of_its_own(either: Store | MemoryStore) -> None:
    verdicts = {"scores": [1.0, None, 0.25], "reason": "ü"}
    either.put_json("key", verdicts)
    assert either.get("key") is None
    assert either.get_json("key") == verdicts
    assert either.get_json("other") is None
    assert (either.keys(), either.json_keys()) == ([], ["key"])


def test_json_refuses_what_json_cannot_say(either: Store | MemoryStore) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        either.put_json("key", float("nan"))


def test_keys_and_drop_go_by_prefix(either: Store | MemoryStore) -> None:
    for spec in ("a", "a%", "ab"):
        for index in (10, 2):
            either.put(f"{spec}/{index:08d}", make_shard(index, SMALL))
    either.put_json("a/00000002/rules", [1])
    assert either.keys("a/") == ["a/00000002", "a/00000010"]
    assert len(either.keys()) == 6
    assert either.drop("a/") == 3
    assert either.keys() == ["a%/00000002", "a%/00000010", "ab/00000002", "ab/00000010"]
    assert either.json_keys() == []


def test_a_second_opening_finds_everything(folder: Path) -> None:
    with Store(folder) as first:
        for index in range(5):
            first.put(shard_key({}, index), make_shard(index))
    with Store(folder) as second:
        for index in range(5):
            assert_same(second.get(shard_key({}, index)), make_shard(index))
        assert second.drain_events() == []


def put_until_refused(store: Store) -> tuple[int, StoreError]:
    """Returns how many shards the store took, and its refusal."""
    for index in range(1000):
        try:
            store.put(shard_key({}, index), make_shard(index))
        except StoreError as refusal:
            return index, refusal
    raise AssertionError("the store took everything")


def test_the_limit_refuses_and_drops_nothing(folder: Path) -> None:
    with Store(folder, size_limit=200_000) as store:
        kept, refusal = put_until_refused(store)
        assert refusal.kind == "limit"
        assert "reached its limit of 0.2 MB; raise the limit or delete old runs" in str(refusal)
        assert str(folder) in str(refusal)
        assert kept > 3
        assert store.volume() <= 200_000
        assert len(store.keys()) == kept
        assert_same(store.get(shard_key({}, 0)), make_shard(0))
        assert [event.kind for event in store.drain_events()] == ["limit"]
        assert store.drop("") == kept
        store.put("key", make_shard(1))


def test_nothing_is_evicted_however_much_is_stored(store: Store) -> None:
    assert store._cache.eviction_policy == "none"
    assert store._cache.cull_limit == 0


WRITER = """
import sys
from cache import Store
from tests.cache.helpers import make_shard
who, folder = int(sys.argv[1]), sys.argv[2]
with Store(folder) as store:
    for index in range(40):
        store.put(f"{who}/{index:08d}", make_shard(100 * who + index))
        store.put("shared", make_shard(7))
        assert store.get("shared") is not None
    assert store.drain_events() == [], store.drain_events()
"""


def test_several_processes_share_one_store(folder: Path) -> None:
    # All four open the folder at once, before it exists.
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(who), str(folder)], cwd=ROOT)
        for who in range(4)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0, 0]
    with Store(folder) as store:
        assert len(store.keys()) == 161
        for who in range(4):
            for index in range(40):
                assert_same(store.get(f"{who}/{index:08d}"), make_shard(100 * who + index))
        assert store.drain_events() == []


def test_several_threads_share_one_store(store: Store) -> None:
    failures: list[BaseException] = []

    def work(who: int) -> None:
        try:
            for index in range(20):
                store.put(f"{who}/{index:08d}", make_shard(100 * who + index))
                assert_same(store.get(f"{who}/{index:08d}"), make_shard(100 * who + index))
        except BaseException as error:
            failures.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store.keys()) == 80


def test_a_store_held_too_long_says_so(folder: Path) -> None:
    with Store(folder) as holder, Store(folder, timeout=0.1) as waiter:
        holder.put("key", make_shard(1))
        failures: list[StoreError] = []

        def try_to_write() -> None:
            try:
                waiter.put("other", make_shard(2))
            except StoreError as error:
                failures.append(error)

        with holder._cache.transact():
            thread = threading.Thread(target=try_to_write)
            thread.start()
            thread.join()
            assert_same(waiter.get("key"), make_shard(1))
        (failure,) = failures
        assert failure.kind == "busy"
        assert "another process holds the cache folder" in str(failure)
        waiter.put("other", make_shard(2))
        assert len(list(folder.glob("*/*.val"))) == 2


def test_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILSCOPE_CACHE", "/named")
    assert default_folder() == Path("/named")
    monkeypatch.delenv("TAILSCOPE_CACHE")
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert default_folder() == Path("/home/ada/.cache/tailscope")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/ada")
    assert default_folder() == Path("/var/ada/tailscope")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_folder() == Path("/home/ada/.cache/tailscope")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_folder() == Path("/home/ada/Library/Caches/tailscope")


def test_open_store_falls_back_to_memory_and_says_why(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    store = open_store(file)
    assert isinstance(store, MemoryStore)
    (event,) = store.drain_events()
    assert str(file) in event.message
    assert "is not a folder" in event.message
    assert isinstance(open_store(tmp_path / "good"), Store)
