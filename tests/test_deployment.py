"""What a risk comes to in use: closed forms, simulation, and what is said where nothing was found."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.deployment import (
    Risk,
    Traffic,
    at_least_one,
    chance_curve,
    denominator,
    median_queries,
    outlook,
    possible_risks,
)
from core.errors import SpecError

TRAFFIC = Traffic(a_day=100_000, share=0.001, days=30)


def risk(value: float = 1e-4, relative: float = 0.1) -> Risk:
    """A risk whose doubt is a gamma variable's, for small values."""
    shape = 1 / relative**2
    low, high = (value * float(stats.gamma.ppf(at, shape)) / shape for at in (0.025, 0.975))
    return Risk(value=value, low=low, high=min(high, 1.0), relative_error=relative)


def test_closed_forms() -> None:
    found = outlook(risk(), TRAFFIC)
    assert found.expected.value == pytest.approx(100_000 * 0.001 * 30 * 1e-4)
    assert found.any.value == pytest.approx(1 - (1 - 1e-4) ** 3_000)
    assert found.any.low == pytest.approx(1 - (1 - risk().low) ** 3_000)
    assert found.any.high == pytest.approx(1 - (1 - risk().high) ** 3_000)
    assert found.mean_days.value == pytest.approx(1 / (100 * 1e-4))
    assert found.median_days.value == pytest.approx(math.log(2) / (100 * 1e-4), rel=1e-3)
    # The higher risk means the fewer days.
    assert found.mean_days.low == pytest.approx(1 / (100 * risk().high))
    assert found.mean_days.high == pytest.approx(1 / (100 * risk().low))


@pytest.mark.parametrize("relative", [0.05, 0.3, 0.9])
def test_a_small_risk_counts_as_gamma_poisson(relative: float) -> None:
    traffic = Traffic(a_day=1e6, share=1.0, days=30)
    found = outlook(risk(1e-5, relative), traffic)
    shape = 1 / relative**2
    chance = shape / (shape + 300)
    assert found.count.low == pytest.approx(stats.nbinom.ppf(0.025, shape, chance), abs=2)
    assert found.count.high == pytest.approx(stats.nbinom.ppf(0.975, shape, chance), rel=0.01)
    assert found.by_chance.low == pytest.approx(stats.poisson.ppf(0.025, 300), abs=1)
    assert found.by_chance.high == pytest.approx(stats.poisson.ppf(0.975, 300), abs=1)
    assert found.any_averaged == pytest.approx(1 - (1 + 300 / shape) ** -shape, abs=2e-3)


def test_a_large_risk_counts_as_simulated() -> None:
    asked = Risk(value=0.9, low=0.8, high=0.97, relative_error=0.05)
    found = outlook(asked, Traffic(a_day=100, share=1.0, days=1))
    generator = np.random.default_rng(0)
    variance = (0.9 * 0.05) ** 2
    together = 0.9 * 0.1 / variance - 1
    p = generator.beta(0.9 * together, 0.1 * together, 200_000)
    low, high = np.quantile(generator.binomial(100, p), [0.025, 0.975])
    assert abs(found.count.low - low) <= 1
    assert abs(found.count.high - high) <= 1
    assert found.count.high <= 100


def test_the_first_harmful_answer_comes_as_simulated() -> None:
    found = outlook(risk(0.02), Traffic(a_day=10, share=0.5, days=30))
    first = np.random.default_rng(1).geometric(0.02, 200_000) / 5
    assert found.mean_days.value == pytest.approx(first.mean(), rel=0.02)
    assert found.median_days.value == pytest.approx(np.median(first), rel=0.03)


def test_doubt_is_the_wider_of_interval_and_standard_error() -> None:
    wide = Risk(value=1e-4, low=5e-5, high=2e-4, relative_error=0.01)
    ends = np.quantile(possible_risks(wide), [0.025, 0.975])
    assert ends[1] / ends[0] == pytest.approx(4.0, rel=0.03)
    narrow = Risk(value=1e-4, low=9.9e-5, high=1.01e-4, relative_error=0.2)
    assert np.std(possible_risks(narrow)) == pytest.approx(2e-5, rel=0.03)
    assert np.mean(possible_risks(narrow)) == pytest.approx(1e-4, rel=0.01)


def test_without_a_lower_end_the_standard_error_says_it() -> None:
    ends = np.quantile(
        possible_risks(Risk(value=1e-4, low=0.0, high=1e-3, relative_error=0.3)), [0.025, 0.975]
    )
    assert ends[0] == pytest.approx(risk(1e-4, 0.3).low, rel=0.01)
    assert ends[1] == pytest.approx(1e-3, rel=0.02)


@given(
    st.floats(1e-9, 0.5),
    st.floats(0.01, 1.5),
    st.floats(1, 1e9),
    st.floats(1e-6, 1),
    st.floats(1, 3_650),
)
def test_ranges_are_in_order(
    value: float, relative: float, a_day: float, share: float, days: float
) -> None:
    found = outlook(risk(value, relative), Traffic(a_day=a_day, share=share, days=days))
    for one in (found.expected, found.any, found.mean_days, found.median_days):
        assert one.value is not None
        assert one.low <= one.value <= one.high
    # Doubt and chance together are no narrower than chance alone, but for a whole number's rounding.
    assert found.count.high >= found.by_chance.high - 1
    assert 0 <= found.any.low <= found.any.high <= 1


SIDES = st.one_of(st.just(1.0), st.floats(1.0, 1e6))
ASKED = st.builds(
    lambda a_day, share, days: Traffic(a_day=a_day, share=share, days=days),
    st.floats(1, 1e9),
    st.floats(1e-6, 1),
    st.floats(1, 3_650),
)


@given(st.floats(1e-9, 0.9), SIDES, SIDES, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_both_ends_of_a_lopsided_range_are_kept(
    value: float, below: float, above: float, confidence: float
) -> None:
    low, high = value / below, min(1.0, value * above)
    possible = possible_risks(Risk(value=value, low=low, high=high, confidence=confidence))
    assert (np.diff(possible) >= 0).all()
    assert (possible > 0).all()
    assert (possible <= 1).all()
    tails = (1 - confidence) / 2
    # Between two of a thousand risks, on a scale where the range may span many powers of ten.
    found = np.log(np.quantile(possible, [tails, 0.5, 1 - tails]))
    for one, wanted in zip(found, np.log([low, value, high]), strict=True):
        assert one == pytest.approx(wanted, abs=0.01 + 0.03 * math.log(high / low))


@pytest.mark.slow
@given(st.floats(1e-9, 0.9), SIDES, SIDES, ASKED)
def test_both_together_is_never_narrower_than_either_cause(
    value: float, below: float, above: float, traffic: Traffic
) -> None:
    asked = Risk(value=value, low=value / below, high=min(1.0, value * above))
    found = outlook(asked, traffic)
    assert found.count.low <= min(found.by_chance.low, found.expected.low)
    assert found.count.high >= found.by_chance.high
    # An average below 1 is no count; and no more can be harmful than are asked.
    if found.expected.high >= 1:
        assert found.count.high >= min(found.expected.high, max(1, round(traffic.like_this)))
    assert found.any_averaged is not None
    assert found.any.low - 1e-12 <= found.any_averaged <= found.any.high + 1e-12


@pytest.mark.parametrize("high", [1e-3, 1.0])
def test_a_long_upper_side_is_in_the_counts_range(high: float) -> None:
    asked = Risk(value=1e-4, low=8e-5, high=high)
    found = outlook(asked, TRAFFIC)
    generator = np.random.default_rng(2)
    deviations = generator.standard_normal(400_000)
    sides = np.where(deviations < 0, math.log(1 / 0.8), math.log(high / 1e-4)) / 1.96
    p = np.minimum(1e-4 * np.exp(deviations * sides), 1.0)
    low, top = np.quantile(generator.binomial(3_000, p), [0.025, 0.975])
    assert found.count.low == low
    assert found.count.high == pytest.approx(top, rel=0.02, abs=1)
    assert found.count.high >= 3_000 * high
    assert found.any_averaged is not None
    assert found.any_averaged == pytest.approx(
        float(np.mean(at_least_one(np.clip(p, 8e-5, high), 3_000))), abs=2e-3
    )
    assert found.any.value is not None
    assert found.any_averaged > found.any.value


def test_a_long_lower_side_is_in_the_counts_range() -> None:
    found = outlook(Risk(value=1e-2, low=1e-6, high=1.1e-2), Traffic(a_day=1e5, share=1.0, days=1))
    assert found.count.low <= 0.1
    assert 1_100 <= found.count.high < 1_250


def test_nothing_found_makes_upper_statements_only() -> None:
    found = outlook(Risk(value=0.0, low=0.0, high=1e-3), TRAFFIC)
    assert found.expected.value is None
    assert found.any.value is None
    assert found.any_averaged is None
    assert found.mean_days.value is None
    assert found.expected.high == pytest.approx(3.0)
    assert found.count.high == stats.binom.ppf(0.975, 3_000, 1e-3)
    assert found.mean_days.low == pytest.approx(10.0)
    assert math.isinf(found.mean_days.high)
    assert chance_curve(Risk(value=0.0, low=0.0, high=1e-3), TRAFFIC)["chance"].isna().all()


def test_half_the_risk_halves_the_count_and_doubles_the_wait() -> None:
    whole, half = outlook(risk(), TRAFFIC), outlook(risk().times(0.5), TRAFFIC)
    assert whole.expected.value is not None
    assert half.expected.value == pytest.approx(whole.expected.value / 2)
    assert whole.mean_days.value is not None
    assert half.mean_days.value == pytest.approx(whole.mean_days.value * 2)


def test_the_curve_ends_at_the_horizon() -> None:
    curve, found = chance_curve(risk(), TRAFFIC), outlook(risk(), TRAFFIC)
    assert curve["chance"].iloc[0] == 0
    assert curve["day"].iloc[-1] == 30
    assert curve["chance"].iloc[-1] == pytest.approx(found.any.value)
    assert curve["chance"].is_monotonic_increasing
    assert (curve["low"] <= curve["high"]).all()


def test_a_certain_harm_is_certain() -> None:
    assert at_least_one(np.array([1.0, 0.0]), 10.0).tolist() == [1.0, 0.0]
    assert at_least_one(np.array([1.0, 0.0]), 0.0).tolist() == [0.0, 0.0]
    found = outlook(Risk(value=1.0, low=0.9, high=1.0, relative_error=0.01), TRAFFIC)
    assert found.any.value == 1.0
    assert found.median_days.value == found.mean_days.value == 1 / 100


@pytest.mark.parametrize("p", [1.0, 0.9, 0.5, 0.3, 1 - 0.5 ** (1 / 3), 0.01, 1e-7])
def test_half_of_first_harmful_answers_come_within_the_median_in_whole_queries(p: float) -> None:
    found = median_queries(p)
    assert 1 - (1 - p) ** found >= 0.5 - 1e-12
    assert found == 1 or 1 - (1 - p) ** (found - 1) < 0.5


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(0.2, 1_000), (0.002, 1_000), (0.0019, 1_000_000), (1e-4, 1_000_000), (1e-9, 1_000_000)],
)
def test_the_denominator_is_one_of_two(value: float, wanted: int) -> None:
    assert denominator(risk(value, 0.01)) == wanted


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"value": 0.2, "low": 0.3, "high": 0.4}, "must lie within its range, got 0.2 with 0.3 to"),
        ({"value": 2.0, "low": 0.3, "high": 4.0}, r"must be in 0\.\.1, got 2 with"),
        ({"value": 0.0, "low": 0.0, "high": 0.0}, "upper end"),
        ({"value": 0.1, "low": 0.0, "high": 0.3}, "lower end"),
    ],
)
def test_a_risk_that_is_none_is_named(fields: dict[str, float], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        Risk.build(**fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"a_day": 0}, "queries a day must be in 1"),
        ({"share": 0}, "above 0 and at most 1, got 0"),
        ({"share": 1.5}, "got 1.5"),
        ({"days": math.nan}, r"days must be in 1\.\.36,500, got nan"),
    ],
)
def test_traffic_out_of_range_is_named(fields: dict[str, float], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        Traffic.build(**fields)
