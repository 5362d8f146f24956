"""What the pictures are drawn from, against the forecasts and shares told one by one."""

import numpy as np
import pytest

from core.tails.analysis import FittedTail, fit_tail
from core.tails.exceedance import shares_above
from core.tails.maximum import corrected_forecasts
from core.tails.picture import (
    exceedance,
    fan,
    levels_in_doubt,
    survival_curve,
    survival_points,
)
from core.tails.sample import to_risk, to_score
from core.tails.spec import TailSpec
from tests.tails.samples import bound_of, censored_below, gumbel_scores, sample_of


@pytest.fixture(scope="module", params=["gumbel", "pot"])
def fitted(request: pytest.FixtureRequest) -> FittedTail:
    """Noisy estimates, so that taking the noise out moves the tail."""
    spec = TailSpec.build(fit=request.param, largest=30, bootstraps=80, confidence=0.9)
    return fit_tail(sample_of(gumbel_scores(120), 0.6), spec)


def test_the_fan_is_the_forecasts(fitted: FittedTail) -> None:
    told, _ = corrected_forecasts(fitted, [10.0])
    found = fan(fitted, told.supported, points=12, first=7)
    again, noise = corrected_forecasts(fitted, list(found.n))
    np.testing.assert_allclose(found["median"], again.median)
    np.testing.assert_allclose(found.low, again.low)
    np.testing.assert_allclose(found.high, again.high)
    np.testing.assert_allclose(found.left_in, noise.median)
    assert (found.left_in > found["median"]).any()
    assert (found.n.iloc[0], found.n.iloc[-1]) == (7, told.supported)


def test_half_of_the_worst_lie_in_the_inner_band(fitted: FittedTail) -> None:
    found = fan(fitted, 1_000, points=3)
    order = ["low", "inner_low", "median", "inner_high", "high"]
    assert (np.diff(found[order], axis=1) >= 0).all()
    worst = fitted.predictor.own.maximum_scores(np.array([1_000.0]))[:, 0]
    low, high = to_score(found.inner_low.iloc[-1]), to_score(found.inner_high.iloc[-1])
    inside = ((worst >= low) & (worst <= high)).mean()
    # It spans that with the noise left in too.
    assert 0.5 - 1e-9 <= inside < 0.9


def test_nothing_supported_is_an_empty_fan(fitted: FittedTail) -> None:
    assert len(fan(fitted, 0.0)) == 0
    assert fan(fitted, 4.0, first=10).n.tolist() == [4.0]


def test_shares_are_those_told_one_by_one(fitted: FittedTail) -> None:
    taus = [1e-5, 1e-3, 0.02, 0.3]
    found = exceedance(fitted, 500, taus)
    for place, tau in enumerate(taus):
        row = found.iloc[place]
        expected = shares_above(fitted, to_score(np.array([tau])))
        np.testing.assert_allclose([[row.share], [row.low], [row.high]], expected)
        assert row.chance == pytest.approx(fitted.predictor.chance_above(500, tau))
    raw, low, high = fitted.as_estimated.shares_above(to_score(np.array(taus)), 0.9)
    assert raw[2] != found.share[2]
    assert (low <= raw + 1e-12).all()
    assert (high >= low).all()


def test_levels_run_from_all_but_sure_to_all_but_out_of_reach(fitted: FittedTail) -> None:
    taus = levels_in_doubt(fitted, 200, points=9)
    chance = exceedance(fitted, 200, taus).chance
    assert chance.iloc[0] > 0.98
    assert chance.iloc[-1] < 0.02
    assert (np.diff(chance) <= 0).all()


def test_points_are_the_queries_the_riskiest_first() -> None:
    whole = sample_of(np.array([-3.0, -1.0, -2.0, -2.5]))
    found = survival_points(whole)
    assert found.row.tolist() == [1, 2, 3, 0]
    np.testing.assert_allclose(found.share, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(found.risk, whole.risk[[1, 2, 3, 0]])
    cut = survival_points(censored_below(whole, -2.2))
    assert cut.zero.tolist() == [False, False, True, True]
    assert cut.share.isna().tolist() == [False, False, True, True]
    np.testing.assert_allclose(cut.risk[2:], bound_of(to_risk(-2.2)))
    assert sorted(cut.row) == [0, 1, 2, 3]


def test_the_curve_begins_at_the_threshold(fitted: FittedTail) -> None:
    found = survival_curve(fitted, 1_000, points=20)
    assert to_score(found.risk[0]) == pytest.approx(fitted.fit.threshold)
    assert found.share.iloc[-1] == pytest.approx(1e-3, rel=0.02)
    assert (np.diff(found.share) <= 0).all()
    assert (found.low <= found.high).all()
    middle = found.iloc[10]
    expected = shares_above(fitted, to_score(np.array([middle.risk])))
    np.testing.assert_allclose([[middle.share], [middle.low], [middle.high]], expected)
