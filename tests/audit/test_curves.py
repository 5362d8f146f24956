"""Curves of repeated sampling against simulated queries whose risks are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import special, stats

from core.audit.curves import Curve, direct_share, rankings, repeated_sampling

SIZES = (1, 10, 100, 1_000, 10_000)
QUERIES = 60
SAMPLES = 1_000
# Monte Carlo's upper bound at zero hits, of the tenth of the rows that the target has drawn.
FREE_BOUND = 1 - 0.05 ** (1 / (0.1 * SAMPLES))


def true_risks(generator: np.random.Generator, count: int = QUERIES) -> NDArray[np.float64]:
    """Risks from 1e-6 to 1e-1, as the embedded world has them."""
    return 10 ** generator.uniform(-6, -1, size=count)


def estimated(
    risks: NDArray[np.float64], generator: np.random.Generator, relative: float = 0.25
) -> pd.DataFrame:
    """Results as importance sampling gives them: unbiased, gamma, with the error they have."""
    shape = 1 / relative**2
    found = risks * generator.gamma(shape, 1 / shape, size=len(risks))
    return results(found, error=found * relative)


def results(
    estimates: Sequence[float] | NDArray[np.float64],
    error: float | NDArray[np.float64] = 0.0,
    model: str = "one",
    **more: object,
) -> pd.DataFrame:
    estimate = np.asarray(estimates, dtype=float)
    return pd.DataFrame(
        {
            "model": model,
            "query": [f"query {number}" for number in range(len(estimate))],
            "query_id": [f"q{number}" for number in range(len(estimate))],
            "estimate": estimate,
            "standard_error": error,
            "hits": (estimate > 0) * 50,
            "upper_bound_free": FREE_BOUND,
            "greedy_harmful": False,
            "verdict": "trust",
            "mc_samples": np.nan,
            "mc_hits": np.nan,
            **more,
        }
    )


def truth(risks: NDArray[np.float64], n: int) -> float:
    return float(np.mean(1 - (1 - risks) ** n))


def test_exact_estimates_give_the_closed_form() -> None:
    risks = true_risks(np.random.default_rng(0))
    curve = repeated_sampling(results(risks), SIZES)
    exact = [truth(risks, n) for n in SIZES]
    assert curve.share == pytest.approx(exact, rel=1e-4)
    assert curve.low == pytest.approx(exact, rel=1e-3)
    assert curve.high == pytest.approx(exact, rel=1e-3)
    assert curve.share[0] == pytest.approx(risks.mean(), rel=1e-6)


def test_certain_harm_and_no_harm() -> None:
    curve = repeated_sampling(results([1.0, 1.0]), SIZES)
    assert curve.share == pytest.approx(np.ones(5))
    none = repeated_sampling(results([0.0, 0.0]), SIZES)
    assert none.share.tolist() == [0.0] * 5
    assert none.low.tolist() == [0.0] * 5
    assert none.zero_hits == 2


@pytest.mark.parametrize("relative", [0.1, 0.3, 0.5])
def test_the_share_is_right_on_average(relative: float) -> None:
    """The noise of the estimates must not pull the curve down: the plain value is too low."""
    risks = true_risks(np.random.default_rng(4), 4_000)
    exact = np.array([truth(risks, n) for n in SIZES])
    table = estimated(risks, np.random.default_rng(5), relative)
    curve = repeated_sampling(table, SIZES, draws=10)
    plain = np.array([truth(table["estimate"].clip(upper=1).to_numpy(), n) for n in SIZES])
    assert curve.share[2:] == pytest.approx(exact[2:], abs=0.0035)
    if relative == 0.5:
        assert (exact[2:4] - plain[2:4] > 0.006).all()


def coverage(relative: float, seeds: int = 300) -> NDArray[np.float64]:
    """How often the band holds the truth, at each n."""
    inside = np.zeros(len(SIZES))
    for seed in range(seeds):
        generator = np.random.default_rng(seed)
        risks = true_risks(generator)
        table = estimated(risks, generator, relative)
        curve = repeated_sampling(table, SIZES, draws=400, seed=seed)
        exact = np.array([truth(risks, n) for n in SIZES])
        inside += (curve.low <= exact) & (exact <= curve.high)
    return inside / seeds


@pytest.mark.slow
@pytest.mark.parametrize("relative", [0.1, 0.3, 0.5])
def test_the_band_holds_the_truth_as_often_as_it_says(relative: float) -> None:
    held = coverage(relative)
    assert (held >= 0.90).all(), held
    assert (held <= 0.985).all(), held


def test_queries_without_a_hit_widen_the_band_upwards_only() -> None:
    risks = true_risks(np.random.default_rng(1))
    some = results(np.where(np.arange(QUERIES) < 12, 0.0, risks))
    known = results(np.where(np.arange(QUERIES) < 12, 1e-12, risks))
    curve, without = repeated_sampling(some, SIZES), repeated_sampling(known, SIZES)
    assert curve.zero_hits == 12
    assert curve.share == pytest.approx(without.share, rel=1e-6)
    assert curve.low == pytest.approx(without.low, rel=1e-3)
    assert (curve.high > without.high + 1e-4).all()
    # At 10,000 answers a bound of three in a hundred excludes nothing: all twelve may be harmful.
    assert curve.high[-1] - without.high[-1] == pytest.approx(12 / QUERIES, abs=0.01)


def test_the_upper_end_at_zero_hits_is_the_free_bound() -> None:
    """One query alone: 95% of its possible risks lie below the bound that the target's draws give."""
    curve = repeated_sampling(results([0.0]), (1,), confidence=0.90, draws=100_000)
    scale = FREE_BOUND / -np.log(0.10)
    assert curve.high[0] == pytest.approx(scale * -np.log(0.05), rel=0.02)


def test_the_direct_share_is_unbiased() -> None:
    """Over all outcomes of N draws, exactly; but for n > N there is none."""
    for p in (0.003, 0.1, 0.6):
        for samples in (1, 7, 40):
            hits = np.arange(samples + 1)
            chance = stats.binom(samples, p).pmf(hits)
            for n in range(1, samples + 1):
                each = direct_share(hits.astype(float), np.full(samples + 1, float(samples)), n)
                assert (chance * each).sum() == pytest.approx(1 - (1 - p) ** n, rel=1e-9)
    assert np.isnan(direct_share(np.array([1.0]), np.array([10.0]), 11)).all()


def test_the_direct_share_is_one_minus_a_ratio_of_binomials() -> None:
    found = direct_share(np.array([0.0, 3.0, 9.0, 10.0]), np.full(4, 10.0), 4)
    exact = [1 - special.comb(10 - h, 4) / special.comb(10, 4) for h in (0, 3, 9, 10)]
    assert found == pytest.approx(exact, abs=1e-12)


@pytest.mark.slow
def test_direct_counts_lie_where_the_estimates_say() -> None:
    sizes = (1, 10, 100)
    inside, seeds = np.zeros(len(sizes)), 300
    for seed in range(seeds):
        generator = np.random.default_rng(seed)
        risks = true_risks(generator)
        table = estimated(risks, generator, 0.2)
        table["mc_samples"] = 1_000
        table["mc_hits"] = generator.binomial(1_000, risks)
        curve = repeated_sampling(table, sizes, draws=400, seed=seed)
        assert curve.direct is not None
        assert curve.direct_low is not None
        assert curve.direct_high is not None
        inside += (curve.direct_low <= curve.direct) & (curve.direct <= curve.direct_high)
    held = inside / seeds
    assert (held >= 0.90).all(), held
    assert (held <= 0.985).all(), held


def test_there_is_no_direct_count_beyond_the_draws() -> None:
    table = results([0.01, 0.1], mc_samples=100, mc_hits=[1, 10])
    curve = repeated_sampling(table, (1, 100, 101))
    assert curve.direct is not None
    assert curve.direct[0] == pytest.approx((0.01 + 0.1) / 2)
    assert np.isfinite(curve.direct[1])
    assert np.isnan(curve.direct[2])
    assert repeated_sampling(results([0.01]), (1,)).direct is None


def test_rows_without_an_estimate_or_greedy_answer_are_left_out_and_counted() -> None:
    table = results([0.5, np.nan], greedy_harmful=[True, None], verdict=["trust", "do not use"])
    curve = repeated_sampling(table, (1,))
    assert (curve.queries, curve.doubtful, curve.greedy) == (1, 1, 1.0)
    assert curve.share[0] == pytest.approx(0.5)


def test_what_has_no_curve_is_refused() -> None:
    two = pd.concat([results([0.1]), results([0.1], model="two")])
    with pytest.raises(ValueError, match="got 2 models"):
        repeated_sampling(two)
    with pytest.raises(ValueError, match="n must be 1 or more, got 0"):
        repeated_sampling(results([0.1]), (0, 1))


def test_no_row_with_an_estimate_gives_no_number() -> None:
    curve = repeated_sampling(results([np.nan]), (1, 10))
    assert curve.queries == 0
    assert np.isnan(curve.share).all()


def curve_of(model: str, shares: Sequence[float], greedy: float) -> Curve:
    share = np.array(shares)
    sizes = np.array([1, 100], dtype=np.int64)
    return Curve(model, sizes, share, share, share, 10, greedy, 0, 0)


def test_ranks_flip_and_ties_share_the_better_rank() -> None:
    curves = [curve_of("a", [0.1, 0.9], 0.0), curve_of("b", [0.2, 0.5], 0.0)]
    table = rankings([*curves, curve_of("c", [0.2, 0.7], 0.3)])
    assert list(table.loc["a"]) == [1, 1, 3]
    assert list(table.loc["b"]) == [1, 2, 1]
    assert list(table.loc["c"]) == [3, 2, 2]
    assert list(table.columns) == ["greedy", "1", "100"]


def test_a_rank_that_is_not_known_is_missing() -> None:
    table = rankings([curve_of("a", [0.1, 0.9], float("nan")), curve_of("b", [0.2, 0.5], 0.0)])
    assert table["greedy"].isna().tolist() == [True, False]
