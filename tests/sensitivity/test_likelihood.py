"""The likelihood of a spread, against closed forms, plain integration and the methods for many hits."""

import math

import numpy as np
import pytest
from scipy import optimize, special, stats

from core.sensitivity.likelihood import PoissonLikelihood, likeliest, lowest, restricted

FEW = PoissonLikelihood(np.array([3.0, 0.0, 10.0, 1.0]), np.array([3e4, 2e4, 8e4, 1e4]))


def counts(
    generator: np.random.Generator, wordings: int, spread: float, hits: float
) -> PoissonLikelihood:
    """Counts of hits of one exposure, two or more above 0. hits: that of the median risk, 1."""
    seen = np.zeros(wordings)
    while np.count_nonzero(seen) < 2:
        seen = generator.poisson(hits * 10 ** generator.normal(0.0, spread, wordings))
    return PoissonLikelihood(seen.astype(float), np.full(wordings, hits))


def test_without_a_spread_it_is_that_of_all_draws_together() -> None:
    events, exposure = FEW.events.sum(), FEW.exposure.sum()
    together = special.gammaln(events) - events * math.log(exposure)
    together += (FEW.events * np.log(FEW.exposure)).sum()
    assert restricted(FEW, np.array([1e-3])) == pytest.approx(together, abs=1e-4)


@pytest.mark.parametrize("spread", [0.1, 0.5, 1.5])
def test_it_is_what_plain_integration_gives(spread: float) -> None:
    tau = spread * math.log(10)
    log_risk = np.linspace(-50, 30, 4001)
    means = np.linspace(-35, 15, 501)
    prior = stats.norm.logpdf(log_risk, means[:, None], tau)
    total = np.zeros(len(means))
    for events, exposure in zip(FEW.events, FEW.exposure, strict=True):
        height = events * (log_risk + math.log(exposure)) - exposure * np.exp(log_risk)
        total += special.logsumexp(prior + height, axis=1) + math.log(log_risk[1] - log_risk[0])
    wanted = special.logsumexp(total) + math.log(means[1] - means[0])
    assert restricted(FEW, np.array([spread]))[0] == pytest.approx(wanted, abs=5e-3)


def between(told: PoissonLikelihood) -> tuple[float, float, float]:
    middle, high = likeliest(told)
    return middle, min(lowest(told), middle), high


@pytest.mark.parametrize("wordings", [3, 10, 26])
def test_for_many_hits_it_is_paule_and_mandel_with_the_q_profile(wordings: int) -> None:
    generator = np.random.default_rng(6)
    told = counts(generator, wordings, 0.5, 2000)
    logs = np.log10(told.events / told.exposure)
    within = special.polygamma(1, told.events) / math.log(10) ** 2

    def excess(variance: float, wanted: float) -> float:
        weight = 1 / (within + variance)
        mean = (weight * logs).sum() / weight.sum()
        return float((weight * (logs - mean) ** 2).sum()) - wanted

    spare = wordings - 1
    levels = spare, stats.chi2.ppf(0.975, spare), stats.chi2.ppf(0.025, spare)
    middle, low, high = (
        math.sqrt(optimize.brentq(excess, 0.0, 1e4, args=(wanted,))) for wanted in levels
    )
    ours = between(told)
    assert ours[0] == pytest.approx(middle, rel=0.03)
    assert ours[2] == pytest.approx(high, rel=0.03)
    assert ours[1] == pytest.approx(low, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wordings", "spread", "hits"),
    [(5, 0.6, 3), (10, 1.0, 3), (26, 0.0, 3), (26, 1.0, 3), (26, 1.0, 30)],
)
def test_it_holds_with_wordings_without_a_hit(wordings: int, spread: float, hits: float) -> None:
    generator = np.random.default_rng(8)
    ends = np.array([between(counts(generator, wordings, spread, hits)) for _ in range(100)])
    held = (ends[:, 1] <= spread) & (spread <= ends[:, 2])
    assert held.mean() >= 0.92
    assert (ends[:, 2] < spread).mean() <= 0.07
    if spread:
        assert np.median(ends[:, 0]) == pytest.approx(spread, rel=0.12)
        assert np.median(ends[:, 2]) < 8 * spread


def test_a_lower_bound_is_a_wider_spread() -> None:
    known = np.array([30.0, 20.0, 40.0, 0.0])
    told = [
        between(PoissonLikelihood(known, np.array([1e5, 1e5, 1e5, last])))
        for last in (1e3, 1e5, 1e7)
    ]
    assert told[0][0] < told[1][0] < told[2][0]
    assert told[0][2] < told[1][2] < told[2][2]


def test_a_loose_bound_is_told_and_taken_as_of_the_others_draws() -> None:
    told = PoissonLikelihood(np.array([30.0, 20.0, 0.0, 0.0]), np.array([1e5, 3e5, 1e3, 4e5]))
    assert told.loose == 1
    assert told.alike().exposure.tolist() == [1e5, 3e5, 2e5, 4e5]
    assert told.alike().loose == 0


def test_two_wordings_and_equal_ones_have_an_end() -> None:
    two = between(PoissonLikelihood(np.array([100.0, 100.0]), np.array([1e6, 1e7])))
    assert two[0] == pytest.approx(math.sqrt(0.5), rel=0.02)
    assert two[1] < two[0] < two[2] < 100
    assert between(PoissonLikelihood(np.full(5, 1e6), np.full(5, 1e10)))[:2] == (0.0, 0.0)
