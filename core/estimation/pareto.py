"""Pareto k-hat: how heavy the tail of the weights is, and whether their mean can be estimated."""

import math
from dataclasses import dataclass

import numpy as np

from core.estimation.draws import FloatArray
from core.estimation.weights import LogWeights

# Fewer exceedances than this give no usable fit (the same floor as in the `loo` package).
MIN_TAIL = 5
# PSIS's weak prior: ten exceedances' worth of k = 0.5 (Vehtari et al. 2024).
PRIOR_EXCEEDANCES = 10
PRIOR_K = 0.5
# Relative to the largest weight; log-densities are sums of float32 terms.
TIE = 1e-9


@dataclass(frozen=True)
class Khat:
    """The estimated shape k of the tail, nan with a reason where there is none to fit."""

    value: float
    tail: int
    reason: str = ""


def pareto_khat(weights: LogWeights) -> Khat:
    """Returns k-hat of the positive weights; moments of order 1/k and above do not exist.

    The tail is the min(0.2 S, 3 sqrt S) largest of the S positive values (Vehtari et al. 2024), so
    the zeros of w*h, which say nothing about its tail, do not lengthen it.

    Parameters
    ----------
    weights : LogWeights
        (n,) log-weights of w or of w*h, nats; zero weights are left out.

    Returns
    -------
    Khat
        The shape k, above 0 if the tail is heavy, and the number of exceedances it was fitted to. nan with a
        reason where fewer than five remain or the largest weights are equal.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao & Gabry (2024), "Pareto smoothed importance sampling".
    Zhang & Stephens (2009), "A new and efficient estimation method for the generalized Pareto
    distribution".

    Examples
    --------
    Weights u^(-0.8) of evenly spread u have a tail of k = 0.8; the prior draws k-hat towards 0.5.

    >>> import numpy as np
    >>> khat = pareto_khat(LogWeights(-0.8 * np.log(np.arange(1, 1001) / 1001)))
    >>> round(khat.value, 1), khat.tail
    (0.7, 94)
    >>> pareto_khat(LogWeights(np.zeros(100))).reason
    'the largest weights are equal, there is no tail to fit'
    """
    logs = np.sort(weights.values[weights.values > -np.inf])
    size = len(logs)
    tail = int(min(0.2 * size, 3 * math.sqrt(size)))
    if tail < MIN_TAIL:
        return Khat(math.nan, tail, f"{size} positive weights are too few to fit a tail")
    scaled = np.exp(logs - logs[-1])
    exceedances = scaled[-tail:] - scaled[-tail - 1]
    # Differences within rounding of the weights are ties, not a tail.
    exceedances = exceedances[exceedances > TIE]
    tail = len(exceedances)
    if tail < MIN_TAIL or exceedances[-1] - exceedances[0] <= TIE:
        return Khat(math.nan, tail, "the largest weights are equal, there is no tail to fit")
    k = fit_generalized_pareto(exceedances)
    k = (tail * k + PRIOR_EXCEEDANCES * PRIOR_K) / (tail + PRIOR_EXCEEDANCES)
    return Khat(k, tail)


def fit_generalized_pareto(exceedances: FloatArray) -> float:
    """Returns the shape k of a generalised Pareto distribution (Zhang & Stephens 2009).

    exceedances: (M,) positive, ascending. The sign is that of extreme value theory: k > 0 is heavy.
    """
    x = exceedances
    m = 30 + int(math.sqrt(len(x)))
    first_quartile = x[int(len(x) / 4 + 0.5) - 1] if len(x) >= 2 else x[0]
    grid = 1 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))
    theta = 1 / x[-1] + grid / (3 * first_quartile)
    k = np.log1p(-theta[:, None] * x).mean(axis=1)
    profile = len(x) * (np.log(-theta / k) - k - 1)
    posterior = np.exp(profile - profile.max())
    theta_hat = float((theta * posterior).sum() / posterior.sum())
    return float(np.log1p(-theta_hat * x).mean())


def khat_threshold(n: int) -> float:
    """Returns min(1 - 1/log10 n, 0.7), above which n draws are too few (Vehtari et al. 2024)."""
    return min(1 - 1 / math.log10(max(n, 11)), 0.7)
