"""Shards to bytes and back: the same bits, no pickle, and nonsense refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cache import Shard
from cache.errors import DamagedError
from cache.seal import seal, unseal
from cache.shard import DTYPES, decode, encode
from tests.cache.helpers import assert_same, make_shard

ARRAYS = st.sampled_from(sorted(DTYPES)).flatmap(
    lambda name: hnp.arrays(DTYPES[name], hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
)


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=5), ARRAYS, max_size=4))
def test_any_shard_comes_back_as_it_was(arrays: dict[str, np.ndarray]) -> None:
    shard = Shard(arrays, {"note": "ü"})
    assert_same(decode(memoryview(bytes(encode(shard)))), shard)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.int32).reshape(3, 4).T,
        np.arange(12, dtype=np.float64)[::-2],
        np.arange(3, dtype=">f8"),
        np.float32([np.nan, np.inf, -0.0]),
    ],
    ids=["transposed", "strided", "big-endian", "not-finite"],
)
def test_layout_and_byte_order_do_not_matter(array: np.ndarray) -> None:
    found = decode(memoryview(bytes(encode(Shard({"x": array}))))).arrays["x"]
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype.newbyteorder("=")


def test_arrays_are_aligned_and_read_only() -> None:
    sealed = seal("shard:some key of odd length", encode(make_shard(1)))
    shard = decode(unseal(sealed)[1])
    for array in shard.arrays.values():
        assert array.flags.aligned
        with pytest.raises(ValueError, match="read-only"):
            array.flat[0] = 0


@pytest.mark.parametrize(
    "array",
    [np.array(["a"]), np.array([object()]), np.zeros(2, np.float16), np.zeros(2, "datetime64[s]")],
)
def test_other_dtypes_are_named(array: np.ndarray) -> None:
    message = (
        f"array 'x' must be one of int32, int64, float32, float64, bool, got {array.dtype.name}"
    )
    with pytest.raises(TypeError, match=re.escape(message)):
        encode(Shard({"x": array}))


def test_a_list_is_not_an_array() -> None:
    with pytest.raises(TypeError, match="array 'x' must be a numpy array, got list"):
        encode(Shard({"x": [1, 2]}))  # type: ignore[dict-item]


def test_every_flipped_bit_and_every_cut_is_noticed() -> None:
    sealed = seal("shard:key", encode(make_shard(2, rows=1)))
    assert unseal(sealed)[0] == "shard:key"
    for position in range(len(sealed)):
        flipped = bytearray(sealed)
        flipped[position] ^= 1 << (position % 8)
        with pytest.raises(DamagedError):
            unseal(bytes(flipped))
        with pytest.raises(DamagedError):
            unseal(sealed[:position])
    with pytest.raises(DamagedError):
        unseal(sealed + b"\0")


@given(st.binary(max_size=200))
def test_nonsense_is_damage_and_nothing_else(body: bytes) -> None:
    with pytest.raises(DamagedError):
        decode(memoryview(body))


@pytest.mark.parametrize(
    "header",
    [
        b'{"arrays": [{"name": "x", "dtype": "object", "shape": [1]}], "meta": {}}',
        b'{"arrays": [{"name": "x", "dtype": "int32", "shape": [99999999]}], "meta": {}}',
        b'{"arrays": 3, "meta": {}}',
        b"[]",
    ],
)
def test_headers_that_lie_are_damage(header: bytes) -> None:
    body = len(header).to_bytes(8, "little") + header + bytes(16)
    with pytest.raises(DamagedError):
        decode(memoryview(body))
