"""Shards: extended and never redone, the same in any order and size, and safe from a damaged store."""

import numpy as np
import pytest
from tiny_models import tiny_model

import core.engine as engine
from cache import MemoryStore, StoreError
from core.engine import SHARD_ROWS, draw_rows, draw_shards, sampling_key, target_rows
from core.spec import GenerationSpec, SamplingSpec, SteerSpec
from core.steering.contrast import Direction

LOADED = tiny_model(stops=tuple(range(1, 9)))
DIRECTION = Direction(
    position="answer_mean",
    vectors=np.tile(np.linspace(-0.5, 0.6, 32, dtype=np.float32), (3, 1)),
    activation_norm=np.ones(3),
    separation=np.ones(3),
)
SPEC = SamplingSpec(
    model_fingerprint=LOADED.fingerprint,
    query="w10 w11 w12",
    generation=GenerationSpec(max_new_tokens=8),
    proposal=SteerSpec(strength=1.0, layer=1, t_switch=4),
    direction_fingerprint=DIRECTION.fingerprint,
    seed=3,
)


def drawn(samples: int, store=None, spec: SamplingSpec = SPEC, **options):
    return list(
        draw_shards(LOADED, spec, samples, store or MemoryStore(), direction=DIRECTION, **options)
    )


def tokens(shards) -> np.ndarray:
    return np.concatenate([shard.rows.tokens for shard in shards])


def test_more_samples_continue_the_sample() -> None:
    store = MemoryStore()
    first = drawn(300, store)
    again = drawn(600, store)
    assert sum(len(shard) for shard in again if not shard.stored) == 300
    assert [shard.start for shard in again] == [0, 250, 300, 500]
    np.testing.assert_array_equal(tokens(again), tokens(drawn(600)))
    np.testing.assert_array_equal(tokens(first), tokens(again)[:300])


def test_fewer_samples_read_the_head_of_what_is_there() -> None:
    store = MemoryStore()
    all_rows = tokens(drawn(500, store))
    head = drawn(120, store)
    assert all(shard.stored for shard in head)
    np.testing.assert_array_equal(tokens(head), all_rows[:120])


def test_rows_do_not_depend_on_shard_order_or_size() -> None:
    whole = draw_rows(LOADED, SPEC, range(100), DIRECTION)
    backwards = [draw_rows(LOADED, SPEC, range(s, s + 20), DIRECTION) for s in (80, 60, 40, 20, 0)]
    for name in ("tokens", "log_p", "log_q"):
        parts = [getattr(shard.rows, name) for shard in reversed(backwards)]
        np.testing.assert_array_equal(getattr(whole.rows, name), np.concatenate(parts))
    batched = draw_rows(LOADED, SPEC, range(100), DIRECTION, batch_rows=7)
    np.testing.assert_array_equal(whole.rows.log_q, batched.rows.log_q)


def test_a_missing_shard_is_drawn_again() -> None:
    store = MemoryStore()
    before = tokens(drawn(600, store))
    store.drop(f"{sampling_key(SPEC)}/{SHARD_ROWS:09d}")
    again = drawn(600, store)
    assert [shard.stored for shard in again] == [True, False, True]
    np.testing.assert_array_equal(tokens(again), before)


def test_a_store_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()

    def refuse(key, shard):
        raise StoreError("full", store.path if hasattr(store, "path") else "", "no space left")

    monkeypatch.setattr(store, "put", refuse)
    np.testing.assert_array_equal(tokens(drawn(300, store)), tokens(drawn(300)))


def test_seed_query_and_proposal_change_the_draws() -> None:
    base = tokens(drawn(50))
    for change in (
        {"seed": 4},
        {"query": "w10 w11 w13"},
        {"proposal": SteerSpec(strength=1.1, layer=1, t_switch=4)},
    ):
        assert not np.array_equal(base, tokens(drawn(50, spec=SPEC.model_copy(update=change))))


def test_monte_carlo_ignores_the_defensive_share() -> None:
    plain = SPEC.model_copy(update={"proposal": None, "direction_fingerprint": None})
    other = plain.model_copy(update={"defensive_share": 0.5})
    assert sampling_key(plain) == sampling_key(other)
    shard = drawn(40, spec=plain)[0]
    assert shard.from_target.all()
    np.testing.assert_array_equal(shard.rows.log_p, shard.rows.log_q)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.3, 1 / 3, 1.0])
@pytest.mark.parametrize("n", [1, 7, 10, 99, 250, 1000])
def test_the_target_share_is_even_and_never_forgotten(share: float, n: int) -> None:
    rows = target_rows(share, range(n))
    assert rows.sum() == int(np.ceil(round(share * n, 9)))
    if share:
        assert rows[0]
    split = np.concatenate(
        [target_rows(share, range(n // 2)), target_rows(share, range(n // 2, n))]
    )
    np.testing.assert_array_equal(rows, split)


def test_forward_tokens_count_prompt_and_steered_rows() -> None:
    shard = draw_rows(
        LOADED, SPEC.model_copy(update={"defensive_share": 1.0}), range(16), DIRECTION
    )
    plain = draw_rows(
        LOADED,
        SPEC.model_copy(update={"proposal": None, "direction_fingerprint": None}),
        range(16),
    )
    assert shard.forward_tokens > plain.forward_tokens > int(plain.rows.lengths.sum()) - 16
    assert engine.SHARD_ROWS == SHARD_ROWS
