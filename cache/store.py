"""The store: shards and JSON values by key, on disk, shared by any number of processes.

Every entry is sealed with a checksum and written in one transaction: a killed process loses at most the
entry it was writing, and an entry that has changed since is dropped and reported, never used.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import diskcache

from cache.disk import BytesCache, ReadOnlyBytesCache
from cache.errors import DamagedError, EventKind, StoreError, StoreEvent, UnreadableError
from cache.faults import ADVICE, fault, fault_kind
from cache.folder import DATABASE, is_writable, locked, make_private, make_private_file
from cache.memory import MemoryStore
from cache.seal import seal, unseal
from cache.shard import Shard, decode, encode
from cache.sweep import is_due, sweep

T = TypeVar("T")
DISK_ERRORS = (OSError, sqlite3.Error, diskcache.Timeout)
SHARD = "shard:"
JSON = "json:"


def default_folder() -> Path:
    """Returns $TAILSCOPE_CACHE, or Tailscope's folder in the user's cache folder."""
    named = os.environ.get("TAILSCOPE_CACHE")
    if named:
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tailscope"
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "tailscope"


def open_store(
    path: Path | str | None = None, *, size_limit: int | None = None
) -> Store | MemoryStore:
    """Returns a store on disk, or one in memory whose first event says why it is not on disk."""
    try:
        return Store(path, size_limit=size_limit)
    except StoreError as error:
        store = MemoryStore()
        store.report(
            StoreEvent(error.kind, "", f"{error} Until then results last only as long as the app.")
        )
        return store


class Store:
    """Shards and JSON values on disk.

    Args: path, its folder (`default_folder()` if None); size_limit, in bytes, at which `put`
        refuses (nothing is ever evicted); timeout, in seconds, to wait for another process.
    Attributes: path; read_only, whether only reading is possible (an event says why).

    Raises: StoreError if the folder cannot even be read, or is not safe to use.
    """

    def __init__(
        self,
        path: Path | str | None = None,
        *,
        size_limit: int | None = None,
        timeout: float = 30.0,
    ) -> None:
        given = default_folder() if path is None else path
        # diskcache expands variables in its folder's name, so that is done before any check.
        self.path = Path(os.path.expandvars(os.path.expanduser(given))).absolute()
        self.size_limit = size_limit
        self.read_only = False
        self._timeout = timeout
        self._events: list[StoreEvent] = []
        self._reported_kinds: set[EventKind] = set()
        self._lock = threading.RLock()
        self._cache = self._open()

    def get(self, key: str) -> Shard | None:
        """Returns the shard under key, or None.

        A damaged entry counts as none: it is dropped and reported by `drain_events`.
        """
        return self._load(SHARD + key, decode)

    def put(self, key: str, shard: Shard) -> None:
        """Keeps shard under key, in place of what was there.

        Raises: StoreError if it could not be saved; what was there before is then still there.
        """
        self._save(SHARD + key, encode(shard))

    def get_json(self, key: str) -> Any | None:
        """Returns the JSON value under key, or None, as `get` does; shards have keys of their own."""
        return self._load(JSON + key, _parse_json)

    def put_json(self, key: str, value: Any) -> None:
        """Keeps a JSON value under key. Raises: as `put`; ValueError for NaN or infinity."""
        self._save(JSON + key, json.dumps(value, allow_nan=False).encode("utf-8"))

    def put_json_if(self, key: str, value: Any, accepts: Callable[[Any | None], bool]) -> bool:
        """Stores a JSON value if `accepts` is true of the present one; returns whether it was stored.

        No other process writes in between. accepts: takes the present value, or None.

        Raises: as `put_json`.
        """
        self._refuse_if_read_only()
        label = JSON + key
        sealed = seal(label, json.dumps(value, allow_nan=False).encode("utf-8"))
        try:
            with self._cache.transact(retry=True):
                if not accepts(self.get_json(key)):
                    return False
                self._refuse_beyond_limit(len(sealed))
                self._set(label, sealed)
        except DISK_ERRORS as error:
            raise self._refusal(error) from error
        return True

    def keys(self, prefix: str = "") -> list[str]:
        """Returns the keys of shards that begin with prefix, sorted."""
        return self._keys(SHARD, prefix)

    def json_keys(self, prefix: str = "") -> list[str]:
        """Returns the keys of JSON values that begin with prefix, sorted."""
        return self._keys(JSON, prefix)

    def drop(self, prefix: str) -> int:
        """Deletes every entry whose key begins with prefix, and returns how many there were.

        Raises: StoreError if the folder cannot be written.
        """
        labels = [SHARD + key for key in self.keys(prefix)]
        labels += [JSON + key for key in self.json_keys(prefix)]
        self._refuse_if_read_only()
        try:
            return sum(self._cache.delete(label) for label in labels)
        except DISK_ERRORS as error:
            raise self._refusal(error) from error

    def volume(self) -> int:
        """Returns the bytes on disk."""
        return int(self._cache.volume())

    def drain_events(self) -> list[StoreEvent]:
        """Returns the messages for the user since the last call, oldest first.

        A full, busy or read-only folder is reported once, and again only after a successful `put`.
        """
        with self._lock:
            events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Closes this thread's connection; the next call opens it again."""
        self._cache.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self) -> BytesCache:
        try:
            repaired = make_private(self.path)
            if repaired:
                self._report("permissions", "", repaired)
            if not is_writable(self.path):
                raise PermissionError(errno.EACCES, "Permission denied", str(self.path))
            with locked(self.path):
                return self._open_writable()
        except DISK_ERRORS as error:
            refusal = fault(error, self.path)
            if refusal.kind not in ("read_only", "full"):
                raise refusal from error
            return self._open_read_only(refusal)

    def _open_writable(self) -> BytesCache:
        database = self.path / DATABASE
        make_private_file(database)
        lost = database.stat().st_size == 0
        due = is_due(self.path)
        try:
            cache = BytesCache(self.path, self._timeout)
            cache.keys_from("")
            if due:
                cache.check_index()
        except sqlite3.DatabaseError as error:
            if fault_kind(error, self.path) != "damaged":
                raise
            self._set_index_aside()
            lost = True
            cache = BytesCache(self.path, self._timeout)
        self._inode = database.stat().st_ino
        if lost:
            self._rebuild_from_files(cache)
        elif due:
            sweep(self.path, cache)
        return cache

    def _open_read_only(self, why: StoreError) -> BytesCache:
        try:
            cache = ReadOnlyBytesCache(self.path, self._timeout)
        except DISK_ERRORS:
            raise why from None
        self.read_only = True
        self._report(why.kind, "", str(why))
        return cache

    def _set_index_aside(self) -> None:
        database = self.path / DATABASE
        database.replace(self.path / f"{DATABASE}.damaged")
        for ending in ("-wal", "-shm"):
            (self.path / f"{DATABASE}{ending}").unlink(missing_ok=True)
        make_private_file(database)

    def _rebuild_from_files(self, cache: BytesCache) -> None:
        adopted = sweep(self.path, cache, settled_seconds=0.0)
        damaged = (self.path / f"{DATABASE}.damaged").exists()
        if adopted or damaged:
            self._report(
                "rebuilt",
                "",
                f"The index of the cache folder {self.path} was damaged or missing; it was rebuilt "
                f"with {adopted} saved results, and others will be computed again.",
            )

    def _replace_damaged_index(self) -> None:
        """Opens a new index in place of a malformed one, unless another process already has."""
        with self._lock, locked(self.path):
            self._cache.close()
            if (self.path / DATABASE).stat().st_ino == self._inode:
                self._set_index_aside()
            self._cache = self._open_writable()

    def _load(self, label: str, parse: Callable[[memoryview], T]) -> T | None:
        try:
            return self._read(label, parse)
        except DamagedError:
            return self._drop_if_damaged(label, parse)
        except UnreadableError as error:
            message = (
                f"A saved result in {self.path} could not be read ({error}); it is computed again."
            )
            self._report("unreadable", label, message)
        except DISK_ERRORS as error:
            self._mend_or_report(error, label)
        return None

    def _read(self, label: str, parse: Callable[[memoryview], T]) -> T | None:
        sealed = self._cache.get(label)
        if sealed is None:
            return None
        name, body = unseal(sealed)
        if name != label:
            raise DamagedError("it belongs under another key")
        return parse(body)

    def _drop_if_damaged(self, label: str, parse: Callable[[memoryview], T]) -> T | None:
        # Read again with the store held: another process may have replaced the entry in between.
        damage: DamagedError | None = None
        try:
            if self.read_only:
                return self._read(label, parse)
            with self._cache.transact():
                try:
                    return self._read(label, parse)
                except DamagedError as error:
                    damage = error
                    self._cache.delete(label)
        except DamagedError as error:
            damage = error
        except (UnreadableError, *DISK_ERRORS) as error:
            self._mend_or_report(error, label)
        if damage is not None:
            message = f"A saved result in {self.path} was damaged ({damage}); it is computed again."
            self._report("damaged", label, message)
        return None

    def _save(self, label: str, body: bytes | bytearray) -> None:
        self._refuse_if_read_only()
        sealed = seal(label, body)
        try:
            self._refuse_beyond_limit(len(sealed))
            self._write(label, sealed)
        except DISK_ERRORS as error:
            raise self._refusal(error) from error
        with self._lock:
            self._reported_kinds.clear()

    def _write(self, label: str, sealed: bytes) -> None:
        try:
            self._set(label, sealed)
        except DISK_ERRORS as error:
            kind = fault_kind(error, self.path)
            if kind == "damaged":
                self._replace_damaged_index()
            elif kind != "full":
                raise
            # On a full disk, the failed first try may have freed the journal, which is often enough.
            self._set(label, sealed)

    def _set(self, label: str, sealed: bytes) -> None:
        try:
            self._cache.set(label, sealed)
        except DISK_ERRORS:
            self._cache.disk.discard_written()
            # A failed commit leaves its transaction open; closing rolls it back.
            self._cache.close()
            raise

    def _keys(self, kind: str, prefix: str) -> list[str]:
        try:
            return [label[len(kind) :] for label in self._cache.keys_from(kind + prefix)]
        except DISK_ERRORS as error:
            self._mend_or_report(error, "")
            return []

    def _refuse_if_read_only(self) -> None:
        if self.read_only:
            raise StoreError("read_only", self.path, ADVICE["read_only"].format(path=self.path))

    def _refuse_beyond_limit(self, size: int) -> None:
        if self.size_limit is None or self.volume() + size <= self.size_limit:
            return
        message = (
            f"Nothing more can be saved: the cache folder {self.path} has reached its limit of "
            f"{self.size_limit / 1e6:,.1f} MB; raise the limit or delete old runs."
        )
        self._report("limit", "", message)
        raise StoreError("limit", self.path, message)

    def _refusal(self, error: BaseException) -> StoreError:
        refusal = fault(error, self.path)
        self._report(refusal.kind, "", str(refusal))
        return refusal

    def _mend_or_report(self, error: BaseException, label: str) -> None:
        kind = fault_kind(error, self.path)
        if kind == "damaged" and not self.read_only:
            try:
                self._replace_damaged_index()
                return
            except DISK_ERRORS as second:
                error = second
        problem = fault(error, self.path)
        self._report(problem.kind, label, str(problem))

    def _report(self, kind: EventKind, label: str, message: str) -> None:
        key = label.partition(":")[2]
        with self._lock:
            if not key and kind in self._reported_kinds:
                return
            if not key:
                self._reported_kinds.add(kind)
            self._events.append(StoreEvent(kind, key, message))


def _parse_json(body: memoryview) -> Any:
    try:
        return json.loads(bytes(body))
    except ValueError as error:
        raise DamagedError(f"its content makes no sense ({error})") from error
