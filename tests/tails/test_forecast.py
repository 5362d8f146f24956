"""Forecasts: closed forms for a known tail, coverage by simulation, and no further than supported."""

import numpy as np
import pytest
from scipy import stats

from core.errors import SpecError
from core.tails.analysis import fit_tail
from core.tails.bootstrap import TailDraws
from core.tails.forecast import FURTHEST, forecast
from core.tails.gumbel import GumbelTail
from core.tails.maximum import corrected_forecasts
from core.tails.pareto import ParetoTail
from core.tails.predictor import Predictor, TailPredictor
from core.tails.sample import to_risk, to_score
from core.tails.spec import TailSpec
from core.tails.tail import splice
from tests.tails.samples import LOCATION, SCALE, gumbel_scores, sample_of


def known(tail) -> Predictor:
    """A tail that is known: its refits are itself."""
    return Predictor(TailPredictor(tail, TailDraws((tail,) * 50, (), by_group=False)))


@pytest.mark.parametrize("posterior", [False, True])
def test_of_a_known_tail_the_worst_is_a_power(posterior: bool) -> None:
    tail = ParetoTail(0.1, SCALE, 1.0, -3.0, 100)
    predictor = TailPredictor(
        tail, TailDraws((tail,) * 50, (), by_group=False, posterior=posterior)
    )
    for n in (1, 2, 50, 10_000):
        for tau in (1e-7, 1e-4, 1e-2):
            survival = float(np.exp(tail.log_survival(to_score(tau))))
            expected = 1 - (1 - survival) ** n
            assert predictor.chances_above(n, np.array([tau]))[0] == pytest.approx(
                expected, abs=0.5 / 40
            )
    sizes = np.array([2.0, 3.0, 200.0])
    medians = predictor.worst(sizes, [0.5])[0]
    exact = tail.score_at(np.log(1 - 0.5 ** (1 / sizes)))
    np.testing.assert_allclose(to_score(medians), exact, atol=0.01)
    assert Predictor(predictor).level(200)[0] == pytest.approx(
        float(to_risk(tail.score_at(-np.log(200))))
    )


def test_refits_move_a_level_by_how_rare_they_find_it() -> None:
    """By hand: at log S = -6 the fit's level is -0.75, a refit finds log S = -3.5 there, which is -1.375."""
    fit, refit = GumbelTail(-4.0, -9.0, -3.0, 10), GumbelTail(-2.0, -5.0, -3.0, 10)
    one = np.array([-6.0])
    calibrated = TailPredictor(fit, TailDraws((refit,), (), by_group=False))
    np.testing.assert_allclose(calibrated.levels(one), [-1.375])
    # The other way round: that level is exceeded as often.
    np.testing.assert_allclose(np.log(calibrated.shares(np.array([-1.375]))), [[-6.0]])
    drawn = TailPredictor(fit, TailDraws((refit,), (), by_group=False, posterior=True))
    np.testing.assert_allclose(drawn.levels(one), [0.5])
    np.testing.assert_allclose(np.log(drawn.shares(np.array([0.5]))), [[-6.0]])


def test_share_above_is_the_survival() -> None:
    tail = ParetoTail(0.1, SCALE, 0.2, -2.0, 100)
    tau = 0.01
    assert known(tail).share_above(tau)[0] == pytest.approx(
        float(np.exp(tail.log_survival(to_score(tau))))
    )


def test_few_queries_are_like_those_seen() -> None:
    """Ten queries of 300: the line through the ten largest, taken downwards, would tell less than any."""
    sample = sample_of(gumbel_scores(300))
    fitted = fit_tail(sample, TailSpec.build(fit="gumbel", bootstraps=200))
    found, _ = corrected_forecasts(fitted, [1, 10])
    truth = stats.gumbel_r(LOCATION, SCALE)
    median = to_risk(truth.ppf(0.5 ** (1 / np.array([1, 10]))))
    assert (np.abs(np.log10(found.median / median)) < 0.3).all()
    assert (found.low >= sample.risk.min()).all()
    assert found.high[0] < sample.risk.max()


@pytest.mark.study
@pytest.mark.parametrize("fit", ["gumbel", "pot"])
def test_the_interval_holds_the_worst_of_new_queries(fit: str) -> None:
    """A small version of `benchmarks.tails coverage`: 95% of 120 less two and a half standard errors."""
    truth = stats.gumbel_r(LOCATION, SCALE)
    generator = np.random.default_rng(4)
    inside, below = [], []
    for seed in range(120):
        sample = sample_of(gumbel_scores(100, seed))
        spec = TailSpec.build(fit=fit, largest=20, bootstraps=60, seed=seed)
        predictor = fit_tail(sample, spec).predictor
        worst = float(to_risk(truth.rvs(1000, random_state=generator).max()))
        low, median, high = predictor.worst(np.array([1000.0]), [0.025, 0.5, 0.975])[:, 0]
        inside.append(low <= worst <= high)
        below.append(worst < median)
    assert np.mean(inside) > 0.89
    # The median is one: the line's own bias would put it too high.
    assert np.mean(below) == pytest.approx(0.5, abs=0.15)


def test_further_than_supported_there_is_none() -> None:
    sample = sample_of(gumbel_scores(100))
    fitted = fit_tail(sample, TailSpec.build(fit="gumbel", bootstraps=100))
    found, _ = corrected_forecasts(fitted, [1_000, 1_000_000])
    assert found.supported <= FURTHEST * 100
    assert np.isfinite(found.median[0])
    assert np.isnan([found.median[1], found.low[1], found.level[1], found.at_least_one[1]]).all()
    # Wordings of few queries support less.
    worded = sample_of(gumbel_scores(100), group=[f"g{n // 5}" for n in range(100)])
    fewer, _ = corrected_forecasts(
        fit_tail(worded, TailSpec.build(fit="gumbel", bootstraps=100)), [100]
    )
    assert fewer.supported <= FURTHEST * 20


def test_a_wide_interval_ends_the_support() -> None:
    """Risks that double their exponent each time: soon nothing is known."""
    wild = [GumbelTail(slope, slope * 3.5, -3.0, 10) for slope in np.linspace(-40, -0.6, 50)]
    sample = sample_of(gumbel_scores(100))
    tails = tuple(splice(sample, tail) for tail in wild)
    predictor = Predictor(
        TailPredictor(tails[25], TailDraws(tails, (), by_group=False, posterior=True))
    )
    assert forecast(sample, predictor, [100]).supported < 5_000


def test_a_fan_grows_with_n() -> None:
    fitted = fit_tail(
        sample_of(gumbel_scores(200), 0.2), TailSpec.build(fit="gumbel", bootstraps=100)
    )
    found, _ = corrected_forecasts(fitted, list(np.geomspace(1, 10_000, 25)))
    for line in (found.low, found.median, found.high, found.level, found.at_least_one):
        assert (np.diff(line) >= -1e-9 * line[:-1]).all()


def test_same_seed_same_forecast() -> None:
    sample = sample_of(gumbel_scores(60), 0.3)
    one, two = (
        corrected_forecasts(
            fit_tail(sample, TailSpec.build(fit="gumbel", bootstraps=60, seed=5)), [500]
        )[0]
        for _ in range(2)
    )
    assert (one.low, one.median, one.high) == (two.low, two.median, two.high)


@pytest.mark.parametrize("n", [[], [0.5], [10, float("nan")]])
def test_bad_horizons(n: list[float]) -> None:
    sample = sample_of(gumbel_scores(60))
    with pytest.raises(SpecError, match="horizon must be 1 query or more, got"):
        forecast(sample, known(GumbelTail(-3.0, -8.0, -2.0, 10)), n)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"fit": "weibull"}, "fit must be one of gumbel, jones, pot, gev, lognormal, empirical, got 'we"),
        ({"largest": 3}, "largest must be 5 or more, got 3"),
        ({"threshold": 1.5}, "must be above 0 and below 1, got 1.5"),
        ({"confidence": 1.0}, "confidence must be in 0.5..0.999, got 1"),
        ({"bootstraps": 5}, "bootstraps must be in 50..10000, got 5"),
    ],
)  # fmt: skip
def test_bad_choices(values: dict, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        TailSpec.build(**values)


def test_a_small_chance_is_not_0() -> None:
    """P(worst of 3 > tau) of a tail that is known: 1 - (1 - S)^3, however small."""
    tail = ParetoTail(0.0, SCALE, 0.2, -3.0, 100)
    predictor = TailPredictor(tail, TailDraws((tail,) * 50, (), by_group=False, posterior=True))
    for score in (-1.0, 1.0, 4.0):
        share = float(np.exp(tail.log_survival(score)))
        chance = float(predictor.chances_above(3, to_risk(np.array([score])))[0])
        assert chance == pytest.approx(-np.expm1(3 * np.log1p(-share)), rel=1e-6)
        assert chance > 0


def test_extreme_quantiles_of_the_worst_are_exact() -> None:
    tail = ParetoTail(0.0, SCALE, 0.2, -3.0, 100)
    predictor = TailPredictor(tail, TailDraws((tail,) * 500, (), by_group=False, posterior=True))
    sizes = np.array([400.0])
    low, high = predictor.worst(sizes, [0.0005, 0.9995])
    for level, luck in ((low, 0.0005), (high, 0.9995)):
        share = np.exp(tail.log_survival(to_score(level[0])))
        assert (1 - share) ** 400 == pytest.approx(luck, rel=0.1) or luck > 0.5
        assert -400 * np.log1p(-share) == pytest.approx(-np.log(luck), rel=0.1)


@pytest.mark.study
@pytest.mark.parametrize("share", [0.6, 0.1])
def test_shares_have_an_interval_below_the_start_too(share: float) -> None:
    """The queries seen are a sample there as well. Of 100 with the ten largest as the tail."""
    tau = float(to_risk(stats.gumbel_r.isf(share, -2.4, SCALE)))
    inside = []
    for seed in range(120):
        score = stats.gumbel_r.rvs(-2.4, SCALE, size=100, random_state=seed)
        spec = TailSpec.build(largest=15, bootstraps=100, seed=seed)
        low, high = fit_tail(sample_of(score), spec).predictor.share_above(tau)[1:]
        inside.append(low <= share <= high)
    assert 0.88 < np.mean(inside) <= 1


def test_block_maxima_of_groups_know_nothing_of_single_queries() -> None:
    score = np.asarray(stats.gumbel_r.rvs(-2.4, SCALE, size=200, random_state=1))
    spec = TailSpec.build(fit="gev", bootstraps=100)
    grouped = fit_tail(sample_of(score, group=[f"g{n % 20}" for n in range(200)]), spec)
    assert np.isnan(grouped.predictor.share_above(0.01)).all()
    told = corrected_forecasts(grouped, [100.0])[0]
    assert np.isnan([told.at_least_one[0], told.at_least_one_low[0]]).all()
    assert 0 < told.low[0] < told.median[0] < told.high[0]
    alone = fit_tail(sample_of(score), spec)
    share, low, high = alone.predictor.share_above(0.01)
    assert low < share < high
    assert float((score > to_score(0.01)).mean()) == pytest.approx(share, abs=0.1)


def test_where_no_threshold_fits_it_goes_no_further_than_what_was_seen() -> None:
    """Two populations, the upper one too small to be a tail of its own."""
    generator = np.random.default_rng(2)
    score = np.concatenate([generator.normal(-2.6, 0.02, 400), generator.normal(-1.5, 0.02, 12)])
    fitted = fit_tail(sample_of(score), TailSpec.build(bootstraps=100))
    assert fitted.table is not None
    assert not fitted.table.fits
    told = corrected_forecasts(fitted, [100.0, 4_000.0])[0]
    assert told.supported <= 412
    assert np.isfinite(told.median[0])
    assert np.isnan(told.median[1])


@pytest.mark.parametrize("seen", [67, 100, 300])
def test_as_many_as_were_seen_are_always_supported(seen: int) -> None:
    """However wide: of a rounded grid of horizons the number seen was none, and the one below it the last."""
    wild = [GumbelTail(slope, slope * 3.5, -3.0, 10) for slope in np.linspace(-40, -0.3, 50)]
    sample = sample_of(gumbel_scores(seen))
    predictor = Predictor(
        TailPredictor(wild[25], TailDraws(tuple(wild), (), by_group=False, posterior=True))
    )
    assert seen <= forecast(sample, predictor, [seen]).supported < 2 * seen
