"""Component densities as control variates: they integrate to 1, whatever the judge says."""

from dataclasses import dataclass

import numpy as np

from core.estimation.draws import Draws, FloatArray, IntArray
from core.estimation.weights import LogWeights, draw_log_mixture, weight_groups

FOLDS = 5
# The noise in b is taken twice: with few hits its own estimate misses the large residuals.
NOISE_FACTOR = 2.0
# Directions of the densities' spread below this, relative to the widest, are rounding.
RANK_CUT = 1e-9
# The correction is cut at three standard errors of the balance heuristic, whose error it is to
# foresee, and at half of it, so that it stays positive. Beyond, a single row leads: in 15% of runs at
# four hits, which nobody is told to trust, and in hardly any from fifteen on.
MAX_ERRORS = 3.0
MAX_CHANGE = 0.5


@dataclass(frozen=True)
class ControlledMean:
    """The estimate of E[w*h], its standard error, and how far one row has moved it, up and down.

    highest, lowest: the most by which a row lies above and below its component's mean, over n.
    """

    value: float
    standard_error: float
    highest: float
    lowest: float


def controlled_mean(draws: Draws, event_weights: LogWeights) -> ControlledMean:
    """Returns mean(w*h) corrected by control variates, with the deterministic allocation's error.

    With Z_j = q_j/q_mix - 1 the estimator is mean(w*h - sum_j b_j Z_j) (Owen & Zhou 2000). Under a
    deterministic allocation the mean of Z has expectation 0, for q_j integrates to 1; so any b that
    does not depend on the rows it is applied to leaves the mean unbiased. Hence cross-fitting: each
    component's rows in a stage are dealt out to folds in turn, and a fold's b comes from the stage's
    other folds and from the stages before it (not after: their allocation depends on the fold).
    Within a fold Z is averaged by component and combined by the stage's shares, which keeps its
    expectation at exactly 0 when the fold's own shares differ by a row. A stage with fewer than two
    rows of a component has no folds, and no correction.

    The standard error is that of the strata, a component's rows in one stage: their numbers and the
    folds are fixed, so only the spread within them counts. What would falsify either: an expectation
    off the truth, enumerated over all outcomes, or an error unlike the spread over many runs.

    Parameters
    ----------
    draws : Draws
        n judged rows.
    event_weights : LogWeights
        (n,) balance-heuristic values of w*h of the same rows; at least one above zero.

    Returns
    -------
    ControlledMean
        The risk, a probability, and its error.

    References
    ----------
    Owen & Zhou (2000), "Safe and effective importance sampling", section 4.

    Examples
    --------
    Two answers, the second harmful and of probability 0.1 under the target. w*h is then a function of the
    densities alone, and the control variates take out all of the noise.

    >>> import numpy as np
    >>> component = np.arange(40) % 2
    >>> second = np.isin(np.arange(40), [0, *range(1, 21, 2)])
    >>> log_q = np.log(np.where(second[:, None], [0.1, 0.5], [0.9, 0.5]))
    >>> draws = Draws(
    ...     log_p=log_q[:, 0],
    ...     log_q=log_q,
    ...     component=component,
    ...     component_names=("target", "steer"),
    ...     target_component=0,
    ...     harmful=second,
    ...     judged=np.ones(40),
    ... )
    >>> event_weights = LogWeights(log_q[:, 0] - draw_log_mixture(draws)).where(draws.harmful)
    >>> round(event_weights.mean, 4), round(controlled_mean(draws, event_weights).value, 4)
    (0.0917, 0.1)
    """
    scale = event_weights.log_largest
    values = np.exp(event_weights.values - scale)
    strata = _Strata.of(draws)
    correction, residuals = _corrections(values, _densities(draws, strata), strata)
    plain = values.mean()
    limit = min(MAX_ERRORS * strata.error(values, values), MAX_CHANGE * plain)
    value = plain - np.clip(correction.mean(), -limit, limit)
    centred = residuals - strata.means(residuals)[strata.index]
    unit = float(np.exp(scale)) / draws.samples
    return ControlledMean(
        float(value) * unit * draws.samples,
        strata.error(residuals, values) * unit * draws.samples,
        float(centred.max()) * unit,
        float(-centred.min()) * unit,
    )


@dataclass(frozen=True, eq=False)
class _Strata:
    """Rows of one component in one group: (n,) index of the row's stratum, group and fold; (S,) counts.

    folds: (G,) how many folds each group has, 1 if it cannot be divided.
    """

    index: IntArray
    group: IntArray
    fold: IntArray
    counts: IntArray
    folds: IntArray

    @classmethod
    def of(cls, draws: Draws) -> "_Strata":
        group = weight_groups(draws)
        _, index, counts = np.unique(
            group * len(draws.component_names) + draws.component,
            return_inverse=True,
            return_counts=True,
        )
        fewest = [int(counts[index[group == g]].min()) for g in range(group[-1] + 1)]
        folds = np.clip(fewest, 1, FOLDS)
        fold = np.zeros(len(index), dtype=np.int64)
        for stratum, count in enumerate(counts):
            rows = index == stratum
            fold[rows] = np.arange(count) % folds[group[rows][0]]
        return cls(index, group, fold, counts, folds)

    def means(self, values: FloatArray) -> FloatArray:
        """(S,) or (S, J): the mean of each stratum."""
        return _means(values, self.index)

    def error(self, residuals: FloatArray, values: FloatArray) -> float:
        """Standard error of the mean of the residuals, from the spread within strata alone.

        A stratum of one row shows no spread; its own value's square stands for it.
        """
        squares = np.bincount(self.index, (residuals - self.means(residuals)[self.index]) ** 2)
        alone = np.bincount(self.index, values**2)
        spread = np.where(self.counts > 1, squares / np.maximum(self.counts - 1, 1), alone)
        return float(np.sqrt((self.counts * spread).sum())) / len(values)


def _densities(draws: Draws, strata: _Strata) -> FloatArray:
    """(n, J) q_j/q_mix - 1; 0 where the row's group drew nothing from j, as its mixture may then not
    cover all of q_j, and the expectation would fall short of 0."""
    drawn = np.zeros((len(strata.folds), len(draws.component_names)), dtype=np.bool_)
    drawn[strata.group, draws.component] = True
    ratios = np.exp(draws.log_q - draw_log_mixture(draws)[:, None])
    return np.where(drawn[strata.group], ratios - 1, 0.0)


def _corrections(
    values: FloatArray, densities: FloatArray, strata: _Strata
) -> tuple[FloatArray, FloatArray]:
    """Returns the rows' corrections, (n,), and residuals of the values for the standard error."""
    correction, residuals = np.zeros(len(values)), values.copy()
    # Less the strata's means: those add up to 0 over a group, in every fold alike.
    centred = densities - strata.means(densities)[strata.index]
    for group, folds in enumerate(strata.folds):
        here = strata.group == group
        for fold in range(folds if folds > 1 else 0):
            inside = here & (strata.fold == fold)
            known = (here & ~inside) | (strata.group < group)
            b = _coefficients(values[known], densities[known], strata.index[known])
            of = strata.index[inside]
            rows = np.bincount(of, minlength=len(strata.counts))
            correction[inside] = densities[inside] @ b * strata.counts[of] / (folds * rows[of])
            residuals[inside] -= centred[inside] @ b
    return correction, residuals


def _coefficients(values: FloatArray, densities: FloatArray, stratum: IntArray) -> FloatArray:
    """(J,) regression of the values on the densities within strata, shrunk towards 0.

    Within strata, as only the spread there makes the error; the densities are collinear (they
    average to the mixture), so directions without spread are left out.
    """
    x = densities - _means(densities, stratum)[stratum]
    y = values - _means(values, stratum)[stratum]
    spread, axes = np.linalg.eigh(x.T @ x)
    kept = spread > RANK_CUT * max(spread[-1], RANK_CUT)
    if not kept.any():
        return np.zeros(x.shape[1])
    axes, spread = axes[:, kept], spread[kept]
    along = x @ axes / np.sqrt(spread)
    b = along.T @ y
    leverage = (along**2).sum(axis=1)
    # A row that b follows has a small residual; what counts is the one without it (HC3).
    apart = (y - along @ b) / np.maximum(1 - leverage, RANK_CUT)
    noise = float((leverage * apart**2).sum())
    return np.asarray(axes @ (b * _shrinkage(float(b @ b), noise) / np.sqrt(spread)))


def _shrinkage(explained: float, noise: float) -> float:
    """Returns the factor in [0, 1] on b that promises the smallest error (positive-part Stein).

    explained: sum of squares that b explains; noise: what it would explain by chance alone, from
    the residuals of each row, as weights of hits are anything but equally spread.
    """
    return max(0.0, 1 - NOISE_FACTOR * noise / explained) if explained > 0 else 0.0


def _means(values: FloatArray, index: IntArray) -> FloatArray:
    """(S,) or (S, J): means of the rows of each index; 0 for an index without rows."""
    members = index == np.arange(index.max() + 1)[:, None]
    sums = np.asarray(members @ values)
    rows = np.maximum(members.sum(axis=1), 1)
    return np.asarray((sums.T / rows).T)
