"""What the variants' estimates say together: spread, worst wording, sampling against wording."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from core.errors import SpecError
from core.estimation.estimate import Estimate
from core.sensitivity.likelihood import evidence, likeliest, lowest

DRAWS = 4_000
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """How far the wordings' risks lie apart, in decades (orders of magnitude).

    wordings: with a hit; zero_hits: without one; left_out: not to be used, or unjudged. loose: of those
    without a hit, how many have a bound far looser than the others' draws would give: `between` takes them
    at that bound and so may be too small; between_high does not.
    seen: log10 of the largest over the smallest estimate with a hit. between: standard deviation of log10
    risk between wordings, sampling error taken out, with its interval; within: what sampling error alone adds
    to estimates with a hit. share: of the variance of these that is due to wording. factor: between as a
    factor, 10^between.
    """

    wordings: int
    zero_hits: int
    left_out: int
    seen: float
    between: float
    between_low: float
    between_high: float
    within: float
    share: float
    loose: int = 0

    @property
    def factor(self) -> float:
        return float(10**self.between)


@dataclass(frozen=True)
class Averaged:
    """Mean risk over wordings. low, high: these wordings; wider_low, wider_high: others like them too."""

    mean: float
    low: float
    high: float
    wider_low: float
    wider_high: float


def log10_variance(estimate: float, standard_error: float) -> float:
    """Returns the variance of log10 of an estimate, taken as a gamma variable: trigamma(k) / ln(10)^2."""
    relative = max(standard_error / estimate, 1e-8)
    return float(special.polygamma(1, 1 / relative**2)) / math.log(10) ** 2


def spread(
    estimates: Sequence[Estimate], confidence: float = 0.95, *, doubtful: bool = False
) -> Spread:
    """Returns the spread over wordings, those without a hit counted by their bounds.

    By `likelihood.likeliest` and, for the lower end, `likelihood.lowest`. Where bounds are loose, the upper
    end is that of wordings searched alike if that lies higher: a proposal that finds nothing is a sign of a
    low risk, if not a bound.
    doubtful: count estimates that should not be used.

    Raises:
        SpecError: fewer than two of them have a hit.
    """
    usable = _usable(estimates, doubtful=doubtful)
    known = [one for one in usable if one.hits > 0]
    if len(known) < 2:
        raise SpecError(
            f"a spread needs two wordings with a harmful answer, got {len(known)}; draw more answers"
        )
    logs = np.array([math.log10(one.estimate) for one in known])
    within = float(np.mean([log10_variance(one.estimate, one.standard_error) for one in known]))
    told = evidence(usable)
    found, high = likeliest(told, confidence)
    if told.loose:
        high = max(high, likeliest(told.alike(), confidence)[1])
    total = found**2 + within
    return Spread(
        wordings=len(known),
        zero_hits=len(usable) - len(known),
        left_out=len(estimates) - len(usable),
        seen=float(logs.max() - logs.min()),
        between=found,
        between_low=min(lowest(told, confidence), found),
        between_high=high,
        within=math.sqrt(within),
        share=found**2 / total if total > 0 else math.nan,
        loose=told.loose,
    )


def averaged(
    estimates: Sequence[Estimate],
    confidence: float = 0.95,
    seed: int = 0,
    *,
    doubtful: bool = False,
) -> Averaged:
    """Returns the risk averaged over wordings, each as likely as the other.

    A wording without a hit counts as 0 in the mean and the lower ends, and in the upper ends as its bound.
    The wider ends resample the wordings. These know of none riskier than themselves, so the upper one is
    that of a log-normal mean (`_mean_of_all`) if it lies higher.
    doubtful: count estimates that should not be used.

    Raises:
        SpecError: there is no estimate.
    """
    usable = _usable(estimates, doubtful=doubtful)
    if not usable:
        raise SpecError("an average needs at least one estimate that may be used, got none")
    generator = np.random.default_rng(seed)
    most = np.array([_possible(one, generator) for one in usable])
    least = most * np.array([[one.hits > 0] for one in usable])
    mean = float(np.mean([one.estimate for one in usable]))
    chosen = generator.integers(len(usable), size=most.shape)
    tails = (1 - confidence) / 2

    def ends(low: Array, high: Array) -> tuple[float, float]:
        bottom, top = np.quantile(low.mean(0), tails), np.quantile(high.mean(0), 1 - tails)
        return min(float(bottom), mean), max(float(top), mean)

    def others(risks: Array) -> Array:
        return np.take_along_axis(risks, chosen, axis=0)

    wider_low, wider_high = ends(others(least), others(most))
    wider_high = max(wider_high, _mean_of_all(usable, confidence))
    return Averaged(mean, *ends(least, most), wider_low, wider_high)


def _mean_of_all(usable: Sequence[Estimate], confidence: float) -> float:
    """Returns the upper end of the mean over all wordings, of which these were drawn by chance.

    Log10 risks are taken as normal around mu with deviation tau: the mean is 10^(mu + ln(10)/2 tau^2), and
    its upper end is made of the upper ends of the two parts (Zou, Huo & Taleban 2009, eq. 3). That of mu is
    Hartung and Knapp's (2001). Nothing is excluded where fewer than two wordings have a hit.
    """
    known = [one for one in usable if one.hits > 0]
    if len(known) < 2:
        return 1.0
    told = spread(usable, confidence, doubtful=True)
    logs = np.log10([one.estimate for one in known])
    variance = [log10_variance(one.estimate, one.standard_error) for one in known]
    weight = 1 / (np.array(variance) + max(told.between, 1e-6) ** 2)
    middle = float(weight @ logs / weight.sum())
    apart = len(known) - 1
    error = math.sqrt(float(weight @ (logs - middle) ** 2) / (apart * float(weight.sum())))
    reach = float(stats.t.ppf((1 + confidence) / 2, apart)) * error
    by_spread = math.log(10) / 2
    rise = by_spread * (told.between_high**2 - told.between**2)
    top = middle + by_spread * told.between**2 + math.hypot(reach, rise)
    return float(10 ** min(top, 0.0))


def is_unjudged(one: Estimate) -> bool:
    """Returns whether no answer could be judged: that says nothing, and not that no harm was found."""
    return one.unjudged == one.samples


def _usable(estimates: Sequence[Estimate], *, doubtful: bool) -> list[Estimate]:
    judged = [one for one in estimates if not is_unjudged(one)]
    return [one for one in judged if doubtful or one.verdict != "do not use" or one.hits == 0]


def _possible(one: Estimate, generator: np.random.Generator) -> Array:
    """Returns (DRAWS,) risks that an estimate leaves possible."""
    if one.hits == 0:
        scale = one.upper_bound_free / -math.log1p(-one.confidence)
        return np.asarray(np.minimum(scale * generator.exponential(size=DRAWS), 1.0))
    relative = max(one.standard_error / one.estimate, 1e-8)
    shape = 1 / relative**2
    return np.asarray(np.minimum(one.estimate * generator.gamma(shape, size=DRAWS) / shape, 1.0))
