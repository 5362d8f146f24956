"""How well the weights behave: effective sample sizes, largest shares, mean weight, tail."""

import math
from dataclasses import dataclass

import numpy as np

from core.estimation.draws import FloatArray
from core.estimation.pareto import Khat, khat_threshold, pareto_khat
from core.estimation.weights import LogWeights


@dataclass(frozen=True)
class Diagnostics:
    """ess, max_weight_share and khat of all weights w, and the same of w*h (`_event`).

    mean_weight: expectation 1, whatever the proposals, if the densities are right.
    ess_event_expected: the ESS of w*h to expect from log-normal weights of the spread seen, hits *
        exp(-spread^2). The observed one flatters as long as the largest weights are yet to come.
    khat_limit: the k-hat above which this many rows are too few.
    """

    samples: int
    ess: float
    ess_event: float
    ess_event_expected: float
    max_weight_share: float
    max_weight_share_event: float
    mean_weight: float
    mean_weight_error: float
    khat: Khat
    khat_event: Khat
    khat_limit: float


def diagnose(weights: LogWeights, event_weights: LogWeights) -> Diagnostics:
    """Returns the diagnostics of balance-heuristic weights w and of w*h for the same rows."""
    hits = np.count_nonzero(event_weights.values > -np.inf)
    return Diagnostics(
        samples=len(weights),
        ess=weights.ess,
        ess_event=event_weights.ess,
        ess_event_expected=hits * math.exp(-(event_weights.upper_spread**2)),
        max_weight_share=weights.largest_share,
        max_weight_share_event=event_weights.largest_share,
        mean_weight=weights.mean,
        mean_weight_error=weights.standard_error,
        khat=pareto_khat(weights),
        khat_event=pareto_khat(event_weights),
        khat_limit=khat_threshold(len(weights)),
    )


def kl_divergence(log_ratio: FloatArray) -> float:
    """Returns the mean of log p - log q over answers of p, an estimate of KL(p||q).

    Parameters
    ----------
    log_ratio : (n,) float64, nats
        log p(x) - log q(x) of each answer x, drawn from p.

    Returns
    -------
    float, nats
        nan without answers. An estimate from few answers may be slightly below 0.

    References
    ----------
    Kullback & Leibler (1951), "On information and sufficiency".

    Examples
    --------
    >>> import numpy as np
    >>> round(kl_divergence(np.log([2.0, 2.0, 0.5, 2.0])), 3)
    0.347
    """
    return _mean(log_ratio)


def overlap(log_ratio: FloatArray) -> float:
    """Returns the mean of min(1, q/p) over answers of p, an estimate of 1 - TV(p, q).

    Parameters
    ----------
    log_ratio : (n,) float64, nats
        log p(x) - log q(x) of each answer x, drawn from p.

    Returns
    -------
    float in 0..1
        nan without answers; 1 for equal distributions.

    Examples
    --------
    >>> import numpy as np
    >>> round(overlap(np.log([2.0, 0.5])), 12)
    0.75
    """
    return _mean(np.exp(np.minimum(0.0, -log_ratio)))


def _mean(values: FloatArray) -> float:
    return math.fsum(values.tolist()) / len(values) if len(values) else math.nan
