"""What a store reports: errors, which stop a call, and events, which do not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

EventKind = Literal[
    "damaged",  # an entry failed its checksum and was dropped: it will be computed again
    "unreadable",  # an entry exists, but the disk could not read it
    "rebuilt",  # the index was damaged and was rebuilt from the entries' own files
    "permissions",  # other users could reach the folder; it is private again
    "full",  # no space left on the disk
    "read_only",  # the folder cannot be written
    "limit",  # the store has reached its own size limit
    "busy",  # another process held the store for longer than the timeout
    "unsafe",  # the folder belongs to somebody else, or holds other files
    "broken",  # any other refusal of the disk or the database
]


class StoreError(Exception):
    """The store cannot or must not do what was requested; the message is one sentence for the user.

    Attributes: kind, as in `EventKind`; path, the store's folder.
    """

    def __init__(self, kind: EventKind, path: Path, message: str) -> None:
        super().__init__(message)
        self.kind: EventKind = kind
        self.path = path


class DamagedError(Exception):
    """Stored bytes differ from what was written; the message says how."""


class UnreadableError(Exception):
    """Stored bytes exist, but the disk cannot read them."""


@dataclass(frozen=True, slots=True)
class StoreEvent:
    """A message for the user. key: empty if it concerns the whole store."""

    kind: EventKind
    key: str
    message: str
