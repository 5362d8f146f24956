"""Value files without a row: adopted if they are intact, removed if they are not.

A process killed between writing a file and committing its row leaves one such file behind; a lost index
leaves all of them. Every file holds its own key, so nothing in them has to be computed again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from cache.disk import VALUE_FILE, BytesCache
from cache.errors import DamagedError
from cache.seal import unseal

MARK = "swept"
EVERY_SECONDS = 24 * 3600.0
# A younger file may belong to a process that is about to commit its row.
SETTLED_SECONDS = 3600.0


def is_due(folder: Path) -> bool:
    """Returns whether the last sweep was more than a day ago."""
    try:
        return time.time() - (folder / MARK).stat().st_mtime > EVERY_SECONDS
    except FileNotFoundError:
        return True


def sweep(folder: Path, cache: BytesCache, settled_seconds: float = SETTLED_SECONDS) -> int:
    """Adopts or removes the value files that no row points to, and returns how many it adopted."""
    in_use = cache.files_in_use()
    known = set(cache.keys_from(""))
    adopted = 0
    # Listed before anything is adopted, because an adopted entry gets a new file that is in use.
    for name in list(_value_files(folder)):
        if name in in_use:
            continue
        path = folder / name
        # Another process may have removed the file since it was listed.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime < settled_seconds:
                continue
            label, sealed = _intact(path)
            if label is not None and label not in known:
                cache.set(label, sealed)
                known.add(label)
                adopted += 1
            path.unlink()
    (folder / MARK).touch(mode=0o600)
    return adopted


def _value_files(folder: Path) -> Iterator[str]:
    for path in folder.glob("[0-9a-f][0-9a-f]/*.val"):
        name = path.relative_to(folder).as_posix()
        if VALUE_FILE.fullmatch(name) and not path.is_symlink():
            yield name


def _intact(path: Path) -> tuple[str | None, bytes]:
    sealed = path.read_bytes()
    try:
        return unseal(sealed)[0], sealed
    except DamagedError:
        return None, b""
