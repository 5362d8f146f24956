"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path to write to; at the end, what is there takes the place of the file at `path`.

    After an error the file at `path` is as it was, and nothing is left beside it.

    Raises:
        OSError: the file cannot take that place.
    """
    # In the same folder: only there is a rename one step.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
