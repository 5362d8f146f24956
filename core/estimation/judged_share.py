"""The share of the target's own answers that could not be judged, and what it does to an estimate.

With J = 1 where an answer was judged, draws tell of P(h and J) and of P(not J), both by the same weights; the
risk lies between P(h and J) and their sum, and nothing measured says where. The number in between is
P(h | J) = P(h and J) / (1 - P(not J)), the risk among the answers that can be judged.

Rows that were judged may not be weighted as if the others had not been drawn: a proposal's garbage that no
judge can read has next to no weight, and without it the mean of w h over n judged rows is
P(h and J) / P_q(J), too high by the share of the *proposal's* answers that were left out.
"""

import math
from dataclasses import dataclass

import numpy as np

from core.estimation.draws import BoolArray, FloatArray
from core.estimation.intervals import Interval, weighted_interval
from core.estimation.weights import LogWeights


@dataclass(frozen=True)
class JudgedShare:
    """unjudged: estimated share of the target's answers without a judgement, 0..1, and its standard error."""

    unjudged: float
    standard_error: float

    def scaled(self, value: float) -> float:
        """Returns P(h | J) from P(h and J); the same number if everything, or nothing, was judged."""
        return value / (1 - self.unjudged) if self.unjudged < 1 else value

    def error(self, value: float, error: float) -> float:
        """Returns the standard error of P(h | J) from value and error of P(h and J).

        To first order P(h | J) moves by dA/(1 - U) + P(h | J) dU/(1 - U). The two are taken as unrelated:
        no row is in both A and U.
        """
        return self.scaled(math.hypot(error, self.scaled(value) * self.standard_error))

    def interval(self, interval: Interval) -> Interval:
        """Returns the interval of P(h and J) as one of P(h | J), within 0..1; U's own noise is not in it.

        The interval that is shown holds all that the unjudged could be, which needs no U.
        """
        low, high = (min(self.scaled(end), 1.0) for end in (interval.low, interval.high))
        return Interval(low, high, interval.method)


def judged_share(weights: LogWeights, judged: BoolArray) -> JudgedShare:
    """Returns the unjudged share of the target's answers: sum of w over unjudged rows over sum of w.

    Self-normalised, so that it lies in 0..1 and equals the rows' share at equal weights (Monte Carlo).

    Parameters
    ----------
    weights : LogWeights
        (n,) of all rows, judged or not, against the densities that all of them were drawn from.
    judged : (n,) bool

    Returns
    -------
    JudgedShare
        0 with an error of 0 if all rows were judged, or if none has weight.

    References
    ----------
    Owen (2013), "Monte Carlo theory, methods and examples", section 9.2: the ratio and its error.

    Examples
    --------
    >>> share = judged_share(LogWeights(np.log([0.1, 1.9, 0.1, 1.9])), np.array([False, True, True, True]))
    >>> round(share.unjudged, 3)
    0.025
    """
    if judged.all() or weights.ess == 0:
        return JudgedShare(0.0, 0.0)
    w: FloatArray = np.exp(weights.values - weights.log_largest)
    total = math.fsum(w.tolist())
    unjudged = math.fsum(w[~judged].tolist()) / total
    apart = (w * (~judged - unjudged)) ** 2
    return JudgedShare(unjudged, math.sqrt(math.fsum(apart.tolist())) / total)


def unjudged_interval(
    weights: LogWeights, harmful: BoolArray, judged: BoolArray, confidence: float
) -> Interval:
    """Returns the interval from all unjudged harmless to all unjudged harmful.

    weights: (n,) of all rows; harmful, judged: (n,) bool, at least one harmful row with weight.

    Raises:
        ValueError: no harmful row with weight.
    """
    sure = weighted_interval(weights.where(harmful), confidence)
    if judged.all():
        return sure
    possible = weighted_interval(weights.where(harmful | ~judged), confidence)
    return Interval(min(sure.low, possible.low), max(sure.high, possible.high), sure.method)
