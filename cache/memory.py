"""A store in memory, for tests and for machines without a usable disk."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from cache.errors import StoreEvent
from cache.shard import Shard


class MemoryStore:
    """The methods of `Store`, with everything kept in memory until the process ends."""

    path = None
    read_only = False

    def __init__(self) -> None:
        self._shards: dict[str, Shard] = {}
        self._json: dict[str, str] = {}
        self._events: list[StoreEvent] = []
        self._lock = threading.Lock()

    def get(self, key: str) -> Shard | None:
        """Returns the shard under key, or None."""
        return self._shards.get(key)

    def put(self, key: str, shard: Shard) -> None:
        """Keeps shard under key."""
        self._shards[key] = shard

    def get_json(self, key: str) -> Any | None:
        """Returns the JSON value under key, or None."""
        text = self._json.get(key)
        return None if text is None else json.loads(text)

    def put_json(self, key: str, value: Any) -> None:
        """Keeps a JSON value under key."""
        self._json[key] = json.dumps(value, allow_nan=False)

    def put_json_if(self, key: str, value: Any, accepts: Callable[[Any | None], bool]) -> bool:
        """Stores a JSON value if `accepts` is true of the present one; returns whether it was stored."""
        with self._lock:
            if not accepts(self.get_json(key)):
                return False
            self.put_json(key, value)
            return True

    def keys(self, prefix: str = "") -> list[str]:
        """Returns the keys of shards that begin with prefix, sorted."""
        return sorted(key for key in self._shards if key.startswith(prefix))

    def json_keys(self, prefix: str = "") -> list[str]:
        """Returns the keys of JSON values that begin with prefix, sorted."""
        return sorted(key for key in self._json if key.startswith(prefix))

    def drop(self, prefix: str) -> int:
        """Deletes every entry whose key begins with prefix and returns how many there were."""
        shards, values = self.keys(prefix), self.json_keys(prefix)
        for key in shards:
            del self._shards[key]
        for key in values:
            del self._json[key]
        return len(shards) + len(values)

    def volume(self) -> int:
        """Returns the bytes held."""
        return sum(s.nbytes for s in self._shards.values()) + sum(map(len, self._json.values()))

    def report(self, event: StoreEvent) -> None:
        """Adds an event for the user."""
        self._events.append(event)

    def drain_events(self) -> list[StoreEvent]:
        """Returns the events since the last call, oldest first."""
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Does nothing; there to match `Store`."""
