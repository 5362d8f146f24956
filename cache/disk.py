"""diskcache without pickle: text keys, byte values, and nothing else in either direction.

diskcache 5.6.3 unpickles whatever its database says is a pickle (CVE-2025-69872). Here a key that
is not text, a value that is not bytes, and a row of any other kind are refused.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import threading
from pathlib import Path

import diskcache
from diskcache.core import MODE_BINARY, MODE_RAW, UNKNOWN

from cache.errors import DamagedError, UnreadableError
from cache.folder import DATABASE

# Smaller values live in the database, larger ones in a file each.
INLINE_BELOW = 8 * 1024

# Nothing is ever evicted: a shard that vanished silently would be drawn again without notice.
SETTINGS = {
    "eviction_policy": "none",
    "cull_limit": 0,
    "size_limit": 2**62,
    "statistics": 0,
    "tag_index": 0,
    "disk_min_file_size": INLINE_BELOW,
    "sqlite_journal_mode": "wal",
    "sqlite_synchronous": 1,
    "sqlite_auto_vacuum": 1,
    "sqlite_cache_size": 2**11,
    # A truncated file under a memory map kills the process; a failed read only raises.
    "sqlite_mmap_size": 0,
}

VALUE_FILE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}\.val")


class BytesDisk(diskcache.Disk):  # type: ignore[misc]  # diskcache ships no types
    """Keys are text, values are bytes; value files are private and lie one folder deep."""

    def __init__(self, directory: str, min_file_size: int = INLINE_BELOW, **_: object) -> None:
        super().__init__(directory, min_file_size=min_file_size)
        self._written = threading.local()

    def put(self, key: object) -> tuple[str, bool]:
        """Returns a key in the form in which the database stores it."""
        if type(key) is not str:
            raise TypeError(f"a key must be text, got {type(key).__name__}")
        return key, True

    def get(self, key: object, raw: object) -> str:
        """Returns a key read from the database."""
        if type(key) is not str or not raw:
            raise DamagedError("its key is not text")
        return key

    def store(
        self, value: object, read: bool, key: object = UNKNOWN
    ) -> tuple[int, int, str | None, bytes | None]:
        """Returns the (size, mode, filename, value) columns; a large value goes to a file."""
        if type(value) is not bytes or read:
            raise TypeError(f"a value must be bytes, got {type(value).__name__}")
        self._written.path = None
        if len(value) < self.min_file_size:
            return 0, MODE_RAW, None, value
        filename, full_path = self.filename()
        self._written.path = full_path
        os.makedirs(os.path.dirname(full_path), mode=0o700, exist_ok=True)
        handle = os.open(full_path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(handle, "wb") as file:
            file.write(value)
        return len(value), MODE_BINARY, filename, None

    def fetch(self, mode: int, filename: str | None, value: object, read: bool) -> bytes:
        """Returns the bytes of a row.

        Raises: DamagedError for a row that `store` cannot have made, or whose file is gone;
        UnreadableError if the file is there but cannot be read (diskcache would hide an OSError).
        """
        if mode == MODE_RAW and type(value) is bytes:
            return value
        if (
            mode != MODE_BINARY
            or not isinstance(filename, str)
            or not VALUE_FILE.fullmatch(filename)
        ):
            raise DamagedError("its row in the database is not one that Tailscope writes")
        try:
            handle = os.open(self._full_path(filename), os.O_RDONLY | os.O_NOFOLLOW)
            with open(handle, "rb") as file:
                return file.read()
        except FileNotFoundError as error:
            raise DamagedError("its file is gone") from error
        except OSError as error:
            raise UnreadableError(error.strerror) from error

    def filename(self, key: object = UNKNOWN, value: object = UNKNOWN) -> tuple[str, str]:
        """Returns a fresh (name, full path) for a value file."""
        digits = os.urandom(16).hex()
        name = f"{digits[:2]}/{digits[2:]}.val"
        return name, self._full_path(name)

    def remove(self, file_path: object) -> None:
        """Removes a value file; anything else that a row may point to is left alone."""
        if isinstance(file_path, str) and VALUE_FILE.fullmatch(file_path):
            with contextlib.suppress(OSError):
                os.remove(self._full_path(file_path))

    def discard_written(self) -> None:
        """Removes the file that this thread wrote last, because its row was not committed."""
        path = getattr(self._written, "path", None)
        if path is not None:
            with contextlib.suppress(OSError):
                os.remove(path)

    def _full_path(self, name: str) -> str:
        return os.path.join(self._directory, name)


class BytesCache(diskcache.Cache):  # type: ignore[misc]  # diskcache ships no types
    """A writable diskcache of bytes."""

    def __init__(self, folder: Path, timeout: float) -> None:
        super().__init__(str(folder), timeout=timeout, disk=BytesDisk, **SETTINGS)

    def keys_from(self, prefix: str) -> list[str]:
        """Returns the keys that begin with prefix, sorted."""
        # The last code point that SQLite sorts; no key holds it.
        rows = self._sql(
            "SELECT key FROM Cache"
            " WHERE typeof(key) = 'text' AND key >= ? AND key < ? ORDER BY key",
            (prefix, prefix + "\U0010ffff"),
        )
        return [key for (key,) in rows]

    def check_index(self) -> None:
        """Reads the whole database; raises sqlite3.DatabaseError if it is inconsistent."""
        ((verdict,),) = self._sql("PRAGMA integrity_check(1)").fetchall()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"database disk image is malformed: {verdict}")

    def files_in_use(self) -> set[str]:
        """Returns the names of the value files that a row points to."""
        rows = self._sql("SELECT filename FROM Cache WHERE filename IS NOT NULL")
        return {name for (name,) in rows}


class ReadOnlyBytesCache(BytesCache):
    """A diskcache of bytes in a folder that cannot be written: changes no setting, makes no journal."""

    def __init__(self, folder: Path, timeout: float) -> None:
        # diskcache's own __init__ writes its settings; what reading needs is set here instead.
        self._directory = str(folder)
        self._timeout = timeout
        self._local = threading.local()
        self._txn_id = None
        self._disk = BytesDisk(str(folder))
        self.eviction_policy = "none"
        self.statistics = 0
        ((self._page_size,),) = self._sql("PRAGMA page_size").fetchall()

    @property
    def _con(self) -> sqlite3.Connection:
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.con = None
            self._local.pid = os.getpid()
        if self._local.con is None:
            self._local.con = _connect_read_only(Path(self._directory) / DATABASE, self._timeout)
        connection: sqlite3.Connection = self._local.con
        return connection


def _connect_read_only(database: Path, timeout: float) -> sqlite3.Connection:
    """Returns a connection that writes nothing.

    A plain read-only one sees what is still in the journal, but SQLite grants it only where the
    journal's index exists or can be made; "immutable" always works, and sees the database alone.
    """
    last: sqlite3.Error | None = None
    for option in ("mode=ro", "mode=ro&immutable=1"):
        try:
            connection = sqlite3.connect(
                f"{database.as_uri()}?{option}", uri=True, timeout=timeout, isolation_level=None
            )
            connection.execute("SELECT COUNT(*) FROM Settings").fetchall()
        except sqlite3.Error as error:
            last = error
        else:
            return connection
    assert last is not None
    raise last
