"""The store's folder is private, and only ever a folder of its own."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from cache import Store, StoreError
from tests.cache.helpers import assert_same, make_shard


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("before", "could"), [(0o777, "write to"), (0o775, "write to"), (0o755, "look into")]
)
def test_a_store_open_to_others_is_closed_and_reported(
    folder: Path, before: int, could: str
) -> None:
    with Store(folder) as store:
        store.put("key", make_shard(1))
    folder.chmod(before)
    with Store(folder) as store:
        assert mode(folder) == 0o700
        (event,) = store.drain_events()
        assert event.kind == "permissions"
        assert (
            event.message
            == f"Other users could {could} the cache folder {folder}; it is private now."
        )
        assert_same(store.get("key"), make_shard(1))


def test_an_empty_folder_is_taken_over(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    Store(folder).close()
    assert mode(folder) == 0o700


def test_a_folder_with_other_files_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    tmp_path.chmod(0o755)
    with pytest.raises(StoreError, match="already holds other files") as caught:
        Store(tmp_path)
    assert caught.value.kind == "unsafe"
    assert str(tmp_path) in str(caught.value)
    assert mode(tmp_path) == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_parents_that_were_there_keep_their_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    Store(tmp_path / "a" / "b").close()
    assert [mode(path) for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")] == [
        0o755,
        0o700,
        0o700,
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(folder: Path) -> None:
    Store(folder).close()
    os.chown(folder, 12345, 12345)
    with pytest.raises(StoreError, match="belongs to another user \\(uid 12345\\)"):
        Store(folder)


def test_a_database_that_is_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    Store(folder).close()
    (folder / "cache.db").rename(tmp_path / "elsewhere.db")
    (folder / "cache.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(StoreError, match="is not a plain file of your own"):
        Store(folder)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(StoreError, match="is not a folder"):
            Store(place)


def test_home_and_variables_are_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WHERE", "deep")
    with Store("~/$WHERE/store") as store:
        assert store.path == tmp_path / "deep" / "store"
        store.put("key", make_shard(1))
        assert_same(store.get("key"), make_shard(1))


def test_backup_tools_know_the_folder(folder: Path) -> None:
    Store(folder).close()
    tag = (folder / "CACHEDIR.TAG").read_text()
    assert tag.startswith("Signature: 8a477f597d28d172789f06886806bc55")
