"""Profile intervals: where the likelihood says, and as often right as they claim."""

import numpy as np
import pytest
from scipy import optimize, stats

from core.tails.block_maxima import Blocks
from core.tails.pareto import ParetoTail, pareto_by_likelihood, pareto_log_likelihood
from core.tails.profile import (
    GEV_PARAMETERS,
    gev_interval,
    level_interval,
    scale_interval,
    shape_interval,
)
from tests.tails.samples import SCALE, pareto_excesses

HALF_CHI2 = 1.9207


def best_given_shape(over: np.ndarray, shape: float) -> float:
    found = optimize.minimize_scalar(
        lambda log: -float(stats.genpareto.logpdf(over, shape, scale=np.exp(log)).sum()),
        bounds=(-4, 4), method="bounded", options={"xatol": 1e-10},
    )  # fmt: skip
    return -float(found.fun)


def test_ends_lie_half_a_chi_squared_below_the_top() -> None:
    over = pareto_excesses(0.1, 80, seed=2)
    top = pareto_log_likelihood(over, *pareto_by_likelihood(over))
    for end in shape_interval(over):
        assert top - best_given_shape(over, end) == pytest.approx(HALF_CHI2, abs=1e-3)
    low, high = scale_interval(over)
    for scale in (low, high):
        best = max(pareto_log_likelihood(over, xi, scale) for xi in np.linspace(-0.5, 1, 15_001))
        assert top - best == pytest.approx(HALF_CHI2, abs=1e-3)


def test_the_level_is_profiled_too() -> None:
    over = pareto_excesses(0.1, 80, seed=3)
    tail = ParetoTail(*pareto_by_likelihood(over), 0.2, -1.0, 80)
    top = pareto_log_likelihood(over, tail.shape, tail.scale)
    low, high = level_interval(over, tail, 5_000)
    assert low < float(tail.score_at(-np.log(5_000))) < high
    for level in (low, high):
        shapes = np.linspace(-0.5, 1, 30_002)
        scales = (level + 1.0) * shapes / np.expm1(shapes * np.log(1_000))
        pairs = zip(shapes, scales, strict=True)
        best = max(pareto_log_likelihood(over, xi, scale) for xi, scale in pairs)
        assert top - best == pytest.approx(HALF_CHI2, abs=2e-3)
    with pytest.raises(ValueError, match="n must be above 1 / rate = 5, got 4"):
        level_interval(over, tail, 4)


def test_rewordings_widen_it() -> None:
    over = pareto_excesses(0.1, 80, seed=2)
    alone, worded = shape_interval(over), shape_interval(over, independent=0.25)
    assert worded[1] - worded[0] > 1.6 * (alone[1] - alone[0])


@pytest.mark.study
@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_coverage(shape: float) -> None:
    """A small version of `benchmarks.tails recovery`: 95% of 120, two and a half errors below."""
    inside = []
    for seed in range(120):
        over = pareto_excesses(shape, 200, seed)
        low, high = shape_interval(over)
        down, up = scale_interval(over)
        inside.append((low <= shape <= high, down <= SCALE <= up))
    share = np.mean(inside, axis=0)
    assert (share > 0.9).all(), share
    # All of them inside would be an interval that is far too wide.
    assert share.min() < 1, share


def test_block_maxima_are_profiled() -> None:
    maxima = np.asarray(stats.genextreme.rvs(-0.1, -2.0, 0.4, size=80, random_state=4))
    blocks = Blocks(maxima, np.full(80, 5.0), np.ones(80, dtype=bool))

    def best(held: int | None = None, value: float = 0.0) -> float:
        def loss(free: np.ndarray) -> float:
            theta = list(free) if held is None else np.insert(free, held, value).tolist()
            if theta[2] <= 0:
                return np.inf
            return -float(stats.genextreme.logpdf(maxima, -theta[0], theta[1], theta[2]).sum())

        start = np.array([0.05, -2.0, 0.4])
        first = start if held is None else np.delete(start, held)
        return -float(
            optimize.minimize(loss, first, method="Nelder-Mead", options={"xatol": 1e-8}).fun
        )

    for held, name in enumerate(GEV_PARAMETERS):
        for end in gev_interval(blocks, name):
            assert best() - best(held, end) == pytest.approx(HALF_CHI2, abs=2e-3)


@pytest.mark.study
def test_coverage_of_block_maxima() -> None:
    inside = []
    for seed in range(60):
        maxima = np.asarray(stats.genextreme.rvs(-0.1, -2.0, 0.4, size=60, random_state=seed))
        blocks = Blocks(maxima, np.ones(60), np.ones(60, dtype=bool))
        low, high = gev_interval(blocks, "shape")
        inside.append(low <= 0.1 <= high)
    assert 0.86 < np.mean(inside) < 1
