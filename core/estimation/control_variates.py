"""Component densities as control variates: they integrate to 1, whatever the judge says."""

from dataclasses import dataclass

import numpy as np

from core.estimation.draws import Draws, FloatArray, IntArray
from core.estimation.weights import LogWeights, log_mixture

FOLDS = 5
# The noise in b is taken twice: with few hits its own estimate misses the large residuals.
NOISE_FACTOR = 2.0
# Directions of the densities' spread below this, relative to the widest, are rounding.
RANK_CUT = 1e-9
# The correction stays within these factors of the balance heuristic. `_shrinkage` keeps it there but
# for rare runs (0.1% at ten hits); those would be led by a single row.
MIN_FACTOR, MAX_FACTOR = 0.5, 2.0


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

    event_weights: balance-heuristic values of w*h of the same rows; at least one above zero.

    With Z_j = q_j/q_mix - 1 the estimator is mean(w*h - sum_j b_j Z_j) (Owen & Zhou 2000). Under a
    deterministic allocation the mean of Z has expectation 0, for q_j integrates to 1; so any b that
    does not depend on the rows it is applied to leaves the mean unbiased. Hence cross-fitting: each
    component's rows are dealt out to folds in turn, and a fold's b comes from the others. Within a
    fold Z is averaged by component and combined by n_j/n, which keeps its expectation at exactly 0
    when a fold's shares differ from the whole's by a row. With fewer than two rows of a component
    there are no folds, and no correction.

    Draws in adaptive stages choose n_j from earlier rows, which costs a bias of order 1/n, as in
    AMIS (Cornuet et al. 2012): see `estimate`.

    The standard error is that of the strata: n_j and the folds are fixed, so only the spread within
    a component counts. (Rows of one component in two stages are drawn and weighted alike: one
    stratum.) What would falsify it: an expectation off the truth, enumerated over all outcomes.
    """
    scale = event_weights.log_largest
    values = np.exp(event_weights.values - scale)
    used = np.flatnonzero(draws.counts > 0)
    component = np.searchsorted(used, draws.component)
    counts = draws.counts[used]
    mixture = log_mixture(draws.log_q, draws.counts / draws.samples)
    densities = np.exp(draws.log_q[:, used] - mixture[:, None]) - 1
    fold = _folds(component, counts)
    correction, residuals = _corrections(values, densities, component, fold)
    plain = values.mean()
    value = plain - correction.mean()
    shares = counts / draws.samples
    centred = residuals - _component_means(residuals, component)[component]
    squares = np.bincount(component, centred**2)
    # One row shows no spread; its own square stands for it.
    alone = np.bincount(component, values**2)
    spread = np.where(counts > 1, squares / np.maximum(counts - 1, 1), alone)
    unit = np.exp(scale)
    return ControlledMean(
        float(np.clip(value, MIN_FACTOR * plain, MAX_FACTOR * plain) * unit),
        float(np.sqrt((shares**2 * spread / counts).sum()) * unit),
        float(centred.max() * unit / draws.samples),
        float(-centred.min() * unit / draws.samples),
    )


def _folds(component: IntArray, counts: IntArray) -> IntArray:
    """(n,) the fold of each row: every component's rows in turn; all 0 where folds are impossible."""
    folds = min(FOLDS, int(counts.min()))
    fold = np.zeros(len(component), dtype=np.int64)
    for j in range(len(counts)):
        rows = np.flatnonzero(component == j)
        fold[rows] = np.arange(len(rows)) % max(folds, 1)
    return fold


def _corrections(
    values: FloatArray, densities: FloatArray, component: IntArray, fold: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Returns the rows' corrections, (n,), and residuals of the values for the standard error."""
    correction, residuals = np.zeros(len(values)), values.copy()
    folds = int(fold.max()) + 1
    counts = np.bincount(component)
    for f in range(folds if folds > 1 else 0):
        inside = fold == f
        b = _coefficients(values[~inside], densities[~inside], component[~inside])
        fitted = densities[inside] @ b
        of = component[inside]
        correction[inside] = fitted * (counts / (folds * np.bincount(of)))[of]
        # Less the component's mean: those add up to 0 over components, in every fold alike.
        residuals[inside] -= fitted - (_component_means(densities, component) @ b)[of]
    return correction, residuals


def _coefficients(values: FloatArray, densities: FloatArray, component: IntArray) -> FloatArray:
    """(J,) regression of the values on the densities within components, shrunk towards 0.

    Within components, as only the spread there makes the error; the densities are collinear (they
    average to the mixture), so directions without spread are left out.
    """
    x = densities - _component_means(densities, component)[component]
    y = values - _component_means(values, component)[component]
    spread, axes = np.linalg.eigh(x.T @ x)
    kept = spread > RANK_CUT * max(spread[-1], RANK_CUT)
    if not kept.any():
        return np.zeros(x.shape[1])
    axes, spread = axes[:, kept], spread[kept]
    along = x @ axes / np.sqrt(spread)
    b = along.T @ y
    noise = (along**2 * ((y - along @ b) ** 2)[:, None]).sum()
    return np.asarray(axes @ (b * _shrinkage(float(b @ b), float(noise)) / np.sqrt(spread)))


def _shrinkage(explained: float, noise: float) -> float:
    """Returns the factor in [0, 1] on b that promises the smallest error (positive-part Stein).

    explained: sum of squares that b explains; noise: what it would explain by chance alone, from
    the residuals of each row, as weights of hits are anything but equally spread.
    """
    return max(0.0, 1 - NOISE_FACTOR * noise / explained) if explained > 0 else 0.0


def _component_means(values: FloatArray, component: IntArray) -> FloatArray:
    """(J,) or (J, K) means of the rows of each component, none of which is empty."""
    members = component == np.arange(component.max() + 1)[:, None]
    return np.asarray((members @ values).T / members.sum(axis=1)).T
