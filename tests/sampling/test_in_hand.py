"""A shard while it is being drawn: progress, the rows that are finished, and what is kept of it."""

from contextlib import closing

import numpy as np
import pytest

import core.models.batch_sizes as sizes_module
import core.tasks.progress
from cache import MemoryStore
from core.models.batch_sizes import BatchSizes
from core.sampling.shards import (
    DrawnShard,
    draw_rows,
    draw_shards,
    sampling_key,
    shards_in_hand,
)
from tests.sampling.test_shards import LOADED, PROPOSALS, SPEC


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the toy count as a slow model: batches of 16 rows, and progress at every token."""
    monkeypatch.setattr(sizes_module, "SMALL_PARAMETERS", 0)
    monkeypatch.setattr(BatchSizes, "took", lambda *_: None)
    monkeypatch.setattr(core.tasks.progress, "BEAT", 0.0)
    sizes_module._sizes.clear()


def same(one: DrawnShard, other: DrawnShard) -> None:
    for name in ("tokens", "lengths", "log_p", "log_q"):
        np.testing.assert_array_equal(getattr(one.rows, name), getattr(other.rows, name))
    np.testing.assert_array_equal(one.component, other.component)


def test_small_batches_change_no_row_and_no_key(slow: None, monkeypatch) -> None:
    store = MemoryStore()
    parts = list(draw_shards(LOADED, SPEC, 300, store, proposals=PROPOSALS))
    monkeypatch.undo()
    whole = list(draw_shards(LOADED, SPEC, 300, MemoryStore(), proposals=PROPOSALS))
    assert [shard.key for shard in parts] == [shard.key for shard in whole]
    for one, other in zip(parts, whole, strict=True):
        same(one, other)
    assert sorted(store.keys("")) == sorted(shard.key for shard in whole)


def test_progress_moves_within_a_batch_and_finished_rows_are_shown(slow: None) -> None:
    found = list(shards_in_hand(LOADED, SPEC, 50, MemoryStore(), proposals=PROPOSALS))
    whole = found.pop()
    assert isinstance(whole, DrawnShard)
    assert len(found) > 3
    done = [each.done for each in found]
    assert done == sorted(done)
    assert 0 < done[1] < 16, "a part of an answer counts"
    heads = [each.partial for each in found]
    assert heads[0] is None
    assert [len(head) for head in dict.fromkeys(heads) if head is not None] == [16, 32, 48]
    for each, head in zip(found, heads, strict=True):
        if head is not None:
            assert len(head) <= each.done <= 50
            same(head, draw_rows(LOADED, SPEC, range(len(head)), PROPOSALS))


def test_what_is_finished_of_a_shard_is_kept_when_the_work_ends(slow: None) -> None:
    store = MemoryStore()
    with closing(shards_in_hand(LOADED, SPEC, 250, store, proposals=PROPOSALS)) as shards:
        for each in shards:
            if each.partial is not None and len(each.partial) == 32:
                break
    first = SPEC_KEY + "/000000000-000000032"
    assert list(store.keys("")) == [first]
    again = list(draw_shards(LOADED, SPEC, 250, store, proposals=PROPOSALS))
    assert [(shard.start, shard.stop, shard.stored) for shard in again] == [
        (0, 32, True),
        (32, 250, False),
    ]
    whole = draw_rows(LOADED, SPEC, range(250), PROPOSALS)
    np.testing.assert_array_equal(
        np.concatenate([shard.rows.log_q for shard in again], axis=1), whole.rows.log_q
    )


def test_an_error_within_a_shard_keeps_what_is_finished(slow: None, monkeypatch) -> None:
    store = MemoryStore()
    shards = shards_in_hand(LOADED, SPEC, 250, store, proposals=PROPOSALS)
    while isinstance(each := next(shards), DrawnShard) or each.partial is None:
        pass
    with pytest.raises(KeyboardInterrupt):
        shards.throw(KeyboardInterrupt)
    assert list(store.keys("")) == [SPEC_KEY + "/000000000-000000016"]


SPEC_KEY = sampling_key(SPEC)
