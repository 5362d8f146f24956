"""Confidence sequences: the truth inside at all sample sizes at once, in 95% of runs or more."""

import dataclasses
import math
import time

import numpy as np
import pytest

from core.estimation import confidence_sequence
from tests.estimation.toys import (
    Density,
    World,
    adaptive,
    good,
    in_stages,
    monte_carlo,
    proposals,
    trap,
    two_routes,
)

POINTS = np.unique(np.geomspace(10, 1000, 40).astype(int)).tolist()
THREE = World(
    Density((0.9, 0.1), (0.0, 0.0)),
    (Density((0.5, 0.5), (1.0, 0.5)), Density((0.7, 0.3), (0.5, -0.5))),
    (False, True),
)
# Components with means of w*h far apart, all target rows first in the period: if the bets did not
# respect the period, the target's rows would lose first and the proposal's would win after.
APART = good(0.2, 0.6)


@pytest.mark.study
@pytest.mark.parametrize(
    ("world", "allocation", "runs"),
    [
        (monte_carlo(0.3), (0,), 300),
        (monte_carlo(0.01), (0,), 300),
        (good(0.1, 0.5, 0.3, 0.3), (0,) + (1,) * 9, 150),
        (good(1e-4), (1,) * 9 + (0,), 100),
        (APART, (0,) * 5 + (1,) * 5, 150),
        (THREE, (0, 1, 2, 1), 150),
        (trap(), (0,) + (1,) * 9, 60),
    ],
)
def test_simultaneous_coverage(world, allocation, runs):
    low_misses = high_misses = 0
    for seed in range(runs):
        draws = world.draws(np.random.default_rng(seed), 1000, allocation)
        got = confidence_sequence(draws, POINTS)
        low_misses += got.low.max() > world.truth
        high_misses += got.high.min() < world.truth
    # Each side is entitled to 2.5%; four standard errors of luck are added.
    allowed = 0.025 * runs + 4 * math.sqrt(0.025 * runs)
    assert low_misses <= allowed
    assert high_misses <= allowed
    assert low_misses + high_misses <= 0.05 * runs


@pytest.mark.study
@pytest.mark.parametrize(
    ("world", "runs"),
    [
        (APART, 60),
        (proposals(0.05, (0.5, 0.3), (0.02, 1.5)), 60),
        (two_routes(1e-3, (0.4, 1e-4), (0.01, 0.02)), 40),
    ],
)
def test_simultaneous_coverage_over_adaptive_stages(world, runs):
    low_misses = high_misses = 0
    for seed in range(runs):
        draws = adaptive(world, np.random.default_rng(seed), 1000, target_floor=0.3)
        got = confidence_sequence(draws, POINTS[::2])
        low_misses += got.low.max() > world.truth
        high_misses += got.high.min() < world.truth
    allowed = 0.025 * runs + 4 * math.sqrt(0.025 * runs)
    assert low_misses <= allowed
    assert high_misses <= allowed
    assert low_misses + high_misses <= 0.05 * runs


def staged(world, seed, *stages):
    """One draw of (allocation, rows) after another, each a stage of its own."""
    rng = np.random.default_rng(seed)
    return in_stages([world.draws(rng, n, allocation) for allocation, n in stages])


def test_capital_carries_over_stages_with_weights_and_bounds_of_their_own(monkeypatch):
    """The mixture capital written out row by row, each stage with its own shares and its own bets."""
    import sys

    module = sys.modules["core.estimation.confidence_sequence"]
    monkeypatch.setattr(module, "BIN_NATS", 2e-5)
    world = Density((0.9, 0.1), (0.0, 0.0)), (Density((0.5, 0.5), (0.0, 0.0)),)
    world = World(*world, (False, True))
    draws = staged(world, 3, ((0, 1), 200), ((0, 1, 1, 1), 200))
    got = confidence_sequence(draws, [400])
    target_share = np.where(draws.stage == 0, 1 / 2, 1 / 4)
    x = draws.harmful * 0.1 / (target_share * 0.1 + (1 - target_share) * 0.5)
    bound = 1 / target_share

    def capital(bets, m, unit):
        return np.mean([np.prod(1 + bet / unit * (x - m)) for bet in bets])

    assert capital(module.LOWER_BETS / got.low[0], got.low[0], 1.0) == pytest.approx(40, rel=0.01)
    assert capital(-module.UPPER_BETS, got.high[0], bound) == pytest.approx(40, rel=0.01)
    # More is known from both stages than from the first.
    first = confidence_sequence(draws, [200, 400])
    assert first.low[0] < got.low[0]
    assert got.high[0] < first.high[0]


def test_shares_that_change_between_stages_do_not_bias_the_bounds():
    """Target rows find all of the harm, and there are many of them first, few later. Counts pooled
    over both stages would give the first ones a weight three times too large."""
    world = World(
        Density((0.5, 0.5), (0.0, 0.0)), (Density((1 - 1e-9, 1e-9), (0.0, 0.0)),), (False, True)
    )
    for seed in range(20):
        draws = staged(world, seed, ((0, 0, 0, 1), 400), ((0, 1, 1, 1, 1, 1, 1, 1, 1, 1), 2000))
        got = confidence_sequence(draws, [400, 1000, 2400])
        assert (got.low < 0.5).all()
        assert (got.high > 0.5).all()


def test_a_period_cut_short_by_its_stage_is_skipped():
    world = good(0.2, 0.5)
    cut = staged(world, 0, ((0, 1, 1, 1, 1), 203), ((0, 1), 200))
    kept = cut.take(~((np.arange(403) >= 200) & (np.arange(403) < 203)))
    with_cut = confidence_sequence(cut, [200, 203, 403])
    without = confidence_sequence(kept, [200, 400])
    assert with_cut.low == pytest.approx(without.low[[0, 0, 1]], rel=1e-9)
    assert with_cut.high == pytest.approx(without.high[[0, 0, 1]], rel=1e-9)


def test_a_stage_that_has_just_begun_changes_nothing():
    """Its rows before the end of its first period do not average to the truth."""
    world = good(0.2, 0.5)
    draws = staged(world, 0, ((0, 1, 1, 1, 1), 200), ((1, 1, 1, 1, 0, 1, 1, 1, 1, 0), 7))
    begun = confidence_sequence(draws, [200, 207])
    alone = confidence_sequence(draws.take(slice(0, 200)), [200])
    assert begun.low == pytest.approx(alone.low[[0, 0]], rel=1e-9)
    assert begun.high == pytest.approx(alone.high[[0, 0]], rel=1e-9)


def test_it_is_not_vacuous():
    draws = monte_carlo(0.3).draws(np.random.default_rng(0), 10_000, (0,))
    got = confidence_sequence(draws, [100, 1000, 10_000])
    assert (np.diff(got.low) >= 0).all()
    assert (np.diff(got.high) <= 0).all()
    assert 0.27 < got.low[-1] < 0.3 < got.high[-1] < 0.33
    rare = confidence_sequence(good(1e-5).draws(np.random.default_rng(0), 2000), [2000])
    assert 0.7e-5 < rare.low[0] < 1e-5


def test_bounds_solve_the_betting_equation():
    """A single hit in n Monte Carlo draws, the mixture capital written out row by row."""
    from core.estimation.confidence_sequence import LOWER_BETS, UPPER_BETS

    world = monte_carlo(0.5)
    draws = world.draws(np.random.default_rng(1), 40, (0,))
    got = confidence_sequence(draws, [40])
    x = draws.harmful.astype(float)

    def capital(bets, m):
        return np.mean([np.prod(1 + bet * (x - m)) for bet in bets])

    low, high = got.low[0], got.high[0]
    assert capital(LOWER_BETS / low, low) == pytest.approx(40, rel=1e-3)
    assert capital(-UPPER_BETS, high) == pytest.approx(40, rel=1e-3)


def test_bounds_of_weighted_rows_solve_the_betting_equation(monkeypatch):
    """As above with a bound of 10 on the weights; binning them only moves the bounds outwards."""
    import sys

    from core.estimation import draw_weights

    # The package exports the function under the module's name.
    module = sys.modules["core.estimation.confidence_sequence"]
    draws = good(0.05, 0.5).draws(np.random.default_rng(4), 400)
    x = np.exp(draw_weights(draws).where(draws.harmful).values)
    binned = confidence_sequence(draws, [400])
    monkeypatch.setattr(module, "BIN_NATS", 2e-4)
    exact = confidence_sequence(draws, [400])
    low, high = exact.low[0], exact.high[0]
    for bets, m in ((module.LOWER_BETS / low, low), (-module.UPPER_BETS / 10, high)):
        assert np.mean([np.prod(1 + bet * (x - m)) for bet in bets]) == pytest.approx(40, rel=0.01)
    assert 0.98 * low < binned.low[0] <= low
    assert high <= binned.high[0] < 1.02 * high


def test_a_checkpoint_does_not_see_the_next_row():
    draws = monte_carlo(0.3).draws(np.random.default_rng(0), 40, (0,))
    harmful = np.arange(40) % 5 == 0  # row 20, the first after the checkpoint, is a hit
    draws = dataclasses.replace(draws, harmful=harmful)
    early = confidence_sequence(draws, [20, 40])
    alone = confidence_sequence(draws.take(slice(0, 20)), [20])
    assert (early.low[0], early.high[0]) == (alone.low[0], alone.high[0])


def test_no_bound_without_target_rows_and_zero_without_hits():
    draws = good().draws(np.random.default_rng(0), 500, (1,))
    assert confidence_sequence(draws, [500]).high[0] == 1.0
    assert confidence_sequence(draws, [500]).low[0] > 0
    none = monte_carlo(1e-12).draws(np.random.default_rng(0), 500, (0,))
    got = confidence_sequence(none, [500])
    assert got.low[0] == 0.0
    assert 3 / 500 < got.high[0] < 8 / 500


def test_unjudged_rows_may_be_anything():
    judged = np.arange(1000) % 10 != 3
    world = monte_carlo(0.3)
    whole = confidence_sequence(world.draws(np.random.default_rng(5), 1000, (0,)), [1000])
    part = confidence_sequence(
        world.draws(np.random.default_rng(5), 1000, (0,), judged=judged), [1000]
    )
    assert part.low[0] < whole.low[0] - 0.02
    assert part.high[0] > whole.high[0] + 0.05


def test_before_the_first_full_period_nothing_is_known():
    draws = good(0.2, 0.5).draws(np.random.default_rng(0), 9, ((0,) + (1,) * 9))
    got = confidence_sequence(draws, [3, 9])
    assert got.low.tolist() == [0.0, 0.0]
    assert got.high.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "rows",
    [np.r_[0, 2:200], np.r_[0, 3, 2, 1, 4:200], np.r_[0:199, 3]],
    ids=["one is missing", "two are swapped", "the last do not fit into a period"],
)
def test_rows_that_do_not_follow_their_allocation_are_refused(rows):
    draws = good(0.2, 0.5).draws(np.random.default_rng(0), 200, (0, 1, 1))
    with pytest.raises(ValueError, match=r"rows of stage 0 must follow its allocation, \[1, 2\]"):
        confidence_sequence(draws.take(rows), [100])


def test_draws_without_an_allocation_are_refused():
    draws = dataclasses.replace(
        monte_carlo(0.5).draws(np.random.default_rng(0), 10, (0,)), stage_allocations=()
    )
    with pytest.raises(ValueError, match="needs the draws' stage_allocations, got none"):
        confidence_sequence(draws, [10])


def test_a_checkpoint_inside_a_period_shows_the_last_full_one():
    draws = good(0.2, 0.5).draws(np.random.default_rng(0), 200)
    got = confidence_sequence(draws, [5, 100, 107])
    assert (got.low[0], got.high[0]) == (0.0, 1.0)
    assert (got.low[1], got.high[1]) == (got.low[2], got.high[2])


@pytest.mark.parametrize("checkpoints", [[], [0], [5, 5], [9, 4], [11]])
def test_bad_checkpoints_are_refused(checkpoints):
    draws = monte_carlo(0.5).draws(np.random.default_rng(0), 10, (0,))
    with pytest.raises(ValueError, match="checkpoints must"):
        confidence_sequence(draws, checkpoints)


def test_speed():
    draws = good().draws(np.random.default_rng(0), 10_000)
    points = np.unique(np.geomspace(10, 10_000, 60).astype(int)).tolist()
    started = time.process_time()
    confidence_sequence(draws, points)
    # 0.12 s measured; the allowance is for a shared machine.
    assert time.process_time() - started < 0.6
