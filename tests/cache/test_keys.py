"""Keys: equal specs agree, different ones do not, and what JSON cannot say is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache import canonical_json, shard_key, spec_hash

ROOT = Path(__file__).parents[2]
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_hash_is_the_one_it_always_was() -> None:
    # A changed hash orphans every store in the world: raise KEY_VERSION when it is meant.
    assert spec_hash({"query": "open the larkspur vault", "temperature": 1.0, "top_k": None}) == (
        "a2ff029d590d398f0e24fb9615f6fdaf9631f1ce1c640c7f0241d4986b09e289"
    )


def test_order_of_keys_does_not_matter() -> None:
    assert spec_hash({"a": 1, "b": {"c": 2, "d": 3}}) == spec_hash({"b": {"d": 3, "c": 2}, "a": 1})


def test_order_of_lists_does() -> None:
    assert spec_hash({"layers": [1, 2]}) != spec_hash({"layers": [2, 1]})


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (0.0, -0.0), ((1, 2), [1, 2]), (0.1, np.float64(0.1)), (1e22, float("1e22"))],
)
def test_equal_values_have_one_spelling(one: object, other: object) -> None:
    assert canonical_json({"x": one}) == canonical_json({"x": other})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.1, 0.1 + 1e-17 + 2e-17),
        (1, True),
        (0, False),
        (0, None),
        ("1", 1),
        ("", None),
        ([], {}),
        (2**53 + 1, float(2**53)),
        ("é", "e\u0301"),
    ],
)
def test_different_values_differ(one: object, other: object) -> None:
    assert spec_hash({"x": one}) != spec_hash({"x": other})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_cannot_say_are_named(value: float) -> None:
    with pytest.raises(
        ValueError, match=r"spec\.proposal\.strength must be a finite number, got -?(nan|inf)"
    ):
        spec_hash({"proposal": {"strength": value}})


@pytest.mark.parametrize("value", [{1, 2}, b"raw", np.int64(3), np.zeros(2), object()])
def test_other_types_are_named(value: object) -> None:
    with pytest.raises(TypeError, match=r"spec\.x\[1\] is a \w+, which JSON cannot hold"):
        spec_hash({"x": [0, value]})


def test_keys_that_are_not_text_are_refused() -> None:
    with pytest.raises(TypeError, match="not text: 1"):
        spec_hash({"x": {1: 2}})


@given(PLAIN)
def test_hash_survives_a_round_trip_through_json(value: object) -> None:
    import json

    assert spec_hash({"x": json.loads(json.dumps(value))}) == spec_hash({"x": value})


def test_hash_is_the_same_in_another_process() -> None:
    spec = {"b": [0.1, 1e-7, "ü"], "a": {"z": None, "y": True}}
    code = f"from cache import spec_hash; print(spec_hash({spec!r}))"
    for seed in ("0", "1"):
        result = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout.strip() == spec_hash(spec)


def test_shard_keys_sort_by_index_under_the_hash() -> None:
    spec = {"query": "q"}
    keys = [shard_key(spec, index) for index in (0, 2, 10, 99_999_999)]
    assert keys == sorted(keys)
    assert keys[1] == shard_key(spec_hash(spec), 2) == f"{spec_hash(spec)}/00000002"


@pytest.mark.parametrize("index", [-1, 10**8])
def test_shard_index_outside_its_range_is_named(index: int) -> None:
    with pytest.raises(ValueError, match=f"shard index must be in 0..99999999, got {index}"):
        shard_key({}, index)
