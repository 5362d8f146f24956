"""Batches on a slow model: so small that they end within seconds, and larger only where that pays."""

from collections.abc import Callable

import pytest

import core.models.batch_sizes as sizes_module
from core.models.batch_sizes import FIRST_ROWS, BatchSizes, batch_sizes
from core.models.spec import LoadingSpec
from tests.models.tiny_models import tiny_model


def settled(seconds: Callable[[int], float], batches: int = 12) -> list[int]:
    """Returns the sizes that follow when a batch of n rows takes `seconds(n)`."""
    sizes, found = BatchSizes(), []
    for _ in range(batches):
        found.append(sizes.size)
        sizes.took(sizes.size, seconds(sizes.size))
    return found


def test_sizes_grow_while_a_batch_is_short() -> None:
    assert settled(lambda rows: 0.01 * rows)[:4] == [16, 32, 64, 128]


def test_a_larger_batch_that_is_no_faster_a_row_is_given_up() -> None:
    assert settled(lambda rows: 0.3 * rows) == [16, 32] + [16] * 10


def test_a_slow_batch_is_made_no_larger_without_need() -> None:
    assert settled(lambda rows: 1.0 * rows) == [16] * 12


def test_a_larger_batch_in_the_time_of_a_small_one_is_kept() -> None:
    """As on a machine that waits for its memory and not for its arithmetic."""
    assert settled(lambda rows: 5.0 + 0.001 * rows)[:5] == [16, 32, 64, 128, 256]


def test_a_machine_that_becomes_slower_gets_smaller_batches() -> None:
    sizes = BatchSizes()
    for seconds in (1.0, 1.9, 7.0):
        sizes.took(sizes.size, seconds)
    assert sizes.size == 32
    sizes.took(32, 60.0)
    assert sizes.size == FIRST_ROWS
    sizes.took(FIRST_ROWS, 90.0)
    assert sizes.size == FIRST_ROWS


def test_the_end_of_a_shard_says_nothing() -> None:
    sizes = BatchSizes()
    sizes.took(7, 100.0)
    assert sizes.size == FIRST_ROWS


def test_only_where_the_size_changes_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    small = tiny_model()
    assert batch_sizes(small, 50) is None, "a small model is drawn from in whole shards"
    monkeypatch.setattr(sizes_module, "SMALL_PARAMETERS", 0)
    assert batch_sizes(small, 50) is batch_sizes(small, 60)
    assert batch_sizes(small, 50) is not batch_sizes(small, 500)
    object.__setattr__(small, "loading", LoadingSpec(attention="sdpa"))
    assert batch_sizes(small, 50) is None, "with sdpa the last bits depend on the batch"
