"""Answers that cannot be judged: whose they are decides what may be said, and the number may not lean."""

import dataclasses

import numpy as np
import pytest

from core.estimation.component_checks import component_checks
from core.estimation.estimate import estimate, estimate_path
from core.estimation.judged_share import judged_share
from core.estimation.optimal_allocation import optimal_shares
from core.estimation.point import point_estimate
from core.estimation.second_opinion import second_opinion
from core.estimation.weights import LogWeights, draw_weights
from tests.estimation.toys import Density, World, interleaved

TRUTH = 1e-3
UNREADABLE = 3


def garbage(share, of_target=1e-9, proposals=1):
    """Class 3 is what no judge can read, `share` of each proposal's answers; no harm is among it."""
    target = Density((1 - TRUTH - of_target, TRUTH / 2, TRUTH / 2, of_target), (0.0,) * 4)
    rates = ((0.2, 0.2), (0.3, 0.1))[:proposals]
    densities = tuple(
        Density((1 - a - b - share, a, b, share), (0.5, 0.3, 0.3, 0.0)) for a, b in rates
    )
    return World(target, densities, (False, True, True, False))


def judged_by_answer(world, seed, n=1000):
    """Draws whose unreadable answers have no judgement: log_q tells the class apart, z does not matter."""
    rng = np.random.default_rng(seed)
    others = len(world.proposals)
    draws = world.draws(rng, n, interleaved([0.1] + [0.9 / others] * others))
    # The ratio of an unreadable answer is constant: no other class has shifts of 0 throughout.
    ratio = np.log(world.target.mass[UNREADABLE] / world.proposals[0].mass[UNREADABLE])
    unreadable = np.isclose(draws.log_p - draws.log_q[:, 1], ratio, atol=1e-9)
    return dataclasses.replace(draws, judged=~unreadable, harmful=draws.harmful & ~unreadable)


@pytest.mark.parametrize("share", [0.02, 0.09, 0.16, 0.36])
@pytest.mark.parametrize("method", ["is", "mis"])
def test_the_proposals_garbage_moves_nothing(method, share):
    """Weighted as if the unjudged rows had not been drawn, the mean is too high by 1/(1 - 0.9 share)."""
    world = garbage(share, proposals=1 if method == "is" else 2)
    draws = [judged_by_answer(world, seed) for seed in range(60)]
    unjudged = np.mean([1 - each.judged.mean() for each in draws])
    assert unjudged == pytest.approx(0.9 * share, rel=0.15)
    found = [point_estimate(each, method, 0.95) for each in draws]
    values = np.array([each.value for each in found]) / TRUTH
    noise = 4 * values.std() / np.sqrt(len(values))
    assert noise < 0.04
    assert values.mean() == pytest.approx(1, abs=noise)
    errors = np.array([each.standard_error for each in found]) / TRUTH
    assert errors.mean() == pytest.approx(values.std(), rel=0.35)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["is", "mis"])
def test_the_interval_holds_the_truth_at_least_as_often_as_it_says(method):
    world = garbage(0.16, proposals=1 if method == "is" else 2)
    found = [estimate(judged_by_answer(world, seed), method=method) for seed in range(100)]
    # 95% of 100 runs, two and a half standard errors below.
    assert np.mean([each.ci_low <= TRUTH <= each.ci_high for each in found]) >= 0.895


@pytest.mark.parametrize("method", ["mc", "is", "mis"])
def test_the_targets_own_unjudged_answers_are_told_and_held_by_the_interval(method):
    """A fifth of the target's answers cannot be judged, and nothing says whether they are harmful."""
    world = garbage(0.2, of_target=0.2)
    found = []
    for seed in range(20):
        draws = judged_by_answer(world, seed, 4000)
        if method == "mc":
            rows = draws.from_target
            draws = dataclasses.replace(draws.take(rows), stage_allocations=((1, 0),))
        found.append(estimate(draws, method=method))
    assert np.mean([each.ci_low <= TRUTH for each in found]) >= 0.85
    assert np.mean([each.ci_high >= TRUTH + 0.2 for each in found]) >= 0.85
    # P(h | judged), from 0.8 of the answers.
    values = np.array([each.estimate for each in found])
    noise = 4 * values.std() / np.sqrt(len(values))
    assert values.mean() == pytest.approx(TRUTH / 0.8, abs=noise)


def test_share_and_ratio_are_those_of_an_enumeration():
    """Every answer of a four-answer toy once for each 1/1000 of q: the sums are the expectations."""
    p, q = np.array([0.5, 0.1, 0.3, 0.1]), np.array([0.1, 0.2, 0.2, 0.5])
    kind = np.repeat(np.arange(4), (q * 1000).astype(int))
    weights = LogWeights(np.log(p / q)[kind])
    share = judged_share(weights, kind != 2)
    assert share.unjudged == pytest.approx(0.3)
    assert share.scaled(weights.where(kind == 1).mean) == pytest.approx(0.1 / 0.7)


def test_the_error_of_counting_is_the_binomial_one_of_the_judged():
    share = judged_share(LogWeights(np.zeros(1000)), np.arange(1000) >= 200)
    hits = LogWeights(np.where(np.arange(1000) >= 960, 0.0, -np.inf))
    value, n = 40 / 800, 800
    assert share.scaled(hits.mean) == pytest.approx(value)
    error = share.error(hits.mean, hits.standard_error)
    assert error == pytest.approx(np.sqrt(value * (1 - value) / n), rel=0.03)


def test_what_was_judged_whole_stays_as_it_was():
    assert judged_share(LogWeights(np.zeros(5)), np.ones(5, bool)).scaled(0.123) == 0.123


def test_witnesses_are_not_raised_by_garbage():
    """Second opinion, components, path and the choice of shares read the same draws."""
    world = garbage(0.36, proposals=2)
    draws = judged_by_answer(world, 5, 4000)
    one = draws.component != 2
    witness = dataclasses.replace(draws.take(one), target_component=None, stage_allocations=())
    assert second_opinion(witness).estimate == pytest.approx(TRUTH, rel=0.1)
    checks = component_checks(draws, draw_weights(draws).where(draws.harmful))
    for component in checks.proposals:
        assert component.estimate == pytest.approx(TRUTH, rel=0.1)
        assert component.low < TRUTH < component.high
    path = estimate_path(draws, [2000, 4000], method="mis")
    assert path[-1].estimate == estimate(draws, method="mis").estimate
    whole = dataclasses.replace(draws, judged=np.ones(draws.samples, bool))
    floors = np.full(3, 0.1)
    assert optimal_shares(draws, floors).tolist() == optimal_shares(whole, floors).tolist()
