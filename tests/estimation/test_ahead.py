"""The interval of look-ahead holds the truth as often as it says, in worlds where the truth is known."""

import numpy as np
import pytest

from core.estimation.ahead import ahead_estimate, ahead_path
from core.estimation.draws import Ahead, Draws
from core.estimation.intervals import clopper_pearson_upper
from core.estimation.record import Estimate

STUDY = pytest.mark.study
FloatArray = np.typing.NDArray[np.float64]


def draws_of(values: FloatArray, exact: float = 0.0, largest: float = 1.0) -> Draws:
    with np.errstate(divide="ignore", invalid="ignore"):
        log_values = np.log(np.asarray(values, dtype=np.float64))
    return Draws.of_beginnings(Ahead(log_values, exact, largest))


def look_ahead_estimate(values: FloatArray, exact: float = 0.0) -> Estimate:
    return ahead_estimate(draws_of(values, exact))


def codes(found: Estimate) -> list[str]:
    return [reason.code for reason in found.reasons]


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


@pytest.mark.parametrize(("exact", "runs"), [(0.0, 60), pytest.param(3e-4, 300, marks=STUDY)])
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_interval_holds(world, exact: float, runs: int) -> None:  # type: ignore[no-untyped-def]
    draw, mean = world
    held = 0
    for seed in range(runs):
        values = exact + (1 - exact) * draw(np.random.default_rng(seed), 1_000)
        found = look_ahead_estimate(values, exact)
        truth = exact + (1 - exact) * mean
        assert found.ci_low >= exact
        held += found.ci_low <= truth <= found.ci_high
    # 95% less twice the luck of so many runs, and what few and uneven values cost.
    assert held / runs >= 0.945 - 2 * (0.05 * 0.95 / runs) ** 0.5, held


def test_nothing_found_is_a_bound() -> None:
    found = look_ahead_estimate(np.zeros(500))
    assert found.estimate == 0
    assert found.ci_low == 0
    assert found.ci_high == clopper_pearson_upper(0, 500)
    assert found.hits == 0
    assert (found.verdict, codes(found)) == ("caution", ["zero_hits"])


def test_what_is_certain_is_trusted() -> None:
    """However few rows there are: the certain bounds leave nothing to doubt."""
    worth = Ahead(np.log(np.full(20, 4e-3)), 4e-3, 9e-3, certain_low=4e-3, certain_high=8e-3)
    found = ahead_estimate(Draws.of_beginnings(worth))
    assert found.estimate == found.ci_low == found.certain_low == pytest.approx(4e-3)
    assert found.ci_high <= found.certain_high
    assert found.upper_bound_free <= found.certain_high
    assert found.verdict == "trust"


def test_rows_that_met_nothing_and_agree_are_not_trusted() -> None:
    """They cannot rule out what they did not meet, however exact the rest is."""
    found = look_ahead_estimate(np.full(1_000, 4e-3), 4e-3)
    assert (found.verdict, codes(found)) == ("caution", ["few_hits"])
    nearly = look_ahead_estimate(np.full(1_000, 4e-3))
    assert (nearly.verdict, codes(nearly)) == ("caution", ["unmet"])
    assert look_ahead_estimate(np.full(50_000, 4e-3)).verdict == "trust"


def test_a_way_that_no_draw_met_is_in_the_bound() -> None:
    """Most of the harm is in one beginning of a thousand; all others are worth a little, and agree."""
    truth, missed, beyond = 1e-3 + 1e-5, 0, 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        values = np.where(generator.random(300) < 1e-3, 1.0, generator.uniform(0.5e-5, 1.5e-5, 300))
        found = look_ahead_estimate(values)
        beyond += truth > found.upper_bound_free
        if truth > found.ci_high:
            missed += 1
            assert "unmet" in codes(found)
    assert missed > 50
    assert beyond <= 9


def test_one_draw_that_is_the_estimate_is_doubted() -> None:
    values = np.zeros(1_000)
    values[3] = 0.5
    found = look_ahead_estimate(values)
    assert found.verdict == "do not use"
    assert {"few_hits", "largest_share"} <= set(codes(found))


def test_few_rows_that_carry_the_rest_leave_room_for_what_was_not_met() -> None:
    """Half of the harm is exact, the other half in one beginning of 300: with none of it met, all rows are
    worth next to nothing beyond the exact part, and two of them carry what there is."""
    held = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        noise = np.exp(generator.normal(-22.0, 4.0, 300))
        values = 3e-3 + np.where(generator.random(300) < 1 / 300, 0.9, np.minimum(noise, 1e-4))
        found = ahead_estimate(draws_of(values, 3e-3))
        held += found.ci_low <= 3e-3 + 0.9 / 300 <= found.ci_high
        assert found.monte_carlo_equivalent < 1e5
        # What reads it as a count of harmful answers must not think the number sharper than it is.
        assert found.ess_event == pytest.approx((found.estimate / found.standard_error) ** 2)
    assert held >= 93


def test_a_heavy_tail_is_doubted() -> None:
    values = np.minimum(1e-6 * np.random.default_rng(0).pareto(0.8, 1_000), 1.0)
    assert "khat" in codes(look_ahead_estimate(values))


@pytest.mark.study
@pytest.mark.parametrize("exact", [0.0, 1e-4])
@pytest.mark.parametrize("world", ["even", "one in twenty", "counts"])
def test_the_anytime_bounds_hold_at_all_sizes_at_once(world: str, exact: float) -> None:
    """The share of runs in which either bound misses at any of forty looks is 5% at most."""
    draw, mean = WORLDS[world]
    wrong, sizes = 0, list(range(25, 1_001, 25))
    for seed in range(200):
        rest = draw(np.random.default_rng(seed), 1_000)
        path = ahead_path(draws_of(exact + (1 - exact) * rest, exact), sizes)
        truth = exact + (1 - exact) * mean
        wrong += any(not point.cs_low <= truth <= point.cs_high for point in path)
    assert wrong <= 10 + 2 * 10**0.5, wrong


def test_anytime_bounds_hold_and_lie_around_the_estimate() -> None:
    """40 runs of one world, a few looks each: one miss at most has a chance of 40%, three have 14%."""
    draw, mean = WORLDS["counts"]
    wrong = 0
    for seed in range(40):
        values = draw(np.random.default_rng(seed), 600)
        path = ahead_path(draws_of(values), [100, 300, 600])
        assert all(point.cs_low <= point.estimate <= point.cs_high for point in path)
        wrong += any(not point.cs_low <= mean <= point.cs_high for point in path)
    assert wrong <= 5, wrong


def test_the_path_ends_in_the_estimate() -> None:
    values = WORLDS["log-normal 1"][0](np.random.default_rng(0), 700)
    found, last = look_ahead_estimate(values), ahead_path(draws_of(values), [100, 700])[-1]
    assert (last.estimate, last.ci_low, last.ci_high) == (
        found.estimate,
        found.ci_low,
        found.ci_high,
    )
    assert (last.cs_low, last.cs_high) == (found.cs_low, found.cs_high)


@pytest.mark.parametrize(
    ("values", "exact"), [([], 0.0), ([1.1], 0.0), ([0.1], 0.2), ([np.nan], 0.0)]
)
def test_values_that_cannot_be(values: list[float], exact: float) -> None:
    with pytest.raises(ValueError, match="got"):
        look_ahead_estimate(np.array(values), exact)
