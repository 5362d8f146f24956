"""The catalogue: what it keeps of runs and audits, and what a deletion leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cache import MemoryStore, Shard, Store
from core.audit.spec import AuditModel, AuditSpec, audit_id
from core.errors import SpecError
from core.queries.query import Query
from core.runs import catalogue
from core.runs.catalogue import (
    Entry,
    audit_entry,
    audits_folder,
    delete,
    entries,
    find,
    keys_of,
    remember,
    short_title,
)
from core.sampling.shards import AnyStore
from core.settings.user import UserSettings, save_user_settings, user_settings

QUERIES = (Query("a", "open the vault", "g"), Query("b", "brew the serum", "g"))


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> AnyStore:
    return MemoryStore() if request.param == "memory" else Store(tmp_path / "cache")


def entry(id: str, saved: str = "2026-01-01T00:00:00+00:00", **more: object) -> Entry:
    return Entry(**{"kind": "run", "id": id, "saved": saved, "title": id, "spec": {}, **more})


def fill(store: AnyStore, sample: str, shards: int = 2) -> None:
    """Shards of a sample, and their scores by two judges."""
    shard = Shard(arrays={"scores": np.zeros(3)})
    for number in range(shards):
        name = f"{sample}/{number * 250:09d}-{(number + 1) * 250:09d}"
        store.put(name, shard)
        for judge in ("j1", "j2"):
            store.put(f"scores/{judge}/{name}", shard)


def test_entries_come_newest_first_and_survive_garbage(store: AnyStore) -> None:
    remember(store, entry("old", "2026-01-01T00:00:00+00:00"))
    remember(store, entry("new", "2026-02-01T00:00:00+00:00"))
    store.put_json("catalogue/run/odd", {"from": "another version"})
    store.put_json("catalogue/run/none", [1, 2])
    assert [one.id for one in entries(store)] == ["new", "old"]
    assert find(store, "run", "odd") is None
    assert find(store, "audit", "old") is None


def test_keys_are_added_up_and_the_rest_is_replaced(store: AnyStore) -> None:
    remember(store, entry("one", rows=500, seconds_per_answer=0.1), ["k1"])
    remember(store, entry("one", rows=250, title="again"), ["k2"])
    assert keys_of(store, "run", "one") == ("k1", "k2")
    found = find(store, "run", "one")
    assert found is not None
    assert (found.title, found.rows, found.seconds_per_answer) == ("again", 500, 0.1)


def test_the_list_reads_no_keys_and_no_shards(
    store: AnyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(store, entry("one"), ["k1"])
    fill(store, "k1")
    asked: list[str] = []
    real = store.get_json

    def get_json(key: str) -> object:
        asked.append(key)
        return real(key)

    monkeypatch.setattr(store, "get_json", get_json)
    monkeypatch.setattr(store, "get", lambda key: pytest.fail(f"a shard was read: {key}"))
    assert len(entries(store)) == 1
    assert asked == ["catalogue/run/one"]


def test_a_deletion_frees_what_nobody_else_uses_and_nothing_more(store: AnyStore) -> None:
    for sample in ("mine", "shared", "mine-too", "others"):
        fill(store, sample)
    remember(store, entry("one"), ["mine", "shared"])
    remember(store, entry("two"), ["shared"])
    store.put_json("runs/one", {})
    store.put_json("runs/two", {})
    assert delete(store, "run", "one") == 2 * 3
    left = {key.split("/")[-2] for key in store.keys("")}
    assert left == {"shared", "mine-too", "others"}
    assert len(store.keys("")) == 3 * 2 * 3
    assert [one.id for one in entries(store)] == ["two"]
    assert keys_of(store, "run", "one") == ()
    assert store.json_keys("runs/") == ["runs/two"]
    assert delete(store, "run", "two") == 2 * 3


def test_an_audit_and_a_run_of_one_id_are_two(store: AnyStore) -> None:
    fill(store, "k")
    remember(store, entry("same"), ["k"])
    remember(store, entry("same", kind="audit"), ["k"])
    assert delete(store, "run", "same") == 0
    assert [one.kind for one in entries(store)] == ["audit"]
    assert delete(store, "audit", "same") == 2 * 3


def test_only_the_apps_own_folders_go(
    store: AnyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path / "home"))
    spec = AuditSpec(models=(AuditModel(name="aster"), AuditModel(name="briar")))
    own, elsewhere = audits_folder() / audit_id(spec, QUERIES), tmp_path / "cli"
    for folder in (own, elsewhere):
        folder.mkdir(parents=True)
        (folder / "results.parquet").write_bytes(b"x")
        (folder / "manifest.json").write_text("{}")
    one = audit_entry(spec, QUERIES, elsewhere, rows=10, status="finished")
    assert one.title == "2 misuse queries: aster, briar"
    remember(store, one)
    delete(store, "audit", one.id)
    assert elsewhere.exists()
    assert not own.exists()


def test_what_else_lies_in_a_folder_stays(
    store: AnyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path / "home"))
    folder = audits_folder() / "0123"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    (folder / "results.parquet").write_bytes(b"x")
    remember(store, entry("0123", kind="audit", folder=str(folder)))
    delete(store, "audit", "0123")
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_store_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    full = Store(tmp_path / "cache", size_limit=1)
    remember(full, entry("one"), ["k"])
    assert entries(full) == []
    assert full.drain_events()


def test_a_title_is_one_short_line() -> None:
    assert short_title("a\n b") == "a b"
    assert len(short_title("x" * 500)) == catalogue.TITLE_CHARACTERS


def test_a_limit_is_kept_and_garbage_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path / "home"))
    assert user_settings().store_limit is None
    save_user_settings(UserSettings(store_limit=5_000_000))
    assert user_settings().store_limit == 5_000_000
    with pytest.raises(SpecError, match="store_limit must be at least 1,000,000 bytes, got 5"):
        UserSettings.build(store_limit=5)
    (tmp_path / "home" / "settings.json").write_text("{")
    with pytest.raises(SpecError, match="cannot be read"):
        user_settings()
