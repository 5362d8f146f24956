"""Errors of the disk or the database: from an exception to its kind and to a sentence."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from cache.errors import EventKind, StoreError
from cache.folder import is_writable

_ERRNO: dict[int, EventKind] = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EROFS: "read_only",
    errno.EACCES: "read_only",
    errno.EPERM: "read_only",
}
_SQLITE: dict[int, EventKind] = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_PERM: "read_only",
    sqlite3.SQLITE_BUSY: "busy",
    sqlite3.SQLITE_LOCKED: "busy",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
}
_TEXT: dict[str, EventKind] = {
    "disk is full": "full",
    "readonly database": "read_only",
    "database is locked": "busy",
    "not a database": "damaged",
    "malformed": "damaged",
    "decode to UTF-8": "damaged",
}
ADVICE: dict[EventKind, str] = {
    "full": "Nothing more can be saved: the disk with the cache folder {path} is full; "
    "free some space, or set TAILSCOPE_CACHE to a folder on another disk.",
    "read_only": "Nothing can be saved: the cache folder {path} cannot be written; "
    "change its permissions, or set TAILSCOPE_CACHE to another place.",
    "busy": "This result was not saved: another process holds the cache folder {path}; "
    "try again when it is done.",
    "damaged": "The index of the cache folder {path} is damaged and cannot be rebuilt "
    "({error}); delete the folder, or set TAILSCOPE_CACHE to another place.",
    "broken": "The cache folder {path} cannot be used ({error}); "
    "set TAILSCOPE_CACHE to another place.",
}


def fault_kind(error: BaseException, folder: Path) -> EventKind:
    """Returns the kind of fault that an OSError, sqlite3.Error or diskcache.Timeout stands for.

    diskcache turns every failure to begin a transaction into a Timeout, and a failed rollback hides the
    failure before it; so the chained errors are examined too, the oldest first.
    """
    for link in reversed(list(_chain(error))):
        kind = _own_kind(link)
        if kind is not None:
            return kind
    # Where SQLite cannot make its journal, it reports only "disk I/O error" or "unable to open".
    if not is_writable(folder):
        return "read_only"
    if _no_space(folder):
        return "full"
    return "busy" if type(error).__name__ == "Timeout" else "broken"


def fault(error: BaseException, folder: Path) -> StoreError:
    """Returns the StoreError that describes an error to the user."""
    kind = fault_kind(error, folder)
    return StoreError(kind, folder, ADVICE[kind].format(path=folder, error=error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _own_kind(error: BaseException) -> EventKind | None:
    if isinstance(error, OSError):
        return _ERRNO.get(error.errno or 0)
    if isinstance(error, sqlite3.Error):
        # The low byte is the primary code; errors that Python raises itself have none.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        by_text = (kind for text, kind in _TEXT.items() if text in str(error))
        return _SQLITE.get(code) or next(by_text, None)
    return None


def _no_space(folder: Path) -> bool:
    try:
        state = os.statvfs(folder)
    except OSError:
        return False
    return state.f_bavail * state.f_frsize < 64 * 1024
