"""The estimate from judged answers and its interval, by each of the three methods."""

import math
from dataclasses import dataclass

import numpy as np

from core.estimation.control_variates import controlled_mean
from core.estimation.draws import Draws
from core.estimation.evidence import Method
from core.estimation.intervals import (
    Interval,
    clopper_pearson,
    gamma_interval,
    next_hit_factor,
    weighted_interval,
)
from core.estimation.judged_share import judged_share
from core.estimation.weights import LogWeights, draw_weights, largest_possible_weight


@dataclass(frozen=True, eq=False)
class PointEstimate:
    """The estimate from judged rows, before the unjudged ones widen its interval."""

    hits: int
    value: float
    standard_error: float
    interval: Interval
    event_weights: LogWeights


def point_estimate(draws: Draws, method: Method, confidence: float) -> PointEstimate:
    """Returns the estimate and its interval from the judged rows, as they stand among all rows.

    The number is the risk among the answers that can be judged, P(h | judged); every row keeps the weight it
    was drawn with (`core.estimation.judged_share` says why). It is the risk itself if being unjudged does not
    go with harm among the *target's* answers; what the unjudged could be at most, the interval of
    `core.estimation.estimate` holds.

    Parameters
    ----------
    draws : Draws
        n rows, judged or not.
    method : 'mc', 'is' or 'mis'
        As for `core.estimation.estimate`, which checks that it fits the draws.
    confidence : float in (0, 1)
        Level of the interval.

    Returns
    -------
    PointEstimate
        Value and error are probabilities; nan, with the interval [0, 1], without rows.

    Raises
    ------
    ValueError
        A confidence outside (0, 1).

    References
    ----------
    Those of `clopper_pearson`, `weighted_interval` and `controlled_mean`, by method.

    Examples
    --------
    >>> import numpy as np
    >>> draws = Draws(
    ...     log_p=np.zeros(100),
    ...     log_q=np.zeros((100, 1)),
    ...     component=np.zeros(100),
    ...     component_names=("target",),
    ...     target_component=0,
    ...     harmful=np.arange(100) < 3,
    ...     judged=np.ones(100),
    ... )
    >>> point = point_estimate(draws, "mc", confidence=0.95)
    >>> point.hits, round(point.value, 4), point.interval.method
    (3, 0.03, 'Clopper-Pearson')
    """
    if not draws.judged.any():
        nothing = LogWeights(np.full(draws.samples, -np.inf))
        return PointEstimate(0, math.nan, math.nan, Interval(0.0, 1.0, "none"), nothing)
    hits = int(draws.harmful.sum())
    weights = draw_weights(draws)
    event = weights.where(draws.harmful)
    share = judged_share(weights, draws.judged)
    if method == "mc":
        value, error, interval = _counted(hits, int(draws.judged.sum()), confidence)
    elif event.ess == 0:
        # Nothing is known about hits' weights but their bound; the target's own rows bound P best.
        value = error = 0.0
        rows = int((draws.from_target & draws.judged).sum())
        exact = clopper_pearson(0, rows, confidence)
        interval = Interval(0.0, exact.high, "Clopper-Pearson on target draws")
    else:
        if method == "mis" and hits < draws.samples:
            value, error, interval = _mixture(draws, event, confidence)
        else:
            # All hits and no spread leave a mean with control variates without an error.
            value, error = event.mean, event.standard_error
            interval = weighted_interval(event, confidence, largest_possible_weight(draws))
        value, error = share.scaled(value), share.error(value, error)
        interval = share.interval(interval)
    # Unbiased weights may average above 1; a probability may not, and the cut brings it nearer.
    value = min(value, 1.0)
    inside = Interval(min(interval.low, value), max(interval.high, value), interval.method)
    return PointEstimate(hits, value, error, inside, event)


def _counted(hits: int, judged: int, confidence: float) -> tuple[float, float, Interval]:
    """Returns value, standard error and interval of method mc: every judged row counts alike."""
    value = hits / judged
    error = math.sqrt(value * (1 - value) / judged)
    return value, error, clopper_pearson(hits, judged, confidence)


def _mixture(draws: Draws, event: LogWeights, confidence: float) -> tuple[float, float, Interval]:
    """Returns value, standard error and interval of method mis."""
    mean = controlled_mean(draws, event)
    beyond = next_hit_factor(event, event.ess)
    possible = max(largest_possible_weight(draws) / draws.samples, mean.highest)
    highest = min(mean.highest * beyond, possible)
    interval = gamma_interval(mean.value, mean.standard_error, mean.lowest, highest, confidence)
    return mean.value, mean.standard_error, interval
