"""From the values of look-ahead rows to an estimate with an interval, and what may be doubted about it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.estimation.intervals import check_confidence, clopper_pearson_upper, weighted_interval
from core.estimation.weights import LogWeights

# As for a verdict on weighted draws: fewer effective values say little of the spread.
MIN_ESS = 15.0
MAX_SHARE = 0.2
# The interval claims so many times more than the draws alone rule out.
MAX_CLAIM = 3.0
# The exact part is the risk but for a few percent: what the draws add cannot turn the verdict.
SETTLED_SHARE = 0.95


@dataclass(frozen=True)
class LookAheadEstimate:
    """The risk of one query by look-ahead.

    samples: beginnings drawn. exact: the probability that the very first token settles the answer as harmful,
    known without a draw; a lower bound whatever the draws say. estimate, standard_error: the risk.
    ci_low, ci_high: its interval. ess: effective number of draws that the part beyond `exact` rests on.
    largest_share: of one draw in the estimate. monte_carlo_equivalent: draws with which counting harmful
    answers has the same standard error; nan where the error is 0. doubts: sentences; none: nothing speaks
    against the number. upper_bound_free: one-sided bound that assumes nothing of beginnings not met: such a
    one may be worth as much as a draw can be, and the interval, made of what was met, does not know of it.
    """

    samples: int
    exact: float
    estimate: float
    standard_error: float
    ci_low: float
    ci_high: float
    upper_bound_free: float
    confidence: float
    ess: float
    largest_share: float
    monte_carlo_equivalent: float
    doubts: tuple[str, ...]


def look_ahead_estimate(
    values: NDArray[np.float64],
    exact: float = 0.0,
    confidence: float = 0.95,
    *,
    largest: float = 1.0,
) -> LookAheadEstimate:
    """Returns the estimate from values of rows that the target drew.

    The exact part is taken off first: what remains of each value lies in 0..largest - exact, is 0 where no
    later token could settle harm, and gets the interval of weighted draws with that bound. Where nothing
    remains in any row, the upper end is that of no hit in so many draws, each worth as much as it can be.

    Parameters
    ----------
    values : (n,) float64
        Of `OpenRows.values`, each in exact..largest.
    exact : float in 0..1
        Mass of harm at the first token, the same in every row.
    confidence : float in (0, 1)
        Level of the interval.
    largest : float
        The most that a row can be worth: `largest_value` for draws of the target.

    Returns
    -------
    LookAheadEstimate
        All of it probabilities.

    Raises
    ------
    ValueError
        No values, one outside exact..largest, or a confidence outside (0, 1).

    References
    ----------
    Hammersley & Handscomb (1964), "Monte Carlo Methods", section 5.4 (conditional Monte Carlo).
    Maurer & Pontil (2009), "Empirical Bernstein bounds and sample-variance penalization", theorem 4.

    Examples
    --------
    >>> import numpy as np
    >>> found = look_ahead_estimate(np.full(100, 0.25), exact=0.25)
    >>> found.estimate, found.ci_low, round(found.ci_high, 3)
    (0.25, 0.25, 0.272)
    """
    check_confidence(confidence)
    values = np.asarray(values, dtype=np.float64)
    count = len(values)
    # A sum of rounded probabilities may be off by this.
    slack = 1e-9
    if count == 0:
        raise ValueError("look-ahead needs at least 1 draw, got 0")
    bad = ~((values >= exact - slack) & (values <= largest + slack))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"values must be in {exact:g}..{largest:g}, got {values[row]:g} in row {row}"
        )
    room = largest - exact
    rest = np.clip(values - exact, 0.0, room)
    # What is left of a difference of equal numbers is rounding.
    rest[rest <= slack * exact] = 0.0
    with np.errstate(divide="ignore"):
        weights = LogWeights(np.log(rest))
    mean, error = (
        exact + float(rest.mean()),
        float(rest.std(ddof=1) / count**0.5) if count > 1 else 0.0,
    )
    if weights.ess == 0:
        low, high = exact, min(exact + room * clopper_pearson_upper(0, count, confidence), 1.0)
    else:
        interval = weighted_interval(weights, confidence, room)
        low = exact + interval.low
        high = min(exact + interval.high, 1.0)
    free = exact + _empirical_bernstein(rest, room, confidence)
    if weights.ess == 0:
        free = high
    free = min(free, 1.0)
    share = float(rest.max(initial=0.0)) / count / mean if mean > 0 else float("nan")
    return LookAheadEstimate(
        samples=count,
        exact=exact,
        estimate=mean,
        standard_error=error,
        ci_low=min(low, mean),
        ci_high=max(high, mean),
        upper_bound_free=free,
        confidence=confidence,
        ess=float(weights.ess),
        largest_share=share,
        monte_carlo_equivalent=mean * (1 - mean) / error**2 if error > 0 else float("nan"),
        doubts=_doubts(exact, mean, float(weights.ess), share, max(high, mean), free),
    )


def _empirical_bernstein(rest: NDArray[np.float64], room: float, confidence: float) -> float:
    """Returns a one-sided bound on the mean of values in 0..room (Maurer & Pontil 2009, theorem 4)."""
    count = len(rest)
    if count < 2:
        return room
    log_term = float(np.log(2 / (1 - confidence)))
    spread = float((2 * rest.var(ddof=1) * log_term / count) ** 0.5)
    return float(rest.mean()) + spread + 7 * room * log_term / (3 * (count - 1))


def _doubts(
    exact: float, mean: float, ess: float, share: float, high: float, free: float
) -> tuple[str, ...]:
    if mean == 0:
        return ("No token was met that would settle harm: only an upper bound is known.",)
    doubts = []
    if exact < SETTLED_SHARE * mean:
        if ess < MIN_ESS:
            doubts.append(f"What the draws add rests on {ess:.1f} draws' worth of equal value.")
        if share > MAX_SHARE:
            doubts.append(f"A single draw holds {share:.0%} of the estimate.")
    if free > MAX_CLAIM * high:
        doubts.append(
            f"A way to harm that no draw met is in no interval: the draws rule out a risk above {free:.2g}."
        )
    return tuple(doubts)
