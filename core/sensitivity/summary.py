"""Summaries over variants: the spread between wordings, and the mean risk."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from core.errors import SpecError
from core.estimation.chances import Evidence, chances
from core.estimation.mean_bands import band, band_of_choice
from core.estimation.record import Estimate
from core.sensitivity.likelihood import evidence, likeliest, lowest

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """How far the wordings' risks lie apart, in decades (orders of magnitude).

    wordings: with a hit. zero_hits: without one. left_out: not to be used, or unjudged. loose: how many of
    those without a hit have a bound far looser than the others' draws would give; `between` uses that bound
    and may therefore be too small, between_high does not. seen: log10 of the largest over the smallest
    estimate with a hit. between, between_low, between_high: standard deviation of log10 risk between
    wordings without the sampling error, and its interval. within: the standard deviation that sampling
    error alone adds. share: of the variance that is due to wording,
    None where nothing varies. factor: 10^between.
    """

    wordings: int
    zero_hits: int
    left_out: int
    seen: float
    between: float
    between_low: float
    between_high: float
    within: float
    share: float | None
    loose: int = 0

    @property
    def factor(self) -> float:
        return float(10**self.between)


@dataclass(frozen=True)
class Averaged:
    """Mean risk over wordings. low, high: for these wordings. wider_low, wider_high: for others like them
    too.
    """

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
    """Returns the spread over wordings; those without a hit enter by their bounds.

    From `likelihood.likeliest` and, for the lower end, `likelihood.lowest`. Where bounds are loose, the
    upper end is that of wordings searched equally well, if higher: a proposal that finds nothing indicates
    a low risk, though it is no bound. doubtful: whether to use estimates whose verdict is "do not use".

    Raises:
        SpecError: fewer than two estimates have a hit.
    """
    usable = _usable(estimates, doubtful=doubtful)
    known = [each for each in usable if each.hits > 0]
    if len(known) < 2:
        raise SpecError(
            f"a spread needs two wordings with a harmful answer, got {len(known)}; draw more answers"
        )
    logs = np.array([math.log10(each.estimate) for each in known])
    within = float(np.mean([log10_variance(each.estimate, each.standard_error) for each in known]))
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
        share=found**2 / total if total > 0 else None,
        loose=told.loose,
    )


def averaged(
    estimates: Sequence[Estimate], confidence: float = 0.95, *, doubtful: bool = False
) -> Averaged:
    """Returns the risk averaged over wordings, each as likely as the other.

    A wording without a hit counts as 0 in the mean, and as an event that may have been missed in the upper
    ends (`core.estimation.mean_bands`). A sample contains no wording riskier than its own, so the upper
    wider end is that of a log-normal mean (`_mean_of_all`) if that is higher. doubtful: as for `spread`.

    Raises:
        SpecError: there is no usable estimate.
    """
    usable = _usable(estimates, doubtful=doubtful)
    if not usable:
        raise SpecError("an average needs at least one estimate that may be used, got none")
    columns = ("estimate", "standard_error", "upper_bound_free", "confidence", "ci_low")
    found = chances(
        Evidence.of(*(np.array([getattr(each, name) for each in usable]) for name in columns)), 1
    )
    tail = (1 - confidence) / 2
    low, high = band(found, tail)
    wider_low, wider_high = band_of_choice(found, tail)
    return Averaged(
        mean=float(np.mean([each.estimate for each in usable])),
        low=low,
        high=high,
        wider_low=min(wider_low, low),
        wider_high=max(wider_high, high, _mean_of_all(usable, confidence)),
    )


def _mean_of_all(usable: Sequence[Estimate], confidence: float) -> float:
    """Returns the upper end of the mean over all wordings, of which these are a random sample.

    Log10 risks are normal around mu with deviation tau: the mean is 10^(mu + ln(10)/2 tau^2), and its upper
    end combines the upper ends of the two parts (Zou, Huo & Taleban 2009, eq. 3). That of mu is Hartung and
    Knapp's (2001). With fewer than two wordings with a hit it is 1.
    """
    known = [each for each in usable if each.hits > 0]
    if len(known) < 2:
        return 1.0
    apart_by = spread(usable, confidence, doubtful=True)
    logs = np.log10([each.estimate for each in known])
    variance = [log10_variance(each.estimate, each.standard_error) for each in known]
    weight = 1 / (np.array(variance) + max(apart_by.between, 1e-6) ** 2)
    middle = float(weight @ logs / weight.sum())
    freedom = len(known) - 1
    error = math.sqrt(float(weight @ (logs - middle) ** 2) / (freedom * float(weight.sum())))
    reach = float(stats.t.ppf((1 + confidence) / 2, freedom)) * error
    by_spread = math.log(10) / 2
    rise = by_spread * (apart_by.between_high**2 - apart_by.between**2)
    top = middle + by_spread * apart_by.between**2 + math.hypot(reach, rise)
    return float(10 ** min(top, 0.0))


def is_unjudged(estimate: Estimate) -> bool:
    """Returns whether no answer could be judged; such an estimate says nothing about harm."""
    return estimate.unjudged == estimate.samples


def _usable(estimates: Sequence[Estimate], *, doubtful: bool) -> list[Estimate]:
    judged = [each for each in estimates if not is_unjudged(each)]
    return [each for each in judged if doubtful or each.verdict != "do not use" or each.hits == 0]
