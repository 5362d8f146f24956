"""Shards: extended and never redone, the same in any order and size, and safe from a damaged store."""

import numpy as np
import pytest

from cache import MemoryStore, StoreError, spec_hash
from core.models.loading import load_model
from core.proposals import ProposalContext, SteerSpec, prepare
from core.sampling.rows import Rows
from core.sampling.schedule import components, period, whole_shares
from core.sampling.shards import SHARD_ROWS, draw_rows, draw_shards, sampling_key
from core.sampling.spec import SamplingSpec
from core.spec import GenerationSpec
from core.steering.direction import Direction
from tests.models.tiny_models import tiny_model

LOADED = tiny_model(stops=tuple(range(1, 9)))
DIRECTION = Direction(
    position="answer_mean",
    vectors=np.tile(np.linspace(-0.5, 0.6, 32, dtype=np.float32), (3, 1)),
    activation_norm=np.ones(3),
    separation=np.ones(3),
)
STEER = SteerSpec(strength=1.0, layer=1, t_switch=4)
PROPOSALS = (prepare(LOADED, STEER, ProposalContext(lambda position: DIRECTION, load=load_model)),)
SPEC = SamplingSpec(
    model_fingerprint=LOADED.fingerprint,
    query="w10 w11 w12",
    generation=GenerationSpec(max_new_tokens=8),
    proposals=(STEER,),
    fingerprints=(DIRECTION.fingerprint,),
    shares=(0.1, 0.9),
    seed=3,
)


def drawn(samples: int, store=None, spec: SamplingSpec = SPEC, **options):
    proposals = tuple(
        prepare(LOADED, p, ProposalContext(lambda position: DIRECTION, load=load_model))
        for p in spec.proposals
    )
    return list(
        draw_shards(LOADED, spec, samples, store or MemoryStore(), proposals=proposals, **options)
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
    whole = draw_rows(LOADED, SPEC, range(100), PROPOSALS)
    backwards = [draw_rows(LOADED, SPEC, range(s, s + 20), PROPOSALS) for s in (80, 60, 40, 20, 0)]
    joined = Rows.joined([shard.rows for shard in reversed(backwards)])
    for name in ("tokens", "log_p", "log_q"):
        np.testing.assert_array_equal(getattr(whole.rows, name), getattr(joined, name))
    batched = draw_rows(LOADED, SPEC, range(100), PROPOSALS, batch_rows=7)
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
        {"proposals": (SteerSpec(strength=1.1, layer=1, t_switch=4),)},
        {"shares": (0.2, 0.8)},
    ):
        assert not np.array_equal(base, tokens(drawn(50, spec=SPEC.model_copy(update=change))))


ALONE = SPEC.model_copy(update={"proposals": (), "fingerprints": (), "shares": (1.0,)})


def test_monte_carlo_draws_from_the_target_alone() -> None:
    shard = drawn(40, spec=ALONE)[0]
    assert (shard.component == 0).all()
    assert shard.rows.log_q.shape == (0, 40, 8)


def test_the_key_of_monte_carlo_draws_is_for_ever() -> None:
    """Stored draws, and the demonstration's luck, outlive new fields of proposals."""
    fields = {"sampling": 1, "model_fingerprint": LOADED.fingerprint, "query": SPEC.query}
    generation = {
        "system_prompt": None, "temperature": 1.0, "top_k": None, "top_p": 1.0, "max_new_tokens": 8,
    }  # fmt: skip
    assert sampling_key(ALONE) == spec_hash({**fields, "generation": generation, "seed": 3})


SHARES = [
    (1.0,), (0.0, 1.0), (0.1, 0.9), (0.25, 0.75), (0.333, 0.667), (0.25, 0.25, 0.25, 0.25),
    (0.1, 0.05, 0.6, 0.25), whole_shares([1, 1, 1], 3), whole_shares([0.1, 0.234, 0.666], 20),
]  # fmt: skip


@pytest.mark.parametrize("shares", SHARES, ids=str)
@pytest.mark.parametrize("n", [1, 7, 10, 99, 250, 1000])
def test_rows_are_shared_out_evenly_and_the_target_is_never_forgotten(shares, n: int) -> None:
    rows = components(shares, range(n))
    counts = np.bincount(rows, minlength=len(shares))
    assert np.abs(counts - n * np.array(shares)).max() <= len(shares) - 0.999
    if shares[0]:
        assert rows[0] == 0
    split = [components(shares, range(n // 2)), components(shares, range(n // 2, n))]
    np.testing.assert_array_equal(rows, np.concatenate(split))
    whole = components(shares, range(period(shares)))
    np.testing.assert_allclose(
        np.bincount(whole, minlength=len(shares)) / period(shares), shares, atol=1e-12
    )


@pytest.mark.parametrize("shares", [(0.5, 0.4), (1.5, -0.5), (0.12345, 0.87655)])
def test_impossible_shares_are_named(shares) -> None:
    with pytest.raises(ValueError, match=r"0\.5|1\.5|0\.12345"):
        period(shares)


def test_forward_tokens_count_prompt_and_steered_rows() -> None:
    shard = draw_rows(LOADED, SPEC.model_copy(update={"shares": (1.0, 0.0)}), range(16), PROPOSALS)
    plain = draw_rows(LOADED, ALONE, range(16))
    assert shard.forward_tokens > plain.forward_tokens > int(plain.rows.lengths.sum()) - 16
