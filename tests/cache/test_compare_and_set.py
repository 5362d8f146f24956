"""`put_json_if`: of many who want a key at once, one gets it."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from cache import MemoryStore, Store, StoreError

KEYS = 40


def _wait_for(all_processes: Barrier) -> None:
    all_processes.wait()


def _grab(folder: Path, name: int) -> list[int]:
    with Store(folder) as store:
        return [
            key
            for key in range(KEYS)
            if store.put_json_if(f"key/{key}", name, lambda present: present is None)
        ]


@pytest.mark.slow
def test_of_many_processes_one_wins_each_key(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    together = spawn.Barrier(4, timeout=300)
    with ProcessPoolExecutor(4, spawn, _wait_for, (together,)) as pool:
        won = list(pool.map(_grab, [tmp_path / "store"] * 4, range(4)))
    assert sorted(key for keys in won for key in keys) == list(range(KEYS))
    with Store(tmp_path / "store") as store:
        for name, keys in enumerate(won):
            assert all(store.get_json(f"key/{key}") == name for key in keys)


@pytest.mark.parametrize("memory", [False, True], ids=["disk", "memory"])
def test_of_many_threads_one_wins_each_key(memory: bool, tmp_path: Path) -> None:
    store = MemoryStore() if memory else Store(tmp_path / "store")
    start, won = threading.Barrier(4), list[tuple[int, int]]()

    def grab(name: int) -> None:
        start.wait()
        for key in range(KEYS):
            if store.put_json_if(f"key/{key}", name, lambda present: present is None):
                won.append((key, name))
        store.close()

    threads = [threading.Thread(target=grab, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key for key, _ in won) == list(range(KEYS))
    assert all(store.get_json(f"key/{key}") == name for key, name in won)
    store.close()


def test_no_count_is_lost(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:

        def add() -> None:
            for _ in range(50):
                while True:
                    before = store.get_json("count") or 0
                    if store.put_json_if("count", before + 1, lambda p, b=before: (p or 0) == b):
                        break
            store.close()

        threads = [threading.Thread(target=add) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.get_json("count") == 150


def test_what_is_refused_leaves_what_was_there(tmp_path: Path) -> None:
    seen: list[Any] = []

    def refuse(present: Any) -> bool:
        seen.append(present)
        return False

    for store in (Store(tmp_path / "store"), MemoryStore()):
        store.put_json("a", {"x": 1})
        assert not store.put_json_if("a", 2, refuse)
        assert not store.put_json_if("b", 2, refuse)
        assert (store.get_json("a"), store.get_json("b")) == ({"x": 1}, None)
        assert store.put_json_if("a", 2, lambda present: present == {"x": 1})
        assert store.get_json("a") == 2
        store.close()
    assert seen == [{"x": 1}, None] * 2


def test_a_store_at_its_limit_refuses(tmp_path: Path) -> None:
    with Store(tmp_path / "store", size_limit=1) as store:
        with pytest.raises(StoreError, match="has reached its limit"):
            store.put_json_if("a", 1, lambda present: True)
        assert store.get_json("a") is None


def test_an_error_in_the_question_changes_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        store.put_json("a", 1)
        with pytest.raises(ZeroDivisionError):
            store.put_json_if("a", 2, lambda present: 1 // 0 > 0)
        assert store.get_json("a") == 1
        store.put_json("a", 3)
        assert store.get_json("a") == 3
