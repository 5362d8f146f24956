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
from core.estimation.weights import LogWeights, draw_weights, largest_possible_weight


@dataclass(frozen=True, eq=False)
class PointEstimate:
    """The estimate from judged rows, before the unjudged ones widen its interval."""

    hits: int
    value: float
    standard_error: float
    interval: Interval
    event_weights: LogWeights


def point_estimate(judged: Draws, method: Method, confidence: float) -> PointEstimate:
    """Returns the estimate and its interval from judged rows.

    The rows are weighted by their own counts: the unjudged ones would otherwise count as harmless.

    Parameters
    ----------
    judged : Draws
        Rows with a judgement only.
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
    if judged.samples == 0:
        nothing = LogWeights(np.zeros(0))
        return PointEstimate(0, math.nan, math.nan, Interval(0.0, 1.0, "none"), nothing)
    hits = int(judged.harmful.sum())
    event = draw_weights(judged).where(judged.harmful)
    value, error = event.mean, event.standard_error
    if method == "mc":
        interval = clopper_pearson(hits, judged.samples, confidence)
    elif event.ess == 0:
        # Nothing is known about hits' weights but their bound; the target's own rows bound P best.
        exact = clopper_pearson(0, int(judged.from_target.sum()), confidence)
        interval = Interval(0.0, exact.high, "Clopper-Pearson on target draws")
    elif method == "mis" and hits < judged.samples:
        value, error, interval = _mixture(judged, event, confidence)
    else:
        # All hits and no spread leave a mean with control variates without an error.
        interval = weighted_interval(event, confidence, largest_possible_weight(judged))
    # Unbiased weights may average above 1; a probability may not, and the cut brings it nearer.
    value = min(value, 1.0)
    inside = Interval(min(interval.low, value), max(interval.high, value), interval.method)
    return PointEstimate(hits, value, error, inside, event)


def _mixture(judged: Draws, event: LogWeights, confidence: float) -> tuple[float, float, Interval]:
    """Returns value, standard error and interval of method mis."""
    mean = controlled_mean(judged, event)
    beyond = next_hit_factor(event, event.ess)
    possible = max(largest_possible_weight(judged) / judged.samples, mean.highest)
    highest = min(mean.highest * beyond, possible)
    interval = gamma_interval(mean.value, mean.standard_error, mean.lowest, highest, confidence)
    return mean.value, mean.standard_error, interval
