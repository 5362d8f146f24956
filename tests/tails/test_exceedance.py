"""Shares and chances above a level, told of a fitted tail whose estimates are mostly noise."""

import numpy as np
import pytest
from scipy import stats

from core.tails.analysis import FittedTail, fit_tail
from core.tails.deconvolution import deconvolved_shares
from core.tails.exceedance import chances_above, shares_above, uses_deconvolution
from core.tails.maximum import corrected_forecasts
from core.tails.picture import fan, survival_curve
from core.tails.sample import to_risk, to_score
from core.tails.spec import TailSpec
from tests.tails.samples import gumbel_scores, sample_of
from tests.tails.test_deconvolution import asked

ALIKE = stats.norm(np.log10(3e-3), 0.05)


@pytest.fixture(scope="module")
def fitted() -> FittedTail:
    """Risks that are all but alike, with three hits each."""
    return fit_tail(asked(10 ** ALIKE.rvs(300, random_state=0), 1_000, 0), TailSpec(bootstraps=100))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "noise", "taken_out"),
    [
        ({}, 1.0, True),
        ({"fit": "gumbel"}, 1.0, True),
        ({"noise_corrected": False}, 1.0, False),
        ({"fit": "lognormal"}, 1.0, False),
        ({"fit": "empirical"}, 1.0, False),
        ({}, 0.1, False),
        ({}, 0.0, False),
    ],
)
def test_where_noise_is_taken_out(spec: dict[str, object], noise: float, taken_out: bool) -> None:
    sample = sample_of(gumbel_scores(100), noise)
    found = fit_tail(sample, TailSpec.build(bootstraps=50, **spec))
    assert uses_deconvolution(found) is taken_out
    level = np.array([np.quantile(sample.score, 0.3)])
    share = shares_above(found, level)[0][0]
    assert (share == found.predictor.shares_above(level)[0][0]) is not taken_out


def test_shares_fall_and_hold_the_truth(fitted: FittedTail) -> None:
    levels = np.geomspace(1e-3, 0.02, 40)
    share, low, high = shares_above(fitted, to_score(levels))
    assert (np.diff(share) <= 1e-12).all()
    assert (low <= share).all()
    assert (share <= high).all()
    truth = ALIKE.sf(np.log10(levels))
    assert (low <= truth + 1e-3).all()
    assert (truth <= high + 1e-9).all()
    # Of the estimates a quarter lie above 4 in 1,000, of the risks hardly any.
    estimated = (fitted.sample.risk > 0.004).mean()
    assert estimated > 0.2
    assert shares_above(fitted, to_score(np.array([0.004])))[0][0] < estimated / 1.2


def test_what_a_few_draw_agrees_with_the_share(fitted: FittedTail) -> None:
    risks = np.array([0.002, 0.003])
    assert (to_score(risks) < fitted.fit.threshold).all()
    share = shares_above(fitted, to_score(risks))[0]
    np.testing.assert_allclose(chances_above(fitted, 3, risks), 1 - (1 - share) ** 3)
    further = chances_above(fitted, 3, np.geomspace(0.001, 0.05, 30))
    assert (np.diff(further) <= 1e-12).all()


@pytest.mark.slow
def test_the_worst_of_alike_risks_is_held() -> None:
    """Their own noise makes the riskiest look twice as risky as it is; added once more it shows but half."""
    held, too_high = 0, 0
    for seed in range(8):
        risk = 10 ** ALIKE.rvs(600, random_state=seed)
        found = fit_tail(asked(risk[:300], 1_000, seed), TailSpec(bootstraps=60), max_horizon=300)
        told, left_in = corrected_forecasts(found, [300])
        worst = risk[300:].max()
        held += told.low[0] <= worst <= told.high[0]
        too_high += left_in.low[0] > worst
        assert told.low[0] <= told.median[0]
    assert held == 8
    assert too_high >= 6


def test_the_pictures_agree(fitted: FittedTail) -> None:
    told, _ = corrected_forecasts(fitted, [100.0])
    drawn = fan(fitted, 100.0)
    assert drawn.low.iloc[-1] == pytest.approx(told.low[0])
    assert (drawn.low <= drawn.inner_low).all()
    curve = survival_curve(fitted, 200, points=15)
    known = ~fitted.sample.censored
    assert curve.risk[0] == pytest.approx(fitted.sample.risk[known].min())
    start = curve[curve.risk < to_risk(fitted.fit.threshold) * 0.999]
    expected = deconvolved_shares(fitted.sample).at(to_score(start.risk))[0]
    np.testing.assert_allclose(start.share, expected)
