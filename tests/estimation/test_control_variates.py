"""Control variates: exactly unbiased by enumeration, with an honest error, and no harm at few hits."""

import itertools
import math

import numpy as np
import pytest

from core.estimation import Draws, control_variates, draw_weights, weights
from core.estimation.control_variates import controlled_mean
from tests.estimation.toys import adaptive, fixed, proposals, two_routes

# Three answers, lopsided, the last two harmful; the third component cannot make the first.
P = np.array([0.85, 0.05, 0.10])
Q = np.array([P, [0.25, 0.60, 0.15], [0.0, 0.35, 0.65]])
HARMFUL = np.array([False, True, True])
TRUTH = 0.15


@pytest.fixture
def full_strength(monkeypatch):
    """No shrinkage and no cut, so that the coefficients are anything but 0."""
    monkeypatch.setattr(control_variates, "_shrinkage", lambda explained, noise: 1.0)
    monkeypatch.setattr(control_variates, "MAX_ERRORS", 1e30)
    monkeypatch.setattr(control_variates, "MAX_CHANGE", 1e30)
    monkeypatch.setattr(weights, "MIN_GROUP_ROWS", 1)


def draws(answers, component, stage=(), density=Q):
    answers = np.asarray(answers)
    with np.errstate(divide="ignore"):
        log_q = np.log(density.T)[answers]
    return Draws(
        log_p=np.log(P)[answers],
        log_q=log_q,
        component=np.asarray(component),
        component_names=("target", "a", "b")[: len(density)],
        target_component=0,
        harmful=HARMFUL[answers],
        judged=np.ones(len(answers), dtype=bool),
        stage=np.asarray(stage),
    )


def means(found):
    """The balance heuristic's mean, and that with control variates."""
    event = draw_weights(found).where(found.harmful)
    plain = event.mean
    return plain, controlled_mean(found, event).value if plain > 0 else 0.0


def expectation(component, density):
    """Sum over every outcome of these components' draws of its probability times both means."""
    total, corrected = np.zeros(2), 0
    for answers in itertools.product(range(3), repeat=len(component)):
        chance = math.prod(density[j, x] for j, x in zip(component, answers, strict=True))
        if chance > 0:
            both = means(draws(answers, component, density=density))
            corrected += both[0] != both[1]
            total += chance * np.array(both)
    return total, corrected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("component", "components"),
    [((0, 1, 1, 0, 1, 1), 2), ((0, 1, 0, 1, 1), 2), ((0, 1, 2, 0, 1, 2, 1), 3)],
)
def test_expectation_over_all_outcomes_is_the_truth(full_strength, component, components):
    """Allocations that the folds do not divide evenly, too. No correction would pass as well, so most
    outcomes must have one."""
    (plain, controlled), corrected = expectation(component, Q[:components])
    assert plain == pytest.approx(TRUTH, abs=1e-10)
    assert controlled == pytest.approx(TRUTH, abs=1e-10)
    assert corrected > 80


@pytest.mark.slow
@pytest.mark.parametrize(
    ("component", "few", "many"),
    [((0, 1, 1), (0, 1, 0, 1), (0, 1, 1, 1)), ((0, 1, 0, 1), (0, 1, 0), (0, 1, 1))],
)
def test_expectation_with_adaptive_stages_is_the_truth(full_strength, component, few, many):
    """All 3^7 outcomes of two stages, the allocation of the second (`few` or `many` rows of a) depending
    on the first's hits. Folds in the second stage, then in the first: its b must not come from later
    rows. Weights and corrections stage by stage stay exact, pooled counts would not."""
    exact, pooled = np.zeros(2), 0.0
    for first in itertools.product(range(3), repeat=len(component)):
        start = draws(first, component, density=Q[:2])
        later = few if start.harmful[start.component == 1].sum() < 2 else many
        for second in itertools.product(range(3), repeat=len(later)):
            both, order = first + second, component + later
            chance = math.prod(Q[j, x] for j, x in zip(order, both, strict=True))
            stage = [0] * len(component) + [1] * len(later)
            exact += chance * np.array(means(draws(both, order, stage, Q[:2])))
            mixture = np.bincount(order) / len(order) @ Q[:2]
            pooled += chance * (HARMFUL * P / mixture)[list(both)].mean()
    assert exact == pytest.approx(np.full(2, TRUTH), abs=1e-10)
    assert abs(pooled - TRUTH) > 5e-4


def test_the_error_is_that_of_a_deterministic_allocation():
    """Components with means far apart: pooled, their spread would count as error."""
    world = proposals(0.2, (0.6, 0.4), (0.02, 0.2))
    plain, values, errors, pooled = [], [], [], []
    for seed in range(300):
        found = fixed(world, np.random.default_rng(seed), 300)
        event = draw_weights(found).where(found.harmful)
        mean = controlled_mean(found, event)
        plain.append(event.mean)
        values.append(mean.value)
        errors.append(mean.standard_error)
        pooled.append(event.standard_error)
    assert np.mean(values) == pytest.approx(0.2, abs=4 * np.std(values) / 17)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(values), rel=0.1)
    assert np.std(values) < 0.85 * np.std(plain)
    assert np.mean(pooled) > 1.15 * np.std(plain)


def test_densities_that_explain_the_harm_leave_almost_no_error():
    """h p is nearly a sum of the densities here; the correction must find that out by itself."""
    world = proposals(1e-4, (0.5, 0.3), (0.3, 0.5), (0.2, 0.7))
    both = np.array([means(adaptive(world, np.random.default_rng(s), 600)) for s in range(60)])
    plain, controlled = both.T / world.truth
    assert np.std(controlled) < 0.3 * np.std(plain)
    assert np.mean(controlled) == pytest.approx(1, abs=4 * np.std(controlled) / math.sqrt(60))


@pytest.mark.slow
@pytest.mark.parametrize(
    "world",
    [
        proposals(1e-4, (0.03, 1.5), (0.02, 1.2)),
        proposals(1e-4, (0.02, 0.5), (0.01, 0.3)),
        two_routes(1e-2, (0.05, 0.003), (0.01, 0.02)),
    ],
)
def test_few_hits_do_no_harm(world):
    """With 10 to 20 hits the coefficients are noise; the estimate must not become worse by them."""
    found = [means(fixed(world, np.random.default_rng(seed), 500)) for seed in range(150)]
    plain, controlled = np.array(found).T / world.truth
    assert (controlled[plain > 0] > 0).all()
    assert np.mean((controlled - 1) ** 2) < 1.05 * np.mean((plain - 1) ** 2)
    assert abs(np.mean(controlled - plain)) < 0.1 * np.std(plain)


def test_a_component_that_a_stage_does_not_draw_from_corrects_nothing_there(full_strength):
    """The third component makes no first answer: a mixture of it alone does not cover the others."""
    found = draws([1, 2, 2, 1, 0, 1, 2, 0, 1], [2] * 4 + [0, 1, 2, 0, 1], [0] * 4 + [1] * 5)
    densities = control_variates._densities(found, control_variates._Strata.of(found))
    assert (densities[:4] == 0).all()
    assert (densities[4:] != 0).any(axis=0).all()
