"""A backtest whose scores can be told by hand."""

import numpy as np

from core.tails.backtest import Backtest


def found() -> Backtest:
    """Returns three trials: a right forecast, one too low, one too high; a fourth failed."""
    return Backtest(
        "gumbel",
        worst=np.array([1e-3, 1e-2, 0.5]),
        level=np.array([1e-3, 1e-3, 1e-3]),
        median=np.array([1e-3, 2e-4, 0.9]),
        low=np.array([1e-5, 1e-4, 1e-2]),
        high=np.array([1e-2, 5e-3, 1.0]),
        taus=np.array([5e-3]),
        chance=np.array([[0.2], [0.6], [1.0]]),
        failed=1,
    )


def many(low: int, of: int, off: float = 2.0, name: str = "gumbel") -> Backtest:
    """Returns trials of which some were too low, by a factor, and the others too high by as much."""
    worst = np.full(of, 1e-3)
    median = np.where(np.arange(of) < low, worst / off, worst * off)
    chance = np.full((of, 1), 0.5)
    return Backtest(name, worst, median, median, median, median, np.array([5e-3]), chance, 0)
