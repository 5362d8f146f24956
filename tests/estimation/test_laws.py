"""Laws that hold for any numbers: of weights, and of intervals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from core.estimation.draws import Draws
from core.estimation.estimate import estimate
from core.estimation.intervals import (
    Interval,
    clopper_pearson,
    clopper_pearson_upper,
    gamma_interval,
    weighted_interval,
)
from core.estimation.weights import LogWeights
from tests.estimation.toys import good, monte_carlo

Confidences = st.floats(0.5, 0.999)
LogWeightArrays = arrays.arrays(np.float64, st.integers(1, 60), elements=st.floats(-50.0, 50.0))


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    """Hits, and draws."""
    n = draw(st.integers(1, 10**7))
    return draw(st.integers(0, n)), n


@given(LogWeightArrays)
def test_the_effective_sample_size_lies_between_one_and_all(values: np.ndarray) -> None:
    weights = LogWeights(values)
    assert 1.0 - 1e-9 <= weights.ess <= len(values) * (1 + 1e-12)


@given(LogWeightArrays, st.floats(-600.0, 600.0))
def test_the_scale_of_the_weights_changes_no_diagnostic(values: np.ndarray, shift: float) -> None:
    weights, scaled = LogWeights(values), LogWeights(values + shift)
    assert scaled.ess == pytest.approx(weights.ess, rel=1e-9)
    assert scaled.largest_share == pytest.approx(weights.largest_share, rel=1e-9)
    assert scaled.log_mean == pytest.approx(weights.log_mean + shift, rel=1e-9, abs=1e-9)


@given(LogWeightArrays)
def test_equal_weights_are_worth_their_number(values: np.ndarray) -> None:
    equal = LogWeights(np.full_like(values, values[0]))
    assert equal.ess == pytest.approx(len(values))


@given(counts(), Confidences)
def test_clopper_pearson_is_exact_for_any_count(count: tuple[int, int], confidence: float) -> None:
    """Each end is the risk at which so many hits, or fewer, or more, have a chance of alpha/2."""
    (hits, n), alpha = count, 1 - confidence
    interval = clopper_pearson(hits, n, confidence)
    assert 0.0 <= interval.low <= hits / n <= interval.high <= 1.0
    if hits > 0:
        assert stats.binom.sf(hits - 1, n, interval.low) == pytest.approx(alpha / 2, rel=1e-5)
    else:
        assert interval.low == 0.0
    if hits < n:
        assert stats.binom.cdf(hits, n, interval.high) == pytest.approx(alpha / 2, rel=1e-5)
    else:
        assert interval.high == 1.0
    # One tail alone reaches less far than one of two.
    assert clopper_pearson_upper(hits, n, confidence) <= interval.high


@given(counts())
def test_what_is_not_a_hit_is_a_hit_of_the_rest(count: tuple[int, int]) -> None:
    hits, n = count
    interval, rest = clopper_pearson(hits, n), clopper_pearson(n - hits, n)
    assert interval.low == pytest.approx(1 - rest.high, rel=1e-7, abs=1e-12)
    assert interval.high == pytest.approx(1 - rest.low, rel=1e-7, abs=1e-12)


def assert_nested(inner: Interval, outer: Interval) -> None:
    assert outer.low <= inner.low * (1 + 1e-9)
    assert inner.high <= outer.high * (1 + 1e-9)


@given(counts(), Confidences, Confidences)
def test_clopper_pearson_nests(count: tuple[int, int], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert_nested(clopper_pearson(*count, low), clopper_pearson(*count, high))


@given(LogWeightArrays, st.integers(0, 100), Confidences, Confidences)
def test_weighted_intervals_nest(values: np.ndarray, misses: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    # Below 1 on average, so that the ends are not both cut at 1.
    values = np.concatenate([values - 60.0, np.full(misses, -np.inf)])
    weights = LogWeights(values)
    inner, outer = weighted_interval(weights, low), weighted_interval(weights, high)
    assert_nested(inner, outer)
    assert outer.low <= math.exp(weights.log_mean) * (1 + 1e-9) <= outer.high * (1 + 1e-9)


@given(st.floats(1e-12, 0.1), st.floats(0.01, 2.0), Confidences, Confidences)
def test_gamma_intervals_nest(value: float, relative: float, one: float, other: float) -> None:
    low, high = sorted((one, other))
    ends = (value, relative * value, 0.0, relative * value)
    assert_nested(gamma_interval(*ends, low), gamma_interval(*ends, high))


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.sampled_from([1e-4, 1e-2]), Confidences, Confidences)
def test_an_estimates_intervals_nest(seed: int, truth: float, one: float, other: float) -> None:
    """From all draws, whichever interval they call for; both the fixed-sample and the anytime one."""
    low, high = sorted((one, other))
    for world, method in ((good(truth), "is"), (monte_carlo(0.02), "mc")):
        allocation = (0,) if method == "mc" else (0, *9 * (1,))
        draws: Draws = world.draws(np.random.default_rng(seed), 200, allocation)
        inner, outer = (estimate(draws, method=method, confidence=level) for level in (low, high))
        assert outer.ci_low <= inner.ci_low * (1 + 1e-9)
        assert inner.ci_high <= outer.ci_high * (1 + 1e-9)
        assert outer.cs_low <= inner.cs_low * (1 + 1e-9)
        assert inner.cs_high <= outer.cs_high * (1 + 1e-9)
