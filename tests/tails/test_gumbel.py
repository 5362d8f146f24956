"""The line of Jones et al.: exact on an exact line, unbiased on Gumbel samples, ten groups' worth."""

import numpy as np
import pytest

from core.errors import SpecError
from core.tails.analysis import fit_tail
from core.tails.gumbel import GumbelTail, fit_gumbel, fit_published, largest_by_default
from core.tails.maximum import corrected_forecasts
from core.tails.sample import expected_log_survival, to_risk
from core.tails.spec import TailSpec
from core.tails.tail import splice
from tests.tails.samples import LOCATION, SCALE, censored_below, gumbel_scores, sample_of


def test_a_line_is_found_again() -> None:
    m = 50
    heights = expected_log_survival(np.arange(1, m + 1) / m, m)
    fit = fit_gumbel(sample_of((heights - -9.0) / -4.0), 10)
    assert (fit.slope, fit.intercept) == (pytest.approx(-4.0), pytest.approx(-9.0))


def test_the_level_exceeded_once_in_n() -> None:
    tail = GumbelTail(-4.0, -9.0, -2.0, 10)
    n = 5_000
    assert float(tail.score_at(-np.log(n))) == pytest.approx((-np.log(n) + 9.0) / -4.0)
    assert float(tail.log_survival(tail.score_at(-3.0))) == pytest.approx(-3.0)


def test_heights_are_regressed_on_scores() -> None:
    """As the paper has it; the other way round is another line, and the forecast's median undoes the bias."""
    sample = sample_of(gumbel_scores(200))
    top = np.sort(sample.score)[::-1][:12]
    heights = expected_log_survival(np.arange(1, 13) / 200, 200)
    fit = fit_gumbel(sample, 12)
    assert (fit.slope, fit.intercept) == pytest.approx(tuple(np.polyfit(top, heights, 1)))
    assert (fit.threshold, fit.exceedances) == (top[-1], 12)


def test_the_scale_of_gumbel_samples_is_recovered() -> None:
    slopes = [fit_gumbel(sample_of(gumbel_scores(1000, seed)), 100).slope for seed in range(100)]
    assert -1 / np.mean(slopes) == pytest.approx(SCALE, rel=0.05)
    levels = [
        float(fit_gumbel(sample_of(gumbel_scores(1000, seed)), 100).score_at(-np.log(10_000)))
        for seed in range(100)
    ]
    assert np.mean(levels) == pytest.approx(LOCATION + SCALE * np.log(10_000), abs=0.15)


def test_censored_bulk_changes_nothing() -> None:
    whole = sample_of(gumbel_scores(200))
    cut = censored_below(whole, float(np.quantile(whole.score, 0.5)))
    assert fit_gumbel(cut, 10).slope == pytest.approx(fit_gumbel(whole, 10).slope)
    assert fit_gumbel(cut, 10).intercept == pytest.approx(fit_gumbel(whole, 10).intercept)


def test_ten_largest_or_ten_groups() -> None:
    scores = np.sort(gumbel_scores(320))[::-1]
    assert largest_by_default(sample_of(scores)) == 10
    # Four wordings of each, next to each other: forty queries hold ten groups, less the last one's rest.
    groups = [f"g{n // 4}" for n in range(320)]
    assert largest_by_default(sample_of(scores, group=groups)) == 37
    # Never more than three in ten.
    wide = [f"g{n // 32}" for n in range(320)]
    assert largest_by_default(sample_of(scores, group=wide)) == 96


def test_below_the_threshold_the_queries_seen_are_told() -> None:
    sample = sample_of(gumbel_scores(300))
    tail = splice(sample, fit_gumbel(sample, 10))
    seen = np.quantile(sample.score, [0.1, 0.5, 0.9])
    found = tail.score_at(np.log([0.9, 0.5, 0.1]))
    np.testing.assert_allclose(found, seen, atol=0.05)
    np.testing.assert_allclose(tail.log_survival(seen), np.log([0.9, 0.5, 0.1]), atol=0.05)
    levels = tail.score_at(np.linspace(-1e-6, -12, 500))
    assert (np.diff(levels) >= 0).all()


@pytest.mark.parametrize(("largest", "says"), [(400, "3..300"), (2, "got 2")])
def test_refusals(largest: int, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        fit_gumbel(sample_of(gumbel_scores(300)), largest)


def test_equal_largest_are_refused() -> None:
    scores = np.concatenate([np.full(12, 1.0), gumbel_scores(30) - 5])
    with pytest.raises(SpecError, match="largest estimates are equal"):
        fit_gumbel(sample_of(scores), 10)


def test_the_published_line_is_at_log_i_over_m() -> None:
    """Through the ten largest, whatever their groups; ours is steeper, for its largest stands lower."""
    scores = gumbel_scores(200)
    for group in (None, [f"g{n // 4}" for n in range(200)]):
        line = fit_published(sample_of(scores, group=group))
        top = np.sort(scores)[::-1][:10]
        expected = np.polyfit(top, np.log(np.arange(1, 11) / 200), 1)
        assert (line.slope, line.intercept) == pytest.approx(tuple(expected))
        assert (line.name, line.exceedances) == ("jones", 10)
    assert fit_gumbel(sample_of(scores), 10).slope < 1.15 * line.slope


def test_the_published_forecast_is_what_one_query_in_n_exceeds() -> None:
    scores = gumbel_scores(200, 3)
    sample = sample_of(scores, 0.3)
    fitted = fit_tail(sample, TailSpec.build(fit="jones", bootstraps=60))
    forecast, left_in = corrected_forecasts(fitted, [1_000])
    slope, intercept = np.polyfit(np.sort(scores)[::-1][:10], np.log(np.arange(1, 11) / 200), 1)
    assert forecast.median[0] == pytest.approx(to_risk((-np.log(1_000) - intercept) / slope))
    assert forecast.level[0] == forecast.median[0]
    # As published: no noise is taken out.
    assert left_in is forecast
    assert forecast.low[0] < forecast.median[0] < forecast.high[0]


def test_the_published_positions_forecast_too_high_and_ours_do_not() -> None:
    """The level that one of 5,000 exceeds, from 200 queries: mean error in scores over 60 samples."""
    true = LOCATION + SCALE * np.log(5_000)
    wanted = -np.log(5_000)
    errors = {
        fit.__name__: np.mean(
            [
                float(fit(sample_of(gumbel_scores(200, seed)), 10).score_at(wanted))
                for seed in range(60)
            ]
        )
        - true
        for fit in (fit_gumbel, fit_published)
    }
    assert errors["fit_published"] > errors["fit_gumbel"] + 0.1
    assert errors["fit_published"] > 0.2
