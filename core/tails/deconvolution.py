"""Deconvolution: the distribution of the risks, without the noise of their estimates (NPMLE)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special, stats

from core.tails.sample import HITS_AT_BOUND, LARGEST_RISK, Array, Mask, TailSample, to_score

# Where noise makes up less than this of how far the estimates lie apart, the shares of simulated risks were
# held by the intervals of the estimates as they are.
SPREAD_BY_NOISE = 0.1
# Possible risks, evenly spaced in their logarithms, and levels above which shares are estimated.
RISKS, LEVELS = 120, 48
# The first rounds find the broad shape, later ones sharpen it to a few spikes that are no data: shares are
# taken after the first, likelihoods compared after many.
ROUNDS_FOR_SHARES, ROUNDS_FOR_LIKELIHOOD = 100, 1_000
ROUNDS_CONSTRAINED, HALVINGS = 100, 8
# Estimates and sizes so near each other, in the logarithm, are pooled.
ALIKE_RISK, ALIKE_ANSWERS = 0.05, 0.2
MOST_ANSWERS = 1e12
# Risks so small that a query's answers would show one hit in twenty such queries are as good as 0.
ONE_HIT_IN = 0.05
# The highest possible risk of the grid; those near 1 hardly differ in a logarithm.
HIGHEST = 0.99


@dataclass(frozen=True, eq=False)
class DeconvolvedShares:
    """The share of all queries with a risk above each level. score: levels, ascending; all (LEVELS,)."""

    score: Array
    share: Array
    low: Array
    high: Array

    def at(self, score: Array) -> tuple[Array, Array, Array]:
        """Returns share, low and high above other levels, (k,); beyond the ends that at the end."""
        share, low, high = (
            np.interp(score, self.score, each) for each in (self.share, self.low, self.high)
        )
        return share, low, high

    def surely_reached(self, share: Array) -> Array:
        """Returns levels, scores, (k,), that at least such shares of the queries lie above."""
        # Descending in the level, and flat here and there.
        return np.asarray(np.interp(-share, -self.low, self.score))


def noise_variances(sample: TailSample) -> Array:
    """Returns the variance of each known estimate's logarithm, taken as that of a gamma variable, (k,)."""
    known = sample.take(~sample.censored)
    relative = np.maximum(known.error / known.risk, 1e-6)
    return np.asarray(special.polygamma(1, 1 / relative**2))


def spread_by_noise(sample: TailSample) -> float:
    """Returns how much of the variance of the estimates' logarithms is their own noise."""
    spread = float(np.log(sample.risk[~sample.censored]).var())
    return float(noise_variances(sample).mean()) / max(spread, 1e-12)


def deconvolved_shares(sample: TailSample, confidence: float = 0.95) -> DeconvolvedShares:
    """Returns shares of queries above each level, with the estimates' noise taken out of them.

    Estimates scatter about the risks, so more of them lie far up, and more far down, than risks do. An
    estimate's likelihood under a risk is binomial, with as many answers as its standard error implies; that
    of a query without a hit has as many as its bound implies. The distribution of risks is the nonparametric
    maximum likelihood estimate, found by expectation and maximisation. An interval holds the shares that fit
    nearly as well (profile likelihood; the wordings of one query count as one).

    Parameters
    ----------
    sample : TailSample
        Estimated risks of m queries.
    confidence : float
        Confidence of the intervals.

    Returns
    -------
    DeconvolvedShares
        Share, low and high at LEVELS levels.

    References
    ----------
    Kiefer & Wolfowitz (1956), Annals of Mathematical Statistics 27, 887-906. Laird (1978), Nonparametric
    maximum likelihood estimation of a mixing distribution, JASA 73, 805-811.
    """
    return _deconvolved_shares(
        sample.risk.tobytes(),
        sample.error.tobytes(),
        sample.bound.tobytes(),
        tuple(sample.group.tolist()),
        confidence,
    )


@lru_cache(maxsize=16)
def _deconvolved_shares(
    risk: bytes, error: bytes, bound: bytes, group: tuple[str, ...], confidence: float
) -> DeconvolvedShares:
    risks, errors, bounds = (np.frombuffer(values) for values in (risk, error, bound))
    answers = _effective_answers(risks, errors, bounds)
    weight = np.full(len(risks), len(set(group)) / len(risks))
    kinds, answers, weight = _pooled(risks, answers, weight)
    lowest, step = _possible_range(kinds, answers)
    possible = np.concatenate([[0.0], lowest * np.exp(step * np.arange(RISKS))])
    likelihood = _likelihood(kinds, answers, possible, step)
    # Levels half way between two possible risks, so that each lies above or below.
    places = np.unique(np.round(np.linspace(0, RISKS, LEVELS)))
    levels = lowest * np.exp(step * (places - 0.5))
    above = (np.arange(RISKS + 1) > places[:, None]).astype(float)
    shaped = _maximised(likelihood, weight, ROUNDS_FOR_SHARES)
    sharp = _maximised(likelihood, weight, ROUNDS_FOR_LIKELIHOOD, shaped)
    best = float(weight @ np.log(likelihood @ sharp))
    allowed = float(stats.chi2.ppf(confidence, 1)) / 2

    def fits(shares: Array) -> Mask:
        fitted = _constrained_log_likelihood(likelihood, weight, above, shares, sharp)
        return np.asarray(best - fitted <= allowed)

    share = above @ shaped
    low, high = (_share_end(above @ sharp, end, fits) for end in (0.0, 1.0))
    low, high = np.minimum(low, share), np.maximum(high, share)
    # A level further up has no more above it.
    return DeconvolvedShares(
        score=to_score(np.minimum(levels, LARGEST_RISK)),
        share=share,
        low=np.minimum.accumulate(low),
        high=np.maximum.accumulate(high[::-1])[::-1],
    )


def _possible_range(risk: Array, answers: Array) -> tuple[float, float]:
    """Returns the lowest possible risk above 0, and the step to the next in the logarithm."""
    spread = np.exp(4 / np.sqrt(np.maximum(answers * risk, 1.0)))
    highest = np.where(risk > 0, risk * spread, HITS_AT_BOUND / answers).max()
    highest = min(float(highest), HIGHEST)
    lowest = np.where(risk > 0, risk / spread, ONE_HIT_IN / answers).min()
    lowest = min(float(lowest), highest / 2)
    return lowest, float(np.log(highest / lowest)) / (RISKS - 1)


def _effective_answers(risk: Array, error: Array, bound: Array) -> Array:
    """Returns the number of plain answers whose share of hits would be as precise as each estimate."""
    with np.errstate(divide="ignore", invalid="ignore"):
        known = risk * (1 - risk) / error**2
        unseen = HITS_AT_BOUND / -np.log1p(-np.where(risk > 0, 0.5, bound))
    return np.asarray(np.minimum(np.where(risk > 0, known, unseen), MOST_ANSWERS))


def _pooled(risk: Array, answers: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Returns risk, answers and weight of each kind of estimate: thousands of queries are a few hundred."""
    height = np.log(np.maximum(risk, 1e-300))
    keys = np.stack([np.round(height / ALIKE_RISK), np.round(np.log(answers) / ALIKE_ANSWERS)])
    _, place = np.unique(keys, axis=1, return_inverse=True)
    total = np.bincount(place, weight)
    middle = np.bincount(place, weight * risk) / total
    size = np.exp(np.bincount(place, weight * np.log(answers)) / total)
    return np.asarray(middle), np.asarray(size), np.asarray(total, dtype=np.float64)


def _likelihood(risk: Array, answers: Array, possible: Array, step: float) -> Array:
    """Returns how likely each estimate is under each possible risk, (k, RISKS + 1), its highest 1."""
    p, r = risk[:, None], possible
    # No sharper than the spacing of the possible risks.
    sharpest = np.where(p > 0, 4 / (np.maximum(p, 1e-300) * step**2), np.inf)
    n = np.minimum(answers[:, None], sharpest)
    log_likelihood = n * (special.xlogy(p, r) + special.xlog1py(1 - p, -r))
    return np.asarray(np.exp(log_likelihood - log_likelihood.max(1, keepdims=True)))


def _maximised(likelihood: Array, weight: Array, rounds: int, start: Array | None = None) -> Array:
    """Returns the mass at each possible risk after so many rounds, (RISKS + 1,)."""
    places = likelihood.shape[1]
    mass = np.full(places, 1 / places) if start is None else start
    for _ in range(rounds):
        mass = mass * ((weight / weight.sum() / (likelihood @ mass)) @ likelihood)
    return mass


def _constrained_log_likelihood(
    likelihood: Array, weight: Array, above: Array, shares: Array, start: Array
) -> Array:
    """Returns the highest log-likelihood with such shares above the levels, (LEVELS,)."""
    mass = np.tile(0.9 * start + 0.1 / len(start), (len(above), 1))
    below = 1 - above
    wanted = np.clip(shares, 1e-9, 1 - 1e-9)[:, None]

    def held(mass: Array) -> Array:
        up, down = mass * above, mass * below
        parts = wanted / _sums(up) * up, (1 - wanted) / _sums(down) * down
        return np.asarray(parts[0] + parts[1])

    mass = held(mass)
    for _ in range(ROUNDS_CONSTRAINED):
        mass = held(mass * ((weight / (mass @ likelihood.T)) @ likelihood))
    return np.asarray(np.log(mass @ likelihood.T) @ weight)


def _sums(mass: Array) -> Array:
    return np.asarray(np.maximum(mass.sum(1, keepdims=True), 1e-300))


def _share_end(inside: Array, end: float, fits: Callable[[Array], Mask]) -> Array:
    """Returns the share nearest to an end, 0 or 1, that fits, by bisection."""
    outside = np.full(len(inside), end)
    whole = fits(outside)
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        good = fits(middle)
        inside, outside = np.where(good, middle, inside), np.where(good, outside, middle)
    return np.asarray(np.where(whole, end, inside))
