"""Scores, plotting positions and censoring: closed forms."""

import math

import numpy as np
import pytest
from scipy import stats

from core.errors import SpecError
from core.tails.sample import (
    LARGEST_RISK,
    censoring_factors,
    expected_log_survival,
    kaplan_meier,
    kaplan_meier_draws,
    tail_sample,
    to_risk,
    to_score,
)
from tests.tails.samples import bound_of, censored_below, gumbel_scores, sample_of


def test_score_is_minus_log_minus_log() -> None:
    assert float(to_score(math.exp(-1))) == pytest.approx(0.0, abs=1e-15)
    assert float(to_score(math.exp(-10))) == pytest.approx(-math.log(10))
    # A higher risk has a higher score: the reverse sign would forecast the mildest query.
    assert (np.diff(to_score(np.array([1e-9, 1e-4, 0.5, 0.99]))) > 0).all()
    risks = np.array([1e-12, 1e-5, 0.3, 0.999])
    np.testing.assert_allclose(to_risk(to_score(risks)), risks, rtol=1e-12)


def test_expected_log_survival_is_that_of_order_statistics() -> None:
    generator = np.random.default_rng(1)
    m, k = 40, 6
    survival = np.sort(generator.uniform(size=(40_000, m)), axis=1)[:, :k]
    found = expected_log_survival(np.arange(1, k + 1) / m, m)
    np.testing.assert_allclose(found, np.log(survival).mean(0), atol=0.02)
    assert abs(found[0] - math.log(1 / m)) > 0.5, "the rank over m is too high by 0.58"


def test_survival_without_censoring_is_the_rank_over_m() -> None:
    known, reached = kaplan_meier(sample_of(gumbel_scores(30)))
    assert (np.diff(known) < 0).all()
    np.testing.assert_allclose(reached, np.arange(1, 31) / 30)


def test_survival_with_censoring_is_the_product_limit() -> None:
    sample = sample_of(gumbel_scores(60))
    bounds = np.random.default_rng(2).permutation(60)[:15]
    risk, bound = sample.risk.copy(), sample.bound.copy()
    bound[bounds] = np.minimum(risk[bounds] * 5, 0.9)
    risk[bounds] = 0.0
    sample = tail_sample(risk, np.zeros(60), bound)
    known, reached = kaplan_meier(sample)
    left = stats.CensoredData(
        uncensored=sample.score[~sample.censored], left=sample.score[sample.censored]
    )
    # Reversed in sign, known from above only is known from below only, which scipy has.
    right = stats.CensoredData(uncensored=-left._uncensored, right=-left._left)
    theirs = stats.ecdf(right).cdf
    np.testing.assert_allclose(reached, theirs.evaluate(-known), atol=1e-12)


def test_censored_queries_count() -> None:
    """Dropped, they would leave fewer queries, and the tail would look fatter."""
    whole = sample_of(gumbel_scores(200))
    cut = censored_below(whole, float(np.quantile(whole.score, 0.4)))
    assert cut.censored.sum() == 80
    _, reached = kaplan_meier(cut)
    np.testing.assert_allclose(reached[:10], np.arange(1, 11) / 200, rtol=1e-12)


@pytest.mark.parametrize("answers", [20, 300, 10_000])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_a_query_without_a_hit_has_less_than_one_hits_worth(
    answers: int, confidence: float
) -> None:
    """Of as many answers each, the shares that reach a level are of all queries, those without a hit too.

    Placed at their bounds, they would count in none of the shares below: of 100 queries with 0 and 20 with 1
    to 3 hits, all 120 would be like the 20.
    """
    hits = np.array([0] * 100 + [1] * 12 + [2] * 5 + [3] * 3)
    bound = stats.beta.ppf((1 + confidence) / 2, 1, answers)
    # As a file may have it.
    bounds = np.where(hits == 0, float(f"{bound:.3g}"), np.nan)
    sample = tail_sample(hits / answers, np.sqrt(hits) / answers, bounds)
    known, reached = kaplan_meier(sample)
    np.testing.assert_allclose(to_risk(known) * answers, np.sort(hits)[:99:-1], rtol=1e-9)
    np.testing.assert_allclose(reached, np.arange(1, 21) / 120, rtol=1e-9)
    _, drawn = kaplan_meier_draws(sample, 4_000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.mean(0), reached, rtol=0.05)


def test_of_few_answers_without_a_hit_little_is_known() -> None:
    """20 answers and no hit say nothing of risks of a hundredth: those queries count where they are known."""
    risk = np.array([0.0] * 40 + [0.01 + 0.0001 * n for n in range(20)])
    bound = np.where(risk == 0, stats.beta.ppf(0.975, 1, 20), np.nan)
    _, reached = kaplan_meier(tail_sample(risk, 0.01 * risk, bound))
    np.testing.assert_allclose(reached, np.arange(1, 21) / 20, rtol=1e-9)


GOOD = [0.001 * n for n in range(1, 26)]


@pytest.mark.parametrize(
    ("risk", "error", "bound", "says"),
    [
        (GOOD[:19], None, None, "at least 20 queries, got 19"),
        ([0.01] * 25, None, None, "all estimates above 0 are 0.01"),
        ([0.0] * 25, None, [0.1] * 25, "all 25 estimates are 0"),
        ([*GOOD[:24], 1.2], None, None, "must be in 0..1, got 1.2 in row 25"),
        ([*GOOD[:24], -0.1], None, None, "must be in 0..1, got -0.1 in row 25"),
        ([*GOOD[:24], math.nan], None, None, "got nan in row 25"),
        (GOOD, [0.1] * 24 + [-1.0], None, "must be 0 or more, got -1 in row 25"),
        (GOOD, [0.1] * 24 + [math.nan], None, "got nan in row 25"),
        (
            GOOD,
            [0.1] * 24 + [math.inf],
            None,
            "must be finite and must be 0 or more, got inf in row 25",
        ),
        ([*GOOD[:24], 0.0], None, None, "row 25 has estimate 0 and no upper bound"),
    ],
)
def test_bad_samples_are_one_sentence(risk, error, bound, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        tail_sample(risk, error, bound)


def test_a_risk_of_one_has_a_finite_score() -> None:
    sample = tail_sample([*GOOD[:24], 1.0])
    assert sample.risk[-1] == LARGEST_RISK
    assert np.isfinite(sample.score).all()


def test_shares_that_may_reach_a_level_are_those_of_the_bayesian_bootstrap() -> None:
    """A Beta(k, m - k) variable at the k-th largest of m; of m / 10 where ten wordings go together."""
    scores = np.arange(200) / 100
    generator = np.random.default_rng(0)
    known, reached = kaplan_meier_draws(sample_of(scores), 4_000, generator)
    np.testing.assert_allclose(known, scores[::-1], atol=1e-12)
    np.testing.assert_allclose(reached.mean(0)[:199], np.arange(1, 200) / 200, atol=5e-3)
    assert reached[:, 49].std() == pytest.approx(stats.beta(50, 150).std(), rel=0.05)
    worded = sample_of(scores, group=[f"g{n // 10}" for n in range(200)])
    _, grouped = kaplan_meier_draws(worded, 4_000, generator)
    assert grouped[:, 49].std() == pytest.approx(stats.beta(5, 15).std(), rel=0.05)
    assert (np.diff(grouped, axis=1) >= 0).all()


def test_shares_that_may_reach_a_level_know_of_bounds() -> None:
    scores = np.random.default_rng(1).normal(-2, 0.5, 300)
    sample = censored_below(sample_of(scores), -2.0)
    known, reached = kaplan_meier_draws(sample, 2_000, np.random.default_rng(2))
    levels, expected = kaplan_meier(sample)
    np.testing.assert_array_equal(known, levels)
    np.testing.assert_allclose(reached.mean(0), expected, atol=0.01)


def test_what_few_answers_leave_open_may_lie_on_either_side() -> None:
    """30 known, 10 without a hit of many answers, 10 of few: of these nothing is known at a level below."""
    scores = np.linspace(-2.0, -1.0, 30)
    risk = np.append(to_risk(scores), np.zeros(20))
    limits = to_risk(np.append(np.full(10, -2.5), np.full(10, -1.45)))
    bound = np.append(np.full(30, np.nan), bound_of(limits))
    sample = tail_sample(risk, np.zeros(50), bound)
    levels = np.array([-3.0, -1.505, -1.3])
    least, most = censoring_factors(sample, levels)
    known, reached = kaplan_meier(sample)
    told = np.array([reached[-1], reached[(known > -1.505).sum() - 1], (known > -1.3).sum() / 50])
    above = np.array([30, (scores > -1.505).sum(), (scores > -1.3).sum()])
    np.testing.assert_allclose(least * told, above / 50)
    np.testing.assert_allclose(most * told, (above + np.array([20, 10, 0])) / 50)
