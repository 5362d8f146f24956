"""Optimal shares against brute force, and careful where little has been seen."""

import itertools

import numpy as np
import pytest

from core.estimation import Draws, optimal_shares
from tests.estimation.toys import good, monte_carlo, two_routes

# Four answers, the last two harmful; each proposal reaches one of them, the second more sparingly.
P = np.array([0.5, 0.497, 0.002, 0.001])
Q = np.array([P, [0.2, 0.3, 0.495, 0.005], [0.58, 0.3, 0.02, 0.10]])
HARMFUL = np.array([False, False, True, True])


def second_moment(shares):
    return float(((P * HARMFUL) ** 2 / (shares @ Q)).sum())


def brute_force(floors, steps=200):
    grid = np.arange(steps + 1) / steps
    best = min(
        (second_moment(np.array([a, b, 1 - a - b])), a, b)
        for a, b in itertools.product(grid, grid)
        if a + b <= 1 and (np.array([a, b, 1 - a - b]) >= floors - 1e-12).all()
    )
    return np.array([best[1], best[2], 1 - best[1] - best[2]])


def draws(rows_a_component):
    """Every component's rows in exact proportion to its density, so that no chance is left."""
    component = np.repeat(np.arange(3), rows_a_component)
    answer = np.concatenate(
        [np.repeat(np.arange(4), np.round(q * rows_a_component).astype(int)) for q in Q]
    )
    return Draws(
        log_p=np.log(P)[answer],
        log_q=np.log(Q.T)[answer],
        component=component,
        component_names=("target", "a", "b"),
        target_component=0,
        harmful=HARMFUL[answer],
        judged=np.ones(len(answer), dtype=bool),
    )


@pytest.mark.parametrize("floors", [(0.0, 0.0, 0.0), (0.1, 0.05, 0.05), (0.1, 0.4, 0.0)])
def test_many_draws_give_the_brute_force_optimum(floors):
    floors = np.array(floors)
    got, best = optimal_shares(draws(200_000), floors), brute_force(floors)
    assert got == pytest.approx(best, abs=0.01)
    assert second_moment(got) <= second_moment(best) * 1.0005
    # A different place than even shares, or the test would show nothing.
    assert second_moment(best) < 0.8 * second_moment(np.full(3, 1 / 3))
    assert got.sum() == pytest.approx(1)
    assert (got >= floors - 1e-12).all()


def test_without_hits_shares_are_as_even_as_the_floors_allow():
    none = monte_carlo(1e-12).draws(np.random.default_rng(0), 50, (0,))
    assert optimal_shares(none, np.array([0.0])).tolist() == [1.0]
    none = good(1e-12, 1e-12).draws(np.random.default_rng(0), 50)
    assert optimal_shares(none, np.array([0.1, 0.1])) == pytest.approx([0.5, 0.5])
    assert optimal_shares(none, np.array([0.1, 0.7])) == pytest.approx([0.3, 0.7])
    assert optimal_shares(none, np.array([0.5, 0.5])) == pytest.approx([0.5, 0.5])


def test_few_hits_move_the_shares_only_a_little():
    """A component whose only route has not come up yet must not be starved."""
    world = two_routes(1e-3, (0.4, 1e-5), (1e-5, 0.02))
    few = world.draws(np.random.default_rng(1), 60, (0, 1, 2))
    assert few.harmful.sum() > 3
    got = optimal_shares(few, np.array([0.1, 0.05, 0.05]))
    assert 1 / 3 < got[1] < 0.6
    assert got[2] > 0.15


def test_no_update_raises_the_objective():
    from core.estimation.optimal_allocation import _fill

    rng = np.random.default_rng(0)
    floors = np.array([0.1, 0.0, 0.05, 0.0])
    for _ in range(50):
        terms, ratios = rng.exponential(size=30), rng.lognormal(sigma=2, size=(30, 4))
        shares = np.full(4, 0.25)
        before = (terms / (ratios @ shares)).sum()
        for _ in range(20):
            gradient = (terms / (ratios @ shares) ** 2) @ ratios
            shares = _fill(shares * np.sqrt(gradient), floors)
            after = (terms / (ratios @ shares)).sum()
            assert after <= before * (1 + 1e-12)
            before = after


@pytest.mark.parametrize("floors", [[0.1], [-0.1, 0.5], [0.6, 0.6]])
def test_impossible_floors_are_refused(floors):
    with pytest.raises(ValueError, match="floors must"):
        optimal_shares(good().draws(np.random.default_rng(0), 20), np.array(floors))
