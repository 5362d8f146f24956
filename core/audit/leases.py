"""Leases: processes that share a store agree who draws which shard, so that none is drawn twice.

A lease holds as long as its owner lives. An owner on this machine is alive while its process is; one
elsewhere while it renews its sign of life.
"""

import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from cache import StoreError
from core.sampling.shards import AnyStore

RENEWED_EVERY = 5.0  # seconds
# A machine that sleeps or swaps may be late by a few renewals.
SILENCE = 60.0


@dataclass(frozen=True)
class Owner:
    """One process at one audit."""

    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    def to_json(self) -> dict[str, Any]:
        """Returns what a lease says of its owner."""
        return {"host": self.host, "pid": self.pid, "token": self.token}


class Leases:
    """The leases of one process in a store. Use as a context: leaving it ends its signs of life."""

    def __init__(self, store: AnyStore, owner: Owner | None = None) -> None:
        self.owner = owner or Owner()
        self._store = store
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="leases", daemon=True)

    def __enter__(self) -> "Leases":
        self._sign()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        try:
            self._store.drop(f"alive/{self.owner.token}")
        except StoreError:
            return

    def take(self, name: str) -> bool:
        """Returns whether this process may do a piece of work; false while another one is at it.

        In a store that cannot be written no lease can be kept: the work is done here.
        """
        try:
            return self._store.put_json_if(_key(name), self.owner.to_json(), self._is_free)
        except StoreError:
            return True

    def release(self, name: str) -> None:
        """Gives a lease back: the work is done and stored, or will not be done here."""
        try:
            if self._store.get_json(_key(name)) == self.owner.to_json():
                self._store.drop(_key(name))
        except StoreError:
            return

    def _is_free(self, lease: Any | None) -> bool:
        return lease is None or lease == self.owner.to_json() or not self._alive(lease)

    def _alive(self, lease: Any) -> bool:
        try:
            host, pid, token = lease["host"], int(lease["pid"]), lease["token"]
        except (KeyError, TypeError, ValueError):
            return False
        signed = self._store.get_json(f"alive/{token}")
        # Also on this machine: another process may have been given the dead one's number since.
        if not isinstance(signed, int | float) or time.time() - signed > SILENCE:
            return False
        return host != self.owner.host or _runs(pid)

    def _sign(self) -> None:
        try:
            self._store.put_json(f"alive/{self.owner.token}", time.time())
        except StoreError:
            return

    def _renew(self) -> None:
        while not self._stopped.wait(RENEWED_EVERY):
            self._sign()


def _key(name: str) -> str:
    # With an end of its own: dropping a key drops all that begin with it.
    return f"claims/{name}/"


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
