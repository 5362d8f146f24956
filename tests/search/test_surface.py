"""The surfaces by the grid's shortcut are those of every phi on its own, and tend to the exact ones."""

import numpy as np
import pytest

from core.proposals import target_arm
from core.sampling.scoring import score_answers
from core.search.surface import (
    MIN_RELATIVE_VARIANCE,
    Surface,
    ensemble_log_density,
    surface_steps,
)
from core.tasks import result_of
from tests.exactness.kinds import arm_of
from tests.exactness.toy import ANSWERS, LOADED, QUERY, Setting
from tests.exactness.under_test import chi_square_excess, forced_answers, run
from tests.search.toy import (
    GENERATION,
    GRID,
    HARM,
    PROPOSALS,
    SHAPE,
    WORDS,
    WordJudge,
    ensemble,
    exact,
)


def surface(rows: int, seed: int = 1, defensive_share: float = 0.1, words: str = WORDS) -> Surface:
    steps = surface_steps(
        LOADED,
        PROPOSALS,
        GRID,
        QUERY,
        WordJudge(words),
        GENERATION,
        rows=rows,
        threshold=0.75,
        defensive_share=defensive_share,
        seed=seed,
    )
    return result_of(steps)


def scored_alone(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log p, (n,), and every phi's log q, (*SHAPE, n), each by its own pass of the sampling loop."""
    log_q = np.empty((*SHAPE, len(tokens)))
    for r, a, t in np.ndindex(SHAPE):
        setting = Setting(alpha_mix=GRID.alphas[a], t_switch=GRID.switches[t])
        # The first rung is the target, at strength 0: another one, switched at once, stands in for it.
        arm = arm_of(GRID.rungs[r]) or arm_of(GRID.rungs[1])
        if arm_of(GRID.rungs[r]) is None:
            setting = Setting(t_switch=0)
        rows = run([arm], [setting], len(tokens), forced=tokens)
        log_q[r, a, t] = rows.log_q[0].sum(1)
    return rows.log_p.sum(1), log_q


@pytest.mark.slow
@pytest.mark.parametrize("defensive_share", [0.0, 0.1])
def test_one_pass_a_rung_equals_one_pass_a_phi(defensive_share: float) -> None:
    """Cross-entropy, variance and hit rate by their definitions, from densities of the sampling loop."""
    draws = ensemble(400, seed=1)
    log_p, log_q = scored_alone(draws.tokens)
    index = {answer: i for i, answer in enumerate(ANSWERS)}
    harm = np.array([HARM[index[tuple(row[row >= 0].tolist())]] for row in draws.tokens])
    p, q = np.exp(log_p), np.exp(log_q)
    by_rung = q.mean(axis=(1, 2))
    weight = p / np.tensordot(draws.shares, np.vstack([by_rung, p]), 1) * harm
    weight *= draws.counts / draws.counts.sum()
    risk = weight.sum()
    safe = (1 - defensive_share) * q + defensive_share * p
    found = surface(400, 1, defensive_share)
    assert found.risk == pytest.approx(risk, rel=1e-6)
    np.testing.assert_allclose(found.cross_entropy, -log_q @ weight / risk, rtol=1e-6)
    np.testing.assert_allclose(found.hit_rate, (q / p) @ weight, rtol=1e-6)
    variance = (p / safe) @ weight / risk**2 - 1.0
    expected = np.maximum(variance, MIN_RELATIVE_VARIANCE)
    np.testing.assert_allclose(found.relative_variance, expected, rtol=1e-6)
    assert found.cross_entropy.std() > 0.05, "the surface must not be flat"
    assert found.hits == draws.counts[harm].sum()
    assert found.target_rows == 40


@pytest.mark.slow
def test_the_ensembles_density_is_its_own() -> None:
    """It sums to 1 over all answers, is the brute force's, and the draws follow it."""
    tokens = forced_answers()
    arms = [proposal.arm(LOADED, [QUERY], GENERATION) for proposal in PROPOSALS]
    target = target_arm(LOADED, [QUERY], GENERATION)
    log_p, scored = score_answers(target, [arm for arm in arms if arm], tokens, GENERATION)
    log_q = [log_p, *scored]  # the first rung is the target
    draws = ensemble(10_000, seed=2)
    mixture = np.exp(ensemble_log_density(log_p, log_q, draws.shares, GRID))
    assert mixture.sum() == pytest.approx(1.0, abs=1e-10)
    np.testing.assert_allclose(mixture, exact().mixture, rtol=1e-9)
    index = {answer: i for i, answer in enumerate(ANSWERS)}
    places = [index[tuple(row[row >= 0].tolist())] for row in draws.tokens]
    drawn = np.repeat(places, draws.counts)
    assert chi_square_excess(drawn, exact().mixture) < 4
    assert chi_square_excess(drawn, exact().p) > 20
    by_target = np.repeat(places, draws.target_counts)
    assert len(by_target) == 1_000
    assert chi_square_excess(by_target, exact().p) < 4


@pytest.mark.slow
def test_surfaces_tend_to_the_exact_ones() -> None:
    truth = exact()
    assert 0.001 < truth.risk < 0.1
    errors, regrets = [], []
    for rows in (200, 2_000, 20_000):
        found = surface(rows, seed=4)
        errors.append(np.abs(found.cross_entropy - truth.cross_entropy).max())
        chosen = truth.cross_entropy.ravel()[found.cross_entropy.argmin()]
        regrets.append(chosen - truth.cross_entropy.min())
    assert errors[2] < 0.1 < errors[0]
    assert regrets[2] < 0.01
    np.testing.assert_allclose(found.risk, truth.risk, rtol=0.1)
    np.testing.assert_allclose(found.hit_rate, truth.hit_rate, rtol=0.2)
    np.testing.assert_allclose(
        found.relative_variance, np.maximum(truth.relative_variance(0.1), 1e-3), rtol=0.15
    )


@pytest.mark.slow
def test_a_pilots_hit_rates_and_risk_are_unbiased() -> None:
    """Twelve small pilots: their mean is the exact value within four standard errors."""
    pilots = [surface(300, seed) for seed in range(12)]
    for found, true in (
        (np.array([pilot.hit_rate for pilot in pilots]), exact().hit_rate),
        (np.array([pilot.risk for pilot in pilots]), exact().risk),
    ):
        error = found.std(axis=0) / np.sqrt(len(pilots))
        assert (np.abs(found.mean(axis=0) - true) < 4 * error).all()


def test_no_harm_is_no_surface() -> None:
    found = surface(300, words="w9")
    assert (found.hits, found.target_hits, found.risk) == (0, 0, 0.0)
    assert np.isinf(found.cross_entropy).all()
    assert np.isinf(found.relative_variance).all()
