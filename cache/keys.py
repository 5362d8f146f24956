"""Cache keys: the hash of a spec's canonical JSON, and the name of a shard under it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping

# Raise this when the meaning of a stored shard changes: old entries are then never found again.
KEY_VERSION = 1

# Every whole number up to here has a float of its own, so 1 and 1.0 can share one spelling.
LARGEST_EXACT_FLOAT = 2**53


def canonical_json(value: object) -> str:
    """Returns the one JSON text of value, whatever the order of its keys.

    Numbers are spelled as in RFC 8785: 1.0 as 1, -0.0 as 0, any other float by its shortest repr.
    Tuples count as lists.

    Raises: ValueError for NaN or infinity, TypeError for anything JSON has no word for.
    """
    return json.dumps(_plain(value, "spec"), sort_keys=True, separators=(",", ":"))


def spec_hash(spec: Mapping[str, object]) -> str:
    """Returns the 64 hex digits that stand for spec: equal specs agree, on any machine."""
    text = f"tailscope-spec-{KEY_VERSION}\n{canonical_json(spec)}"
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def shard_key(spec: Mapping[str, object] | str, index: int) -> str:
    """Returns the key of a spec's shard; the spec may be given by its hash.

    Keys of one spec sort by index, and share the prefix `spec_hash(spec) + "/"`.
    """
    if not 0 <= index < 10**8:
        raise ValueError(f"shard index must be in 0..99999999, got {index}")
    digest = spec if isinstance(spec, str) else spec_hash(spec)
    return f"{digest}/{index:08d}"


def _plain(value: object, where: str) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _plain_float(float(value), where)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{where} has a key that is not text: {key!r}")
        return {str.__str__(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise TypeError(f"{where} is a {type(value).__name__}, which JSON cannot hold: {value!r}")


def _plain_float(value: float, where: str) -> float | int:
    if not math.isfinite(value):
        raise ValueError(f"{where} must be a finite number, got {value!r}")
    if value.is_integer() and abs(value) <= LARGEST_EXACT_FLOAT:
        return int(value)
    return value
