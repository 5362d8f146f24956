"""Anytime-valid bounds by betting: valid at all sample sizes at once, so one may watch and stop."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from core.estimation.draws import Draws, FloatArray, IntArray
from core.estimation.intervals import check_confidence
from core.estimation.weights import balance_log_weights

# Bets are halved from the largest allowed one: no single bet can be right for an unknown mean far
# below the bound; a mixture over the grid loses only the log of its size against the best of them.
LOWER_BETS = 0.95 * 0.5 ** np.arange(14)
UPPER_BETS = 0.5 ** np.arange(11)
# Weights are rounded to 2% steps, away from the bound's side, so that cost grows with the range of
# weights and not with the rows; below e^-16 of the largest they are as good as 0.
BIN_NATS = 0.02
RANGE_NATS = 16.0
BISECTIONS = 20
# Longest allocation period looked for: shares are stated to a tenth of a percent at most.
MAX_PERIOD = 1000


@dataclass(frozen=True, eq=False)
class ConfidenceSequence:
    """Bounds at each checkpoint: (K,) arrays; simultaneously valid with the stated confidence."""

    samples: IntArray
    low: FloatArray
    high: FloatArray
    confidence: float


def allocation_period(component: IntArray, components: int) -> int:
    """Returns the smallest B >= 1 rows after which the allocation to components repeats.

    Row by row if it does, else by the counts of full blocks of B, the rows after the last of which
    must fit into one more. (Counts alone would find 9 in 50 rows of a period of 10.) Without a
    repetition up to MAX_PERIOD, n itself: the run is one block, and bounds hold at its end only.
    """
    n = len(component)
    candidates = range(1, min(n // 2, MAX_PERIOD) + 1)
    for period in candidates:
        if (component[period:] == component[:-period]).all():
            return period
    cumulative = np.zeros((n + 1, components), dtype=np.int64)
    cumulative[1:] = np.cumsum(component[:, None] == np.arange(components), axis=0)
    for period in candidates:
        block = cumulative[period]
        ends = np.arange(0, n + 1, period)
        expected = np.arange(len(ends))[:, None] * block
        rest = cumulative[n] - cumulative[ends[-1]]
        if (cumulative[ends] == expected).all() and (rest <= block).all():
            return period
    return n


def confidence_sequence(
    draws: Draws, checkpoints: Sequence[int], confidence: float = 0.95
) -> ConfidenceSequence:
    """Returns running bounds for P = E[w*h], valid at all checkpoints at once, however one stops.

    The bettor against a mean m has, after rows i, the capital prod(1 + b (X_i - m)), X = w*h, for a
    fixed bet b; capitals over a grid of bets are averaged. If m is the truth, the average exceeds
    2/alpha with probability alpha/2 at most, ever (Ville). m below the lower bound has lost to bets
    b = c/m > 0, m above the upper bound to b = -c/w_max (Waudby-Smith & Ramdas 2024).

    Rows of a deterministic allocation are not identically distributed: component j has a mean mu_j
    of its own, and only their average over an allocation period is P. That is enough. With b fixed,
    the expected factor of one period of B rows is prod_j (1 + b (mu_j - P))^(B a_j). No factor is
    negative, so by the inequality of the means it is at most (1 + b (sum_j a_j mu_j - P))^B = 1:
    capital is a supermartingale over the ends of periods (not inside them), and is read only there.
    Weights use the period's allocation a_j rather than the counts so far, which would change them.
    A checkpoint inside a period shows the bounds of the last full one.

    Unjudged rows are harmless for the lower bound and harmful for the upper: nothing is assumed.
    The lower bound needs no bound on the weights; without target rows the upper bound is 1.

    What would falsify it: more than alpha of runs in which a bound, at any size, misses the truth.

    Args:
        checkpoints: ascending row counts in 1..n.

    Raises:
        ValueError: checkpoints out of range or order, or confidence outside (0, 1).
    """
    threshold = math.log(2 / (1 - check_confidence(confidence)))
    points = _check_checkpoints(checkpoints, draws.samples)
    period = allocation_period(draws.component, len(draws.component_names))
    counts = np.bincount(draws.component[:period], minlength=len(draws.component_names))
    log_weights = balance_log_weights(draws.log_p, draws.log_q, counts).values
    ends = points // period * period
    possible = draws.harmful | ~draws.judged
    sure = _Binned.of(log_weights, draws.harmful, ends, np.floor)
    low = _lower_bounds(sure, threshold)
    high = np.ones(len(points))
    if draws.target_component is not None and counts[draws.target_component] > 0:
        bound = period / counts[draws.target_component]
        high = _upper_bounds(_Binned.of(log_weights, possible, ends, np.ceil), bound, threshold)
    low, high = np.maximum.accumulate(low), np.minimum.accumulate(high)
    return ConfidenceSequence(points, low, np.maximum(high, low), confidence)


@dataclass(frozen=True, eq=False)
class _Binned:
    """Rows up to each end as a histogram: zeros (K,), counts (K, U) of the positive values (U,)."""

    rows: IntArray
    zeros: FloatArray
    counts: FloatArray
    values: FloatArray

    @classmethod
    def of(
        cls,
        log_weights: FloatArray,
        hit: npt.NDArray[np.bool_],
        ends: IntArray,
        rounding: np.ufunc,
    ) -> "_Binned":
        positions = np.flatnonzero(hit & (log_weights > -np.inf))
        logs = log_weights[positions]
        top = logs.max(initial=-math.inf)
        # Rounded relative to the largest, so that equal weights are not rounded at all.
        steps = rounding((logs - top) / BIN_NATS)
        floor = -RANGE_NATS / BIN_NATS
        if rounding is np.floor:
            positions, steps = positions[steps >= floor], steps[steps >= floor]
        steps = np.maximum(steps, floor)
        unique, index = np.unique(steps, return_inverse=True)
        stage = np.searchsorted(ends, positions, side="right")
        counts = np.zeros((len(ends) + 1, len(unique)))
        np.add.at(counts, (stage, index), 1.0)
        counts = np.cumsum(counts[:-1], axis=0)
        values = np.exp(top + unique * BIN_NATS) if len(unique) else np.zeros(0)
        return cls(ends, ends - counts.sum(axis=1), counts, values)

    @property
    def means(self) -> FloatArray:
        """(K,) mean of X up to each end; 0 before the first full period."""
        return np.asarray(self.counts @ self.values / np.maximum(self.rows, 1))


def _lower_bounds(rows: _Binned, threshold: float) -> FloatArray:
    """(K,) largest m (rounded down) against which the mixture of bets c/m has won; 0 if none."""

    def log_capital(m: FloatArray) -> FloatArray:
        # 1 + (c/m)(X - m) = (1 - c) + c X/m, never negative for c <= 1.
        gain = LOWER_BETS * (rows.values / m[:, None])[:, :, None]
        per_bet = np.einsum("ku,kug->kg", rows.counts, np.log1p(gain - LOWER_BETS))
        return _log_mean(per_bet + rows.zeros[:, None] * np.log1p(-LOWER_BETS))

    # At m = the mean no bet has won (Jensen); 12 decades below, any hit has made every bet win.
    lost = np.log(np.where(rows.means > 0, rows.means, 1.0))
    won = lost - 12 * math.log(10)
    any_won = log_capital(np.exp(won)) >= threshold
    for _ in range(BISECTIONS):
        middle = (won + lost) / 2
        wins = log_capital(np.exp(middle)) >= threshold
        won, lost = np.where(wins, middle, won), np.where(wins, lost, middle)
    return np.where(any_won & (rows.means > 0), np.minimum(np.exp(won), 1.0), 0.0)


def _upper_bounds(rows: _Binned, bound: float, threshold: float) -> FloatArray:
    """(K,) smallest m (rounded up) against which the mixture of bets -c/bound has won; or 1."""
    bets = UPPER_BETS / bound

    def log_capital(m: FloatArray) -> FloatArray:
        # 1 - b (X - m), positive because b X <= X/bound <= 1 and m > 0.
        gain = m[:, None, None] - np.minimum(rows.values, bound)[:, None]
        per_bet = np.einsum("ku,kug->kg", rows.counts, np.log1p(bets * gain))
        return _log_mean(per_bet + rows.zeros[:, None] * np.log1p(bets * m[:, None]))

    lost, won = np.log(np.clip(rows.means, 1e-15, 1.0)), np.zeros(len(rows.rows))
    any_won = log_capital(np.exp(won)) >= threshold
    for _ in range(BISECTIONS):
        middle = (won + lost) / 2
        wins = log_capital(np.exp(middle)) >= threshold
        won, lost = np.where(wins, middle, won), np.where(wins, lost, middle)
    return np.where(any_won, np.exp(won), 1.0)


def _log_mean(log_values: FloatArray) -> FloatArray:
    """Log of the mean over the last axis."""
    return np.asarray(special.logsumexp(log_values, axis=-1) - math.log(log_values.shape[-1]))


def _check_checkpoints(checkpoints: Sequence[int], n: int) -> IntArray:
    points = np.asarray(checkpoints, dtype=np.int64)
    if points.ndim != 1 or len(points) == 0:
        raise ValueError(f"checkpoints must be a list of row counts, got {checkpoints!r}")
    bad = (points < 1) | (points > n) | (np.diff(points, prepend=0) <= 0)
    if bad.any():
        raise ValueError(f"checkpoints must ascend within 1..{n}, got {points[bad][0]}")
    return points
