"""The queries seen and a tail beyond them: shares by closed forms, levels and what is beyond by hand."""

import numpy as np
import pytest
from scipy import stats

from core.tails.bootstrap import TailDraws
from core.tails.pareto import ParetoTail
from core.tails.predictor import SeenPredictors
from core.tails.sample import Array, to_risk, to_score
from core.tails.seen import SeenTail, seen_predictors
from core.tails.simex import SimexShift
from tests.tails.samples import SCALE, gumbel_scores, sample_of

TAIL = ParetoTail(0.0, SCALE, 0.2, -2.4, 20)
DRAWS = 4_000


def predictors(score: Array, group: list[str] | None = None, count: int = DRAWS) -> SeenPredictors:
    refits = TailDraws((TAIL,) * count, (), by_group=False, posterior=True)
    return seen_predictors(sample_of(score, group=group), TAIL, refits, None, seed=3)


def test_levels_and_shares_of_three_queries_by_hand() -> None:
    levels, reached = np.array([-1.0, -2.0, -3.0]), np.array([0.1, 0.3, 1.0])
    tail = SeenTail(TAIL, levels, reached, 0.05, float(TAIL.log_survival(-1.0)))
    np.testing.assert_allclose(
        tail.score_at(np.log([0.9, 0.3, 0.2, 0.1, 0.05])), [-3, -2, -2, -1, -1]
    )
    # Half of the share beyond the riskiest: an exponential tail goes on for log 2 scales.
    assert float(tail.score_at(np.log(0.025))) == pytest.approx(-1 + SCALE * np.log(2))
    shares = np.exp(tail.log_survival(np.array([-3.5, -3.0, -2.5, -2.0, -1.5, -1.0])))
    np.testing.assert_allclose(shares, [1, 0.3, 0.3, 0.1, 0.1, 0.05])
    assert float(tail.log_survival(-1 + SCALE)) == pytest.approx(np.log(0.05) - 1)


def test_a_tail_that_ends_below_the_riskiest_goes_no_further() -> None:
    ended = ParetoTail(-0.5, 0.1, 0.2, -2.4, 20)
    tail = SeenTail(ended, np.array([-1.0, -3.0]), np.array([0.1, 1.0]), 0.05, -np.inf)
    assert float(tail.score_at(-20.0)) == -1.0
    assert float(tail.log_survival(-0.5)) == -np.inf


@pytest.mark.parametrize("above", [1, 3, 40])
def test_the_share_above_a_level_has_the_interval_of_clopper_and_pearson(above: int) -> None:
    score = np.sort(gumbel_scores(100))
    level = np.array([(score[-above] + score[-above - 1]) / 2])
    seen = predictors(score)
    low, high = seen.least.share_quantile(level, 0.025), seen.most.share_quantile(level, 0.975)
    exact = stats.binomtest(above, 100).proportion_ci(method="exact")
    assert float(low[0]) == pytest.approx(exact.low, rel=0.12)
    assert float(high[0]) == pytest.approx(exact.high, rel=0.05)


def test_the_worst_of_as_many_lies_above_the_riskiest_half_of_the_time() -> None:
    """Of 2 m queries, whatever their law, the riskiest is one of the first m half of the time."""
    score = np.sort(gumbel_scores(80))
    seen = predictors(score, count=1_000)
    for n, rank in ((80, 1), (80, 3), (20, 2)):
        level = np.array([to_risk(score[-rank] - 1e-9)])
        for predictor, among in ((seen.least, rank), (seen.most, rank + 1)):
            # All n new ones below so many of the m: the highest of all 80 + n are among the m.
            exact = np.prod([(80 - k) / (80 + n - k) for k in range(among)])
            assert 1 - predictor.chances_above(n, level)[0] == pytest.approx(exact, abs=0.02)


def test_wordings_of_a_query_count_as_one() -> None:
    """Four wordings of each: what is above the ten riskiest queries is as uncertain as above ten of 100."""
    score = np.repeat(np.sort(gumbel_scores(100)), 4)
    level = np.array([np.sort(score)[-40] - 1e-9])
    seen = predictors(score, [f"g{n // 4}" for n in range(400)])
    exact = stats.binomtest(10, 100).proportion_ci(method="exact")
    assert float(seen.least.share_quantile(level, 0.025)[0]) == pytest.approx(exact.low, rel=0.15)


def test_noise_is_taken_out_of_the_queries_and_of_the_tail() -> None:
    sample = sample_of(gumbel_scores(100), 0.5)
    shift = SimexShift(np.array([0.0, -1.0, -10.0]), np.array([0.0, 0.1, 0.2]))
    refits = TailDraws((TAIL,) * 50, (), by_group=False, posterior=True)
    with_noise = seen_predictors(sample, TAIL, refits, None, seed=3)
    without = seen_predictors(sample, TAIL, refits, shift, seed=3)
    sizes = np.array([50.0, 5_000.0])
    moved = [to_score(each.least.worst(sizes, [0.5])[0]) for each in (with_noise, without)]
    assert (moved[0] - moved[1] > 0.05).all()
    assert (moved[0] - moved[1] < 0.25).all()
    levels = without.middle.shown.score_at(np.linspace(-0.01, -9, 200))
    assert (np.diff(levels) >= -1e-9).all()
