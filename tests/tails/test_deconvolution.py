"""Shares of the risks themselves: against known worlds, an optimiser, and over many seeds."""

import numpy as np
import pytest
from scipy import optimize, stats

from core.tails.deconvolution import (
    _constrained_log_likelihood,
    _maximised,
    deconvolved_shares,
    spread_by_noise,
)
from core.tails.sample import Array, TailSample, tail_sample, to_risk, to_score
from tests.tails.samples import gumbel_scores, sample_of


def asked(risk: Array, answers: int, seed: int) -> TailSample:
    """Returns what plain Monte Carlo finds of such risks."""
    hits = np.random.default_rng(seed).binomial(answers, risk)
    found = hits / answers
    bound = np.where(hits == 0, stats.beta.ppf(0.975, 1, answers), np.nan)
    return tail_sample(found, np.sqrt(found * (1 - found) / answers), bound)


def at(sample: TailSample, *risks: float) -> tuple[Array, Array, Array]:
    return deconvolved_shares(sample).at(to_score(np.array(risks)))


def test_exact_estimates_keep_their_shares() -> None:
    sample = sample_of(gumbel_scores(400))
    levels = np.quantile(sample.risk, [0.1, 0.5, 0.9])
    share, low, high = at(sample, *levels)
    np.testing.assert_allclose(share, [0.9, 0.5, 0.1], atol=0.02)
    for found, end in ((low, 0.025), (high, 0.975)):
        np.testing.assert_allclose(
            found, stats.binom(400, [0.9, 0.5, 0.1]).ppf(end) / 400, atol=0.02
        )


def test_two_kinds_of_queries_are_told_apart() -> None:
    """Fifty answers each: of the estimates 36% of the safer kind are 0, and some lie above 5%."""
    risk = np.repeat([0.02, 0.2], 1_000)
    sample = asked(risk, 50, seed=1)
    assert (sample.risk > 0.01).mean() < 0.85
    share, low, high = at(sample, 0.008, 0.07, 0.4)
    np.testing.assert_allclose(share, [1.0, 0.5, 0.0], atol=0.06)
    assert (low <= [1.0, 0.5, 0.0]).all()
    assert (high >= [1.0 - 1e-9, 0.5, 0.0]).all()
    assert (high - low).max() < 0.25


@pytest.mark.slow
def test_intervals_hold_the_shares_of_alike_risks() -> None:
    """Log-normal risks with two hits each: where the estimates lie says little, and wrongly more."""
    truth = stats.norm(-1.7, 0.3)
    levels = np.array([0.008, 0.02, 0.05])
    shares, held, held_before = truth.sf(np.log10(levels)), [], []
    for seed in range(30):
        risk = 10 ** truth.rvs(300, random_state=seed)
        sample = asked(np.minimum(risk, 0.99), 100, seed)
        value, low, high = at(sample, *levels)
        held.append((low <= shares) & (shares <= high))
        before = (sample.risk[:, None] > levels).mean(0)
        held_before.append(abs(before - shares) < 1.96 * np.sqrt(before * (1 - before) / 300))
        assert (abs(value - shares) < 0.25).all()
    assert np.mean(held) > 0.93
    assert np.mean(held_before) < 0.7


def test_a_higher_level_has_no_more_above_it() -> None:
    found = deconvolved_shares(asked(np.geomspace(1e-3, 0.2, 100), 200, seed=3))
    assert (np.diff(found.score) > 0).all()
    for one in (found.share, found.low, found.high):
        assert (np.diff(one) <= 1e-9).all()
        assert ((one >= 0) & (one <= 1 + 1e-9)).all()
    assert ((found.low <= found.share) & (found.share <= found.high)).all()


def test_what_is_surely_reached() -> None:
    found = deconvolved_shares(asked(np.geomspace(1e-3, 0.2, 100), 200, seed=3))
    inside = np.linspace(0.9 * found.low[0], 0.01, 7)
    levels = found.surely_reached(inside)
    assert (np.diff(levels) > 0).all()
    np.testing.assert_allclose(found.at(levels)[1], inside, atol=1e-6)


def test_rewordings_are_no_further_queries() -> None:
    alone = asked(np.geomspace(1e-3, 0.2, 60), 200, seed=4)
    names = [f"q{n}" for n in range(60)]
    four = alone.take(np.tile(np.arange(60), 4))
    whole = TailSample(four.risk, four.error, four.bound, np.array(names * 4), four.doubtful)
    once, often = (
        deconvolved_shares(one)
        for one in (TailSample(*_but_group(alone), np.array(names), alone.doubtful), whole)
    )
    for name in ("score", "share", "low", "high"):
        np.testing.assert_allclose(getattr(once, name), getattr(often, name), atol=1e-9)


def _but_group(sample: TailSample) -> tuple[Array, Array, Array]:
    return sample.risk, sample.error, sample.bound


def test_the_likeliest_has_no_better_neighbour() -> None:
    """At the maximum no possible risk has a likelihood ratio above 1 (Lindsay 1983)."""
    generator = np.random.default_rng(5)
    likelihood = generator.uniform(size=(30, 12)) ** 4
    weight = generator.uniform(0.5, 1.5, size=30)
    mass = _maximised(likelihood, weight, 20_000)
    assert mass.sum() == pytest.approx(1)
    gradient = (weight / (likelihood @ mass)) @ likelihood / weight.sum()
    assert gradient.max() < 1.001
    np.testing.assert_allclose(gradient[mass > 1e-3], 1, atol=1e-3)


def test_the_constrained_maximum_is_an_optimisers() -> None:
    generator = np.random.default_rng(6)
    likelihood = generator.uniform(size=(25, 6)) ** 3
    weight = np.ones(25)
    above = np.array([[0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 1]], dtype=float)
    shares = np.array([0.3, 0.6])
    start = _maximised(likelihood, weight, 1_000)
    found = _constrained_log_likelihood(likelihood, weight, above, shares, start)
    for row in range(2):
        best = optimize.minimize(
            lambda mass: -float(weight @ np.log(likelihood @ mass)),
            np.full(6, 1 / 6),
            method="SLSQP",
            bounds=[(1e-9, 1)] * 6,
            constraints=[
                {"type": "eq", "fun": lambda mass: mass.sum() - 1},
                {"type": "eq", "fun": lambda mass, row=row: above[row] @ mass - shares[row]},
            ],
            options={"maxiter": 500, "ftol": 1e-10},
        )
        assert found[row] == pytest.approx(-best.fun, abs=0.02)


def test_noise_is_told_as_a_share_of_the_spread() -> None:
    scores = np.log(np.random.default_rng(7).lognormal(-7, 1.0, size=4_000))
    exact = sample_of(to_score(np.exp(scores)))
    assert spread_by_noise(exact) == pytest.approx(0, abs=1e-6)
    off = sample_of(to_score(np.exp(scores)), 0.3)
    # The variance of the logarithm of a gamma variable of shape 1 / 0.09, over that of the estimates.
    assert spread_by_noise(off) == pytest.approx(0.0942, rel=0.06)


def test_thousands_of_queries_say_the_same_faster() -> None:
    risk = to_risk(np.random.default_rng(8).gumbel(-2.0, 0.3, size=20_000))
    share, low, high = at(asked(np.minimum(risk, 0.9), 100, seed=8), 0.001)
    assert share[0] == pytest.approx((risk > 0.001).mean(), abs=0.05)
    assert low[0] <= (risk > 0.001).mean() <= high[0]


def test_risks_near_one_have_shares_too() -> None:
    risk = np.linspace(0.992, 0.9989, 40)
    found = deconvolved_shares(tail_sample(risk, np.full(40, 0.01)))
    assert (np.diff(found.score) >= 0).all()
    assert np.isfinite([found.share, found.low, found.high]).all()
    assert found.at(to_score(np.array([0.5])))[0][0] > 0.9
