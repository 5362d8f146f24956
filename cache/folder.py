"""The folder of a store: made private, and refused where somebody else could have written to it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cache.errors import StoreError

DATABASE = "cache.db"
TAG = "CACHEDIR.TAG"
LOCK = "lock"

# Backup tools skip folders that hold this: https://bford.info/cachedir/
TAG_TEXT = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# Samples and scores kept by Tailscope. Deleting this folder loses no settings, only time.\n"
)


def make_private(path: Path) -> str | None:
    """Makes path a folder that only its owner can reach, and returns what it repaired, if anything.

    Missing parents are made private too. Only an empty folder or an earlier store is taken over:
    changing the permissions of a folder with other things in it could lock people out of them.

    Raises: StoreError if path is no folder, is somebody else's, or holds other files.
    """
    try:
        _make_folders(path)
        state = path.stat()
        names = {entry.name for entry in os.scandir(path)} - {"lost+found"}
    except NotADirectoryError as error:
        raise StoreError(
            "unsafe",
            path,
            f"The cache {path} is not a folder; set TAILSCOPE_CACHE to another place.",
        ) from error
    if state.st_uid not in (os.geteuid(), 0):
        raise StoreError(
            "unsafe",
            path,
            f"The cache folder {path} belongs to another user (uid {state.st_uid}); "
            "set TAILSCOPE_CACHE to a folder of your own.",
        )
    if names and TAG not in names and DATABASE not in names:
        raise StoreError(
            "unsafe",
            path,
            f"The folder {path} already holds other files; "
            "set TAILSCOPE_CACHE to a new or empty folder.",
        )
    repaired = _close_to_others(path, state)
    _write_tag(path)
    return repaired


def is_writable(path: Path) -> bool:
    """Returns whether this process may make files in the folder."""
    # Where the system can tell, by the user that files are made as, not the one that began it.
    return os.access(path, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def make_private_file(path: Path) -> None:
    """Makes an empty file that only its owner can read, unless it exists.

    SQLite gives its journal files the mode of the database, so this covers them as well.

    Raises: StoreError for a link, or for a file of somebody else's.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    state = path.lstat()
    if not stat.S_ISREG(state.st_mode) or state.st_uid not in (os.geteuid(), 0):
        raise StoreError(
            "unsafe",
            path.parent,
            f"{path} is not a plain file of your own; remove it, or set TAILSCOPE_CACHE elsewhere.",
        )
    if state.st_mode & 0o077:
        path.chmod(0o600)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the folder's lock, so that only one process at a time opens, repairs or sweeps it."""
    handle = os.open(path / LOCK, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make_folders(path: Path) -> None:
    missing = []
    folder = path
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        # Another process may be making the same folder at this moment.
        with contextlib.suppress(FileExistsError):
            new.mkdir(mode=0o700)


def _close_to_others(path: Path, state: os.stat_result) -> str | None:
    open_to_others = stat.S_IMODE(state.st_mode) & 0o077
    if not open_to_others:
        return None
    try:
        path.chmod(0o700)
    except OSError as error:
        if open_to_others & 0o022:
            raise StoreError(
                "unsafe",
                path,
                f"Other users can write to the cache folder {path}, and its permissions cannot be "
                "changed; set TAILSCOPE_CACHE to a folder of your own.",
            ) from error
        return None
    could = "write to" if open_to_others & 0o022 else "look into"
    return f"Other users could {could} the cache folder {path}; it is private now."


def _write_tag(path: Path) -> None:
    tag = path / TAG
    if tag.exists():
        return
    make_private_file(tag)
    tag.write_text(TAG_TEXT, encoding="ascii")
