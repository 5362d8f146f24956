"""Results kept on disk: keys, sealed bytes and the store. It imports neither core nor Streamlit."""

from cache.errors import EventKind, StoreError, StoreEvent
from cache.keys import canonical_json, shard_key, spec_hash
from cache.memory import MemoryStore
from cache.shard import Shard
from cache.store import Store, default_folder, open_store

__all__ = [
    "EventKind",
    "MemoryStore",
    "Shard",
    "Store",
    "StoreError",
    "StoreEvent",
    "canonical_json",
    "default_folder",
    "open_store",
    "shard_key",
    "spec_hash",
]
