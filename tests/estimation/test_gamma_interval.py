"""Intervals for sums of rare events, against counts of equal size, where they are exact."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.estimation.gamma_interval import gamma_high, gamma_low


@pytest.mark.parametrize("count", [0, 1, 3, 40])
def test_equal_events_have_poissons_ends(count: int) -> None:
    size = 0.01
    low = gamma_low(0.025, count * size, count * size**2)
    high = gamma_high(0.025, count * size, count * size**2, size)
    # Garwood (1936).
    assert low == pytest.approx(size * (stats.gamma.ppf(0.025, count) if count else 0.0), rel=1e-9)
    exact = size * stats.gamma.ppf(0.975, count + 1)
    if count == 0:
        assert high == pytest.approx(exact, rel=1e-9)
        return
    # Mid-P: P(X < count) + P(X = count) / 2 is the tail.
    rate = high / size
    assert stats.poisson(rate).cdf(count - 1) + stats.poisson(rate).pmf(count) / 2 == pytest.approx(
        0.025, rel=1e-6
    )
    assert size * stats.gamma.ppf(0.975, count) < high < exact


def test_a_larger_event_that_may_be_missed_raises_the_end() -> None:
    ends = [gamma_high(0.025, 0.1, 0.001, event) for event in (0.0, 0.001, 0.1, 1.0)]
    assert np.all(np.diff(ends) > 0)
    assert ends[-1] > 1.0


def test_what_is_sure_has_no_width() -> None:
    assert gamma_low(0.025, 0.3, 0.0) == gamma_high(0.025, 0.3, 0.0, 0.0) == 0.3
