"""The interval of look-ahead holds the truth as often as it says, in worlds where the truth is known."""

import numpy as np
import pytest

from core.estimation.intervals import clopper_pearson_upper
from core.look_ahead.estimate import look_ahead_estimate

# Values of a row beyond the exact part: (name, draw, mean).
WORLDS = {
    "even": (lambda g, n: g.uniform(0, 2e-3, n), 1e-3),
    "log-normal 1": (lambda g, n: np.exp(g.normal(np.log(1e-4) - 0.5, 1.0, n)), 1e-4),
    "one in twenty": (lambda g, n: np.where(g.random(n) < 0.05, 2e-3, 0.0), 1e-4),
    "one in a hundred, uneven": (
        lambda g, n: np.where(g.random(n) < 0.01, np.exp(g.normal(-6.5, 1.0, n)), 0.0),
        0.01 * np.exp(-6.0),
    ),
    "counts": (lambda g, n: (g.random(n) < 0.02).astype(float), 0.02),
}


@pytest.mark.parametrize("exact", [0.0, 3e-4])
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_interval_holds(world, exact: float) -> None:  # type: ignore[no-untyped-def]
    draw, mean = world
    held = 0
    for seed in range(300):
        values = exact + (1 - exact) * draw(np.random.default_rng(seed), 1_000)
        found = look_ahead_estimate(values, exact)
        truth = exact + (1 - exact) * mean
        assert found.ci_low >= exact
        held += found.ci_low <= truth <= found.ci_high
    # 95% less twice the luck of 300 runs, and what few and uneven values cost.
    assert held / 300 >= 0.92, held


def test_nothing_found_is_a_bound() -> None:
    found = look_ahead_estimate(np.zeros(500))
    assert found.estimate == 0
    assert found.ci_low == 0
    assert found.ci_high == clopper_pearson_upper(0, 500)
    assert "only an upper bound" in found.doubts[0]


def test_a_first_token_that_settles_all_leaves_one_doubt() -> None:
    """Draws cannot rule out what they did not meet, however exact the rest is."""
    found = look_ahead_estimate(np.full(200, 4e-3), 4e-3)
    assert found.estimate == found.ci_low == pytest.approx(4e-3)
    assert all("no draw met" in doubt for doubt in found.doubts)
    assert look_ahead_estimate(np.full(50_000, 4e-3), 4e-3).doubts == ()


def test_a_way_that_no_draw_met_is_in_the_bound_and_doubted() -> None:
    """Most of the harm is in one beginning of a thousand; all others are worth a little, and agree."""
    truth, missed, beyond = 1e-3 + 1e-5, 0, 0
    for seed in range(300):
        generator = np.random.default_rng(seed)
        values = np.where(generator.random(300) < 1e-3, 1.0, generator.uniform(0.5e-5, 1.5e-5, 300))
        found = look_ahead_estimate(values)
        beyond += truth > found.upper_bound_free
        if truth > found.ci_high:
            missed += 1
            assert any("no draw met" in doubt for doubt in found.doubts)
    assert missed > 150
    assert beyond <= 15


def test_one_draw_that_is_the_estimate_is_doubted() -> None:
    values = np.zeros(1_000)
    values[3] = 0.5
    assert [doubt.split()[0] for doubt in look_ahead_estimate(values).doubts][:2] == ["What", "A"]


@pytest.mark.parametrize(
    ("values", "exact"), [([], 0.0), ([1.1], 0.0), ([0.1], 0.2), ([np.nan], 0.0)]
)
def test_values_that_cannot_be(values: list[float], exact: float) -> None:
    with pytest.raises(ValueError, match="got"):
        look_ahead_estimate(np.array(values), exact)
