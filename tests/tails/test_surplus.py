"""A surplus of risky queries: an exact test, by name, of queries and not of wordings."""

import numpy as np
import pytest
from scipy import stats

from core.tails.analysis import fit_tail
from core.tails.pareto import ParetoTail
from core.tails.spec import TailSpec
from core.tails.surplus import SURPLUS_P, _clearest, find_surplus
from tests.tails.samples import SCALE, gumbel_scores, sample_of

TAIL = ParetoTail(0.0, SCALE, 0.2, -2.4, 40)


def with_risky(count: int, seed: int = 0) -> np.ndarray:
    """Scores of 200 queries, the last few of which are of a riskier kind."""
    generator = np.random.default_rng(seed)
    body = -2.65 + 0.04 * generator.normal(size=200 - count)
    return np.concatenate([body, 0.1 * generator.uniform(size=count)])


def test_the_test_is_the_exact_binomial_one() -> None:
    score = np.full(200, -3.0) - 1e-3 * np.arange(200)
    score[:3] = [-0.5, -0.6, -0.7]
    found = _clearest(sample_of(score), [TAIL])
    survival = float(np.exp(TAIL.log_survival(-0.7)))
    assert found.expected == pytest.approx(200 * survival, rel=1e-6)
    assert found.p_value == pytest.approx(stats.binomtest(3, 200, survival, "greater").pvalue)
    assert (found.count, found.rows.tolist()) == (3, [0, 1, 2])


def test_wordings_of_one_query_are_no_surplus_of_queries() -> None:
    score = np.full(200, -3.0) - 1e-3 * np.arange(200)
    score[:4] = [-0.5, -0.51, -0.52, -0.53]
    group = [f"g{n // 4}" for n in range(200)]
    worded, alone = (_clearest(sample_of(score, group=each), [TAIL]) for each in (group, None))
    assert worded.count == 1
    assert worded.p_value > 1e3 * alone.p_value


def test_equal_risks_reach_a_level_together() -> None:
    score = np.full(200, -3.0) - 1e-3 * np.arange(200)
    score[5:9] = -0.5
    assert _clearest(sample_of(score), [TAIL]).count == 4


@pytest.mark.parametrize("count", [2, 5])
def test_queries_of_a_riskier_kind_are_named(count: int) -> None:
    found = fit_tail(sample_of(with_risky(count)), TailSpec(bootstraps=60, largest=40)).surplus
    assert found is not None
    assert sorted(found.rows.tolist()) == list(range(200 - count, 200))
    assert found.p_value < SURPLUS_P
    assert found.expected < 1


def test_a_tail_of_one_kind_has_no_surplus() -> None:
    """In 1 of 100 samples at most; here 12, of two kinds of tail."""
    generator = np.random.default_rng(1)
    for seed in range(6):
        for score in (gumbel_scores(200, seed), -generator.normal(2.6, 0.15, 200)):
            spec = TailSpec(bootstraps=60, largest=45)
            assert fit_tail(sample_of(score), spec).surplus is None


def test_no_tail_to_compare_with_leaves_the_fitted_one() -> None:
    sample = sample_of(gumbel_scores(20), group=[f"g{n % 4}" for n in range(20)])
    heavy, light = ParetoTail(0.0, 2.0, 1.0, -3.0, 20), ParetoTail(0.0, 0.02, 1.0, -3.0, 20)
    assert find_surplus(sample, [heavy]) is None
    assert find_surplus(sample, [light]) is not None
