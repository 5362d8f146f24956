"""Anytime-valid bounds by betting: valid at all sample sizes at once, so one may watch and stop."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import special

from core.estimation.draws import Draws, FloatArray, IntArray
from core.estimation.intervals import check_confidence
from core.estimation.weights import LogWeights, balance_log_weights

# Bets are halved from the largest allowed one: no single bet can be right for an unknown mean far
# below the bound; a mixture over the grid loses only the log of its size against the best of them.
LOWER_BETS = 0.95 * 0.5 ** np.arange(14)
UPPER_BETS = 0.5 ** np.arange(11)
# Weights are rounded to 2% steps, away from the bound's side, so that cost grows with the range of
# weights and not with the rows; below e^-16 of the largest they are as good as 0.
BIN_NATS = 0.02
RANGE_NATS = 16.0
BISECTIONS = 20


@dataclass(frozen=True, eq=False)
class ConfidenceSequence:
    """Bounds at each checkpoint: (K,) arrays; simultaneously valid with the stated confidence."""

    samples: IntArray
    low: FloatArray
    high: FloatArray
    confidence: float


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

    A later stage has an allocation of its own, hence weights and a bound w_max of its own. Both are
    settled before its first row is drawn, so given the past each of its periods still has an
    expected factor of at most 1, and capital carries over. (Counts pooled over stages would weigh
    early rows by what they themselves led to.) A period cut short by the stage's end is skipped: its
    rows' means do not average to P, and leaving them out is as predictable as the allocation. So a
    stage says nothing before its first full period: with a tenth of the rows from the target, 9 draws
    bound nothing. (Weights by the counts of those 9 would do for a run that was to have 9 rows, but not
    for one that is watched: at 10 they would be others.)

    Unjudged rows are harmless for the lower bound and harmful for the upper: nothing is assumed.
    The lower bound needs no bound on the weights; without target rows the upper bound is 1.

    What would falsify it: more than alpha of runs in which a bound, at any size, misses the truth.

    Parameters
    ----------
    draws : Draws
        n rows in the order they were drawn, with the allocations of their stages.
    checkpoints : (K,) int, rows
        Ascending row counts in 1..n.
    confidence : float in (0, 1)
        Level at which all bounds hold together.

    Returns
    -------
    ConfidenceSequence
        (K,) lower and upper bounds on the risk, a probability: 0 and 1 until the rows say more.

    Raises
    ------
    ValueError
        Checkpoints out of range or order, a confidence outside (0, 1), no allocations, or rows that do not
        follow their stage's.

    References
    ----------
    Waudby-Smith & Ramdas (2024), "Estimating means of bounded random variables by betting".

    Examples
    --------
    1,000 answers drawn from the target, every fiftieth of them harmful:

    >>> import numpy as np
    >>> draws = Draws(
    ...     log_p=np.zeros(1000),
    ...     log_q=np.zeros((1000, 1)),
    ...     component=np.zeros(1000),
    ...     component_names=("target",),
    ...     target_component=0,
    ...     harmful=np.arange(1000) % 50 == 0,
    ...     judged=np.ones(1000),
    ...     stage_allocations=((1,),),
    ... )
    >>> bounds = confidence_sequence(draws, [100, 1000])
    >>> bounds.low.round(4).tolist(), bounds.high.round(3).tolist()
    ([0.0005, 0.0083], [0.111, 0.039])
    """
    points = _check_checkpoints(checkpoints, draws.samples)
    possible = draws.harmful | ~draws.judged
    sure, unsure = [], []
    for stage in _stages(draws, points):
        sure.append(_Binned.of(stage, draws.harmful, np.floor))
        # Without target rows a stage's weights have no bound, and no bet against them is safe.
        if stage.bound < math.inf:
            unsure.append(_Binned.of(stage, possible, np.ceil))
    return _bounds(points, sure, unsure, confidence)


def mean_sequence(
    log_values: FloatArray, largest: float, checkpoints: Sequence[int], confidence: float = 0.95
) -> ConfidenceSequence:
    """Returns running bounds for the mean of independent values in 0..largest, by the same bets.

    log_values: (n,) in the order they were drawn, -inf for 0. checkpoints, confidence: as above.

    Raises:
        ValueError: as above.
    """
    points = _check_checkpoints(checkpoints, len(log_values))
    weights = LogWeights(log_values).values
    stage = _Stage(slice(0, len(weights)), weights, largest, points)
    everything = np.ones(len(weights), dtype=np.bool_)
    sure, unsure = (_Binned.of(stage, everything, rounding) for rounding in (np.floor, np.ceil))
    return _bounds(points, [sure], [unsure], confidence)


def _bounds(
    points: IntArray, sure: Sequence["_Binned"], unsure: Sequence["_Binned"], confidence: float
) -> ConfidenceSequence:
    threshold = math.log(2 / (1 - check_confidence(confidence)))
    nothing = np.zeros(len(points))
    low = np.maximum.accumulate(_lower_bounds(sure, threshold)) if sure else nothing
    high = np.minimum.accumulate(_upper_bounds(unsure, threshold)) if unsure else nothing + 1.0
    return ConfidenceSequence(points, low, np.maximum(high, low), confidence)


@dataclass(frozen=True, eq=False)
class _Stage:
    """Rows `rows` of one allocation: their log-weights under it, the bound on their weights, and the
    end of the last full period at each checkpoint, (K,), counted from the stage's first row."""

    rows: slice
    log_weights: FloatArray
    bound: float
    ends: IntArray


def _stages(draws: Draws, points: IntArray) -> list[_Stage]:
    """Returns the stages with at least one full period."""
    if not draws.stage_allocations:
        raise ValueError("a confidence sequence needs the draws' stage_allocations, got none")
    starts = [*np.flatnonzero(np.diff(draws.stage, prepend=draws.stage[0] - 1)).tolist()]
    stages = []
    for first, end in pairwise([*starts, draws.samples]):
        rows, n = slice(first, end), end - first
        counts = np.array(draws.stage_allocations[draws.stage[first]], dtype=np.int64)
        _check_follows(draws.component[rows], counts, int(draws.stage[first]))
        period = int(counts.sum())
        if n < period:
            continue
        weights = balance_log_weights(draws.log_p[rows], draws.log_q[rows], counts).values
        target = draws.target_component
        target_rows = 0 if target is None else counts[target]
        bound = period / target_rows if target_rows else math.inf
        ends = np.clip(points - first, 0, n) // period * period
        stages.append(_Stage(rows, weights, bound, ends))
    return stages


def _check_follows(component: IntArray, counts: IntArray, stage: int) -> None:
    """Raises ValueError unless each period has these counts, and the rows after the last fit into one."""
    period = int(counts.sum())
    block = np.arange(len(component)) // period
    drawn = np.zeros((len(component) // period + 1, len(counts)), dtype=np.int64)
    np.add.at(drawn, (block, component), 1)
    if (drawn[:-1] != counts).any() or (drawn[-1] > counts).any():
        raise ValueError(
            f"rows of stage {stage} must follow its allocation, {counts.tolist()} of every {period}; "
            "they do not: rows are missing or in another order"
        )


@dataclass(frozen=True, eq=False)
class _Binned:
    """A stage's rows up to each of its ends as a histogram: how many, (K,), zeros among them, (K,), and
    counts (K, U) of the positive values (U,), none of which exceeds `bound`."""

    rows: IntArray
    zeros: FloatArray
    counts: FloatArray
    values: FloatArray
    bound: float

    @classmethod
    def of(cls, stage: _Stage, hit: npt.NDArray[np.bool_], rounding: np.ufunc) -> "_Binned":
        log_weights, ends = stage.log_weights, stage.ends
        positions = np.flatnonzero(hit[stage.rows] & (log_weights > -np.inf))
        logs = log_weights[positions]
        top = logs.max(initial=-math.inf)
        # Rounded relative to the largest, so that equal weights are not rounded at all.
        steps = rounding((logs - top) / BIN_NATS)
        floor = -RANGE_NATS / BIN_NATS
        if rounding is np.floor:
            positions, steps = positions[steps >= floor], steps[steps >= floor]
        steps = np.maximum(steps, floor)
        unique, index = np.unique(steps, return_inverse=True)
        reached = np.searchsorted(ends, positions, side="right")
        counts = np.zeros((len(ends) + 1, len(unique)))
        np.add.at(counts, (reached, index), 1.0)
        counts = np.cumsum(counts[:-1], axis=0)
        values = np.exp(top + unique * BIN_NATS) if len(unique) else np.zeros(0)
        return cls(ends, ends - counts.sum(axis=1), counts, values, stage.bound)


def _mean(stages: Sequence[_Binned], scale: Sequence[float]) -> FloatArray:
    """(K,) mean of X up to each end, stages weighted by `scale`; 0 before the first full period."""
    total = sum(c * (part.counts @ part.values) for part, c in zip(stages, scale, strict=True))
    rows = sum(c * part.rows for part, c in zip(stages, scale, strict=True))
    return np.asarray(total / np.where(rows > 0, rows, 1))


def _lower_bounds(stages: Sequence[_Binned], threshold: float) -> FloatArray:
    """(K,) largest m (rounded down) against which the mixture of bets c/m has won; 0 if none."""

    def log_capital(m: FloatArray) -> FloatArray:
        per_bet = np.zeros((len(m), len(LOWER_BETS)))
        for part in stages:
            # 1 + (c/m)(X - m) = (1 - c) + c X/m, never negative for c <= 1.
            gain = LOWER_BETS * (part.values / m[:, None])[:, :, None]
            per_bet += np.einsum("ku,kug->kg", part.counts, np.log1p(gain - LOWER_BETS))
            per_bet += part.zeros[:, None] * np.log1p(-LOWER_BETS)
        return _log_mean(per_bet)

    means = _mean(stages, [1.0] * len(stages))
    # At m = the mean no bet has won (Jensen); 12 decades below, any hit has made every bet win.
    lost = np.log(np.where(means > 0, means, 1.0))
    won = lost - 12 * math.log(10)
    any_won = log_capital(np.exp(won)) >= threshold
    for _ in range(BISECTIONS):
        middle = (won + lost) / 2
        wins = log_capital(np.exp(middle)) >= threshold
        won, lost = np.where(wins, middle, won), np.where(wins, lost, middle)
    return np.where(any_won & (means > 0), np.minimum(np.exp(won), 1.0), 0.0)


def _upper_bounds(stages: Sequence[_Binned], threshold: float) -> FloatArray:
    """(K,) smallest m (rounded up) against which the mixture of bets -c/bound has won; or 1."""

    def log_capital(m: FloatArray) -> FloatArray:
        per_bet = np.zeros((len(m), len(UPPER_BETS)))
        for part in stages:
            bets = UPPER_BETS / part.bound
            # 1 - b (X - m), positive because b X <= X/bound <= 1 and m > 0.
            gain = m[:, None, None] - np.minimum(part.values, part.bound)[:, None]
            per_bet += np.einsum("ku,kug->kg", part.counts, np.log1p(bets * gain))
            per_bet += part.zeros[:, None] * np.log1p(bets * m[:, None])
        return _log_mean(per_bet)

    # A stage's stakes are in units of its bound; at the mean weighted by stakes no bet has won.
    largest = max(part.bound for part in stages)
    means = _mean(stages, [largest / part.bound for part in stages])
    lost, won = np.log(np.clip(means, 1e-15, 1.0)), np.zeros(len(means))
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
