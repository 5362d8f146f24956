"""What a store tells its user: errors that stop a call, and events that do not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

EventKind = Literal[
    "damaged",  # an entry failed its checksum and was dropped: it will be computed again
    "unreadable",  # an entry is there, but the disk would not hand it over
    "rebuilt",  # the index was damaged and made anew from the entries' own files
    "permissions",  # others could reach the folder; it is private again
    "full",  # no space left on the disk
    "read_only",  # the folder cannot be written
    "limit",  # the store has reached its own size limit
    "busy",  # another process held the store for longer than the timeout
    "unsafe",  # the folder belongs to somebody else, or holds other files
    "broken",  # anything else the disk or the database refused
]


class StoreError(Exception):
    """The store refuses, or cannot do, what was asked; the message is one sentence for the user.

    Attributes: kind, as in `EventKind`; path, the store's folder.
    """

    def __init__(self, kind: EventKind, path: Path, message: str) -> None:
        super().__init__(message)
        self.kind: EventKind = kind
        self.path = path


class DamagedError(Exception):
    """Stored bytes are not what was written; the message says what is wrong with them."""


class UnreadableError(Exception):
    """Stored bytes are there, but the disk does not hand them over."""


@dataclass(frozen=True, slots=True)
class StoreEvent:
    """Something the user should hear of. key is empty if the event concerns the whole store."""

    kind: EventKind
    key: str
    message: str
