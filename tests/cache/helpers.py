"""Shards that depend on a seed alone, and how to compare them."""

from __future__ import annotations

import numpy as np

from cache import Shard

# 64 rows of 20 tokens go to a file of their own; 4 rows stay inside the database.
LARGE = 64
SMALL = 4


def make_shard(seed: int, rows: int = LARGE) -> Shard:
    """Returns the shard that belongs to seed."""
    rng = np.random.default_rng(seed)
    return Shard(
        {
            "tokens": rng.integers(0, 768, (rows, 20), dtype=np.int32),
            "log_p": rng.standard_normal((rows, 20)).astype(np.float32),
            "log_weight": rng.standard_normal(rows),
            "length": rng.integers(1, 21, rows, dtype=np.int64),
            "stopped": rng.random(rows) < 0.5,
        },
        {"seed": seed, "query": "open the larkspur vault"},
    )


def assert_same(found: Shard | None, expected: Shard) -> None:
    """Fails unless both hold the same bits."""
    assert found is not None
    assert dict(found.meta) == dict(expected.meta)
    assert list(found.arrays) == list(expected.arrays)
    for name, array in expected.arrays.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)
