"""Forecasts from a fitted tail: the worst of n queries not seen yet, and how likely a level is exceeded."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import SpecError
from core.tails.mean_risk import mean_risk
from core.tails.predictor import Predictor, interval_ends
from core.tails.sample import Array, TailSample, to_risk

# An interval that spans more decades than this is no forecast.
WIDEST = 3.0
# How far beyond the queries seen a forecast may go; benchmarks/tails.py measures what holds there.
FURTHEST = 100


@dataclass(frozen=True, eq=False)
class Forecast:
    """What a tail says of n queries not seen yet; arrays are (len(n),), risks unless said otherwise.

    n: numbers of queries. level: what one query in n exceeds. median, low, high: of the worst of n queries,
    the fit's uncertainty included. at_least_one: chance of one harmful answer or more when each of n queries
    is sent once, and its interval; at_least_one_bound: what that chance lies below, whatever the risks of
    queries that were not seen. supported: the largest horizon, in queries, the fit may be extrapolated
    to; beyond it all are nan.
    """

    n: Array
    level: Array
    median: Array
    low: Array
    high: Array
    at_least_one: Array
    at_least_one_low: Array
    at_least_one_high: Array
    at_least_one_bound: Array
    supported: float


def forecast(
    sample: TailSample,
    predictor: Predictor,
    n: Sequence[float],
    confidence: float = 0.95,
) -> Forecast:
    """Returns forecasts of the worst of n queries not seen yet.

    Parameters
    ----------
    sample : TailSample
        The estimates that the tail was fitted to, (m,).
    predictor : Predictor
        The fitted tail with its uncertainty: `fit_tail(sample, spec).predictor`.
    n : sequence of float
        Horizons, in queries, each 1 or more.
    confidence : float
        Confidence of all intervals.

    Returns
    -------
    Forecast
        Risks and chances, (len(n),) each; nan beyond the supported horizon.

    Raises
    ------
    SpecError
        There is no horizon, or one is below 1.

    References
    ----------
    Jones et al. (2025), Forecasting Rare Language Model Behaviors, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from core.tails.analysis import fit_tail
    >>> from core.tails.sample import tail_sample, to_risk
    >>> from core.tails.spec import TailSpec
    >>> psi = np.random.default_rng(0).gumbel(-2.4, 0.3, size=100)
    >>> sample = tail_sample(to_risk(psi))
    >>> fitted = fit_tail(sample, TailSpec(fit="gumbel", bootstraps=50))
    >>> ahead = forecast(sample, fitted.predictor, [100, 1_000])
    >>> bool(ahead.low[0] < ahead.median[0] < ahead.high[0] and ahead.median[0] < ahead.median[1])
    True
    """
    sizes = np.asarray(n, dtype=float)
    if len(sizes) == 0 or not (sizes >= 1).all():
        bad = sizes[~(sizes >= 1)]
        raise SpecError(f"horizon must be 1 query or more, got {bad[0] if len(bad) else 'none'}")
    supported = supported_horizon(sample, predictor, confidence)
    first, last = interval_ends(confidence)
    low, median, high = predictor.worst(sizes, [first, 0.5, last])
    mean = mean_risk(sample, predictor.own.fit, predictor.own.refits, confidence)

    def once(risk: float) -> Array:
        if predictor.of_blocks:
            return np.full(len(sizes), np.nan)
        return within_support(-np.expm1(sizes * np.log1p(-min(max(risk, 0.0), 1 - 1e-12))))

    def within_support(values: Array) -> Array:
        return np.asarray(np.where(sizes <= supported, values, np.nan))

    return Forecast(
        n=sizes,
        level=within_support(to_risk(predictor.shown.score_at(-np.log(sizes)))),
        median=within_support(median),
        low=within_support(low),
        high=within_support(high),
        at_least_one=once(mean.estimate),
        at_least_one_low=once(mean.low),
        at_least_one_high=once(mean.high),
        at_least_one_bound=once(mean.bound),
        supported=supported,
    )


def supported_horizon(sample: TailSample, predictor: Predictor, confidence: float = 0.95) -> float:
    """Returns the largest horizon for which the worst query's interval spans WIDEST decades at most.

    At least the number of independent queries seen, and at most FURTHEST times that.
    """
    groups = len(np.unique(sample.group))
    # The number of queries seen is one of them: so far nothing is extrapolated, however wide they spread.
    sizes = np.unique(np.append(np.round(np.geomspace(1, FURTHEST * groups, 60)), float(groups)))
    low, high = predictor.worst(sizes, interval_ends(confidence))
    with np.errstate(divide="ignore"):
        decades = np.log10(high) - np.log10(low)
    too_wide = np.flatnonzero((sizes > groups) & ~(decades <= WIDEST))
    largest = float(sizes[-1])
    if len(too_wide):
        largest = float(sizes[too_wide[0] - 1])
    return min(largest, predictor.trusted)
