"""The mean risk: the integral of a known tail, unbiased where most queries have no hit, ties or noise."""

import numpy as np
import pytest
from scipy import integrate, stats

from core.tails.analysis import fit_tail
from core.tails.baselines import fit_empirical
from core.tails.bootstrap import TailDraws
from core.tails.maximum import corrected_forecasts
from core.tails.mean_risk import mean_risk, smoothed_mean, smoothed_mean_draws
from core.tails.pareto import ParetoTail
from core.tails.sample import TailSample, tail_sample, to_risk
from core.tails.spec import TailSpec
from tests.tails.samples import SCALE, pareto_excesses, sample_of


def counted(hits: np.ndarray, answers: int) -> TailSample:
    """Queries of so many answers each."""
    estimate = hits / answers
    bound = np.where(hits == 0, stats.beta.ppf(0.975, 1, answers), np.nan)
    return tail_sample(estimate, np.sqrt(estimate * (1 - estimate) / answers), bound)


def test_it_is_an_integral_over_the_tail_and_the_mean_below() -> None:
    sample = sample_of(np.concatenate([np.full(80, -4.0), -3.0 + pareto_excesses(0.0, 20, seed=1)]))
    tail = ParetoTail(0.0, SCALE, 0.2, -3.0, 20)
    above = integrate.quad(
        lambda y: float(to_risk(-3.0 + y)) * stats.expon.pdf(y, scale=SCALE), 0, 20, epsabs=1e-14
    )[0]
    expected = 0.8 * float(to_risk(-4.0)) + 0.2 * above
    assert smoothed_mean(sample, tail) == pytest.approx(expected, rel=1e-4)


@pytest.mark.study
@pytest.mark.parametrize("fit", ["pot", "gumbel", "lognormal"])
def test_ties_at_the_start_and_queries_without_a_hit_count(fit: str) -> None:
    """Of 1,000 answers each the sample mean is unbiased, so far from it nothing may lie.

    Left out, the queries without a hit make it four times as large, and those tied at the start a tenth less.
    """
    ratios = []
    for seed in range(12):
        generator = np.random.default_rng(seed)
        sample = counted(generator.binomial(1000, 10 ** generator.normal(-3.5, 0.5, 300)), 1000)
        fitted = fit_tail(sample, TailSpec.build(fit=fit, bootstraps=50))
        ratios.append(smoothed_mean(sample, fitted.fit) / sample.risk.mean())
    # A log-normal smooths all of it, and has the noise's spread in it.
    assert np.mean(ratios) == pytest.approx(1, abs=0.1 if fit == "lognormal" else 0.05)


def test_the_empirical_one_is_the_sample_mean() -> None:
    sample = counted(np.random.default_rng(1).binomial(50, 0.02, 100), 50)
    assert smoothed_mean(sample, fit_empirical(sample)) == pytest.approx(float(sample.risk.mean()))


@pytest.mark.study
def test_the_chance_of_one_is_held_where_noise_is_large() -> None:
    """Noise does not move a mean: taken out of it, it was told a quarter too low (2 of 40 held)."""
    held = 0
    for seed in range(20):
        generator = np.random.default_rng(seed)
        truth = generator.beta(0.5, 5, 300)
        told, _ = corrected_forecasts(
            fit_tail(counted(generator.binomial(10, truth), 10), TailSpec.build(bootstraps=60)),
            [3],
        )
        expected = 1 - (1 - 0.5 / 5.5) ** 3
        held += bool(told.at_least_one_low[0] <= expected <= told.at_least_one_high[0])
    assert held >= 16


def test_draws_weigh_whole_groups() -> None:
    """Ten wordings of each query: the mean is as uncertain as that of a tenth as many."""
    scores = np.repeat(np.random.default_rng(2).normal(-2.5, 0.4, 60), 10)
    tail = ParetoTail(0.0, SCALE, 0.05, float(np.quantile(scores, 0.95)), 30)
    refits = TailDraws((tail,) * 2000, (), by_group=False, posterior=True)
    alone = smoothed_mean_draws(sample_of(scores), tail, refits)
    worded = sample_of(scores, group=[f"g{n // 10}" for n in range(600)])
    assert smoothed_mean_draws(worded, tail, refits).std() == pytest.approx(
        alone.std() * 10**0.5, rel=0.15
    )


def exactly(tail: ParetoTail) -> TailDraws:
    """Draws of a tail that is known."""
    return TailDraws((tail,) * 100, (), by_group=False, posterior=True)


@pytest.mark.parametrize("hits", [1, 3, 30])
def test_of_risks_of_0_and_1_the_interval_is_that_of_clopper_and_pearson(hits: int) -> None:
    """The tail ends below the riskiest, so that the one that was not seen counts as a hit like the others."""
    risk = np.where(np.arange(200) < hits, 1 - 1e-9, 0.0)
    group = np.char.mod("q%d", np.arange(200))
    sample = TailSample(risk, 0 * risk, np.where(risk > 0, np.nan, 1e-9), group, risk > 2)
    tail = ParetoTail(-0.5, 0.1, 0.005, -2.0, 1)
    found = mean_risk(sample, tail, exactly(tail))
    exact = stats.binomtest(hits, 200).proportion_ci(method="exact")
    assert found.estimate == pytest.approx(hits / 200)
    assert found.low == pytest.approx(exact.low, rel=0.15)
    assert found.high == pytest.approx(exact.high, rel=0.06)
    assert found.bound == pytest.approx(found.high, rel=1e-6)


def test_one_that_was_not_seen_counts_in_the_high_end_alone() -> None:
    """By hand: nothing but the share of the one not seen moves, a Beta(1, m) variable."""
    sample = sample_of(np.concatenate([np.full(99, -4.0), [-3.9]]))
    heavy = ParetoTail(0.0, 2.0, 0.01, -4.5, 1)
    found = mean_risk(sample, heavy, exactly(heavy))
    beyond = integrate.quad(
        lambda y: float(to_risk(-3.9 + y)) * stats.expon.pdf(y, scale=2.0), 0, 60, limit=200
    )[0]
    highest = float(to_risk(-4.0)) + stats.beta(1, 100).ppf(0.975) * beyond
    assert found.high == pytest.approx(highest, rel=0.12)
    assert found.low <= found.estimate < found.high < found.bound
    assert found.bound == pytest.approx(stats.beta(1, 100).ppf(0.975), rel=0.12)
