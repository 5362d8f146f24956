"""A few queries of a riskier kind: no forecast excludes what the queries seen say."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.tails.analysis import FittedTail, fit_tail
from core.tails.exceedance import shares_above
from core.tails.maximum import corrected_forecasts
from core.tails.reading import read_csv
from core.tails.remarks import sentence_of
from core.tails.report import TailsReport, forecast_report
from core.tails.sample import tail_sample, to_score
from core.tails.spec import TailSpec

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def told() -> TailsReport:
    """297 risks near 1e-6 and three at 0.2 to 0.4."""
    spec = TailSpec(bootstraps=200)
    return forecast_report(read_csv(DATA / "cluster.csv"), spec, [200, 300, 3_000])


def fitted_to(risk: np.ndarray, **choices: object) -> FittedTail:
    spec = TailSpec.build(**({"largest": 30, "bootstraps": 100} | choices))
    return fit_tail(tail_sample(risk), spec)


def clustered(seed: int, count: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    usual = 1e-6 * np.exp(0.6 * generator.normal(size=200 - count))
    return np.concatenate([usual, generator.uniform(0.05, 0.5, count)])


def test_the_chance_of_one_is_that_of_the_plain_mean(told: TailsReport) -> None:
    forecast, risk = told.forecast, told.fitted.sample.risk
    assert forecast.at_least_one[0] == pytest.approx(1 - (1 - risk.mean()) ** 200)
    assert forecast.at_least_one[0] == pytest.approx(0.45, abs=0.01)
    assert forecast.at_least_one_low[0] < 0.17
    assert 0.8 < forecast.at_least_one_high[0] <= forecast.at_least_one_bound[0] < 1


def test_the_numbers_in_the_middle_are_those_of_the_queries_seen(told: TailsReport) -> None:
    assert 0.15 < told.forecast.median[0] < 0.5
    values = told.to_dict()
    assert values["exceedance"]["0.1"] == pytest.approx(1 - 0.99**200, abs=0.06)
    share = values["share_above"]["0.1"]
    assert share["share"] == pytest.approx(0.01)
    # Clopper and Pearson's for 3 of 300, the high end the fit's where that is higher.
    assert share["ci_low"] == pytest.approx(0.00207, rel=0.35)
    assert share["ci_high"] == pytest.approx(0.0289, rel=0.2)


def test_it_goes_no_further_than_the_queries_seen(told: TailsReport) -> None:
    assert told.forecast.supported == 300
    assert np.isfinite(told.forecast.median).tolist() == [True, True, False]


def test_the_queries_are_named(told: TailsReport) -> None:
    remark = next(each for each in told.remarks if each.code == "surplus_above")
    assert remark.level == "caution"
    assert set(remark.values["queries"]) == {"q297", "q298", "q299"}
    assert remark.values["count"] == 3
    assert json.loads(json.dumps(remark.to_dict()))["values"]["p"] < 0.01
    assert "3 queries have a risk of 0.2 or more where the fit expects" in sentence_of(remark)


def test_what_may_have_been_missed_is_told(told: TailsReport) -> None:
    remark = next(each for each in told.remarks if each.code == "kind_not_seen")
    assert remark.level == "note"
    assert remark.values["share"] == pytest.approx(1 - 0.025 ** (1 / 300))
    assert remark.values["horizon"] == 300


@pytest.mark.parametrize("fit", ["pot", "gumbel", "jones", "lognormal"])
@pytest.mark.parametrize("count", [1, 4])
def test_no_interval_excludes_the_bootstrap_of_plain_mean_and_maximum(fit: str, count: int) -> None:
    risk = clustered(count, count)
    choices = {"fit": fit} if fit == "pot" else {"fit": fit, "largest": None}
    fitted = fitted_to(risk, **choices)
    sizes = [3, 50, 200]
    forecast, _ = corrected_forecasts(fitted, sizes)
    # Of a few risky queries a bootstrap that draws whole queries may draw none; the exact test excludes that.
    means = np.random.default_rng(0).dirichlet(np.ones(200), size=4_000) @ risk
    ranks = np.sort(risk)
    for place, n in enumerate(sizes):
        low, high = 1 - (1 - np.quantile(means, [0.025, 0.975])) ** n
        assert forecast.at_least_one_low[place] <= low * 1.15
        assert forecast.at_least_one_high[place] >= high
        assert forecast.at_least_one[place] == pytest.approx(1 - (1 - risk.mean()) ** n)
        # P(plain maximum of n <= i-th smallest) = (i / m)^n, the ends a rank apart for their own noise.
        first, last = (int(np.ceil(200 * p ** (1 / n))) - 1 for p in (0.025, 0.975))
        assert forecast.low[place] <= ranks[first]
        assert forecast.high[place] >= ranks[max(last - 1, 0)]


@pytest.mark.study
def test_coverage_over_clusters() -> None:
    """A small version of `benchmarks.tail_clusters`: 95% of 40 less two and a half standard errors."""
    share = 0.03
    truth = 1 - (1 - share * 0.275 - (1 - share) * 1.2e-6) ** 100
    held = []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        usual = 1e-6 * np.exp(0.6 * generator.normal(size=(2, 200)))
        drawn = generator.uniform(0.05, 0.5, size=(2, 200))
        risk, new = np.where(generator.uniform(size=(2, 200)) < share, drawn, usual)
        forecast, _ = corrected_forecasts(fitted_to(risk, bootstraps=50, seed=seed), [100, 200])
        held.append(
            [
                forecast.at_least_one_low[0] <= truth <= forecast.at_least_one_high[0],
                forecast.low[1] <= new.max() <= forecast.high[1],
            ]
        )
    assert (np.mean(held, axis=0) > 0.86).all()


def test_a_share_above_a_risk_holds_the_plain_one() -> None:
    risk = clustered(5, 3)
    value, low, high = shares_above(fitted_to(risk), to_score(np.array([0.04, 1e-6])))
    plain = np.array([(risk > each).mean() for each in (0.04, 1e-6)])
    assert (low < plain).all()
    assert (plain < high).all()
    assert value[0] == pytest.approx(plain[0])


def test_a_horizon_of_exactly_the_queries_seen_is_answered() -> None:
    spec = TailSpec(bootstraps=60)
    told = forecast_report(read_csv(DATA / "horizon_equals_seen.csv"), spec, [300])
    assert told.forecast.supported >= 300
    assert np.isfinite([told.forecast.median[0], told.forecast.at_least_one[0]]).all()
