"""Forecasts from a fitted tail: the worst of n queries not seen yet, and how likely a level is exceeded."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import SpecError
from core.tails.bootstrap import Bootstrap
from core.tails.mean_risk import mean_risk, mean_risk_draws
from core.tails.sample import Array, TailSample, to_risk, to_score
from core.tails.simex import NoiseCorrected, SimexShift
from core.tails.tail import Tail

# A forecast whose interval spans more decades than this tells nobody anything.
WIDEST = 3.0
# How far beyond the queries seen a forecast may go; benchmarks/tails.py measures what holds there.
FURTHEST = 100
LUCKS = 40


@dataclass(frozen=True, eq=False)
class Forecast:
    """What a tail says of n queries not seen yet; arrays are (len(n),), risks unless said otherwise.

    level: what one query in n exceeds. median, low, high: of the worst of n queries, the fit's uncertainty
    included. at_least_one: chance of one harmful answer or more when each of n queries is asked once; its
    ends likewise. supported: how far the fit may be extrapolated; beyond it all are nan.
    """

    n: Array
    level: Array
    median: Array
    low: Array
    high: Array
    at_least_one: Array
    at_least_one_low: Array
    at_least_one_high: Array
    supported: float


class Predictor:
    """The distribution of the worst of n queries, with the fit's uncertainty in it.

    From a posterior, it is the mixture of what its draws say. From refits it is calibrated: a worst query is
    drawn from the tail, and asked how rare it is under each refit: log S of it there. Were the tail known,
    n S would be exponential; how it strays from that tells how far a quantile must move (Beran 1990). Where
    the tail is a location and scale family, as the Gumbel line is, this is exact.
    """

    def __init__(
        self,
        fit: Tail,
        refits: Bootstrap,
        shift: SimexShift | None = None,
        *,
        of_blocks: bool = False,
        trusted: float = math.inf,
    ) -> None:
        """shift: what noise adds to each level, to be taken out. of_blocks: the fit knows of the worst of
        whole groups of wordings, and of single queries nothing. trusted: the largest horizon, whatever the
        interval's width.
        """
        self.fit, self.refits, self.shift = fit, refits, shift
        self.of_blocks, self.trusted = of_blocks, trusted
        self.shown: Tail = fit if shift is None else NoiseCorrected(fit, shift)

    def levels(self, log_survival: Array) -> Array:
        """Returns scores exceeded with these log-probabilities. log_survival: (tails, ...)."""
        pairs = list(zip(self.refits.fits, log_survival, strict=True))
        if self.refits.posterior:
            found = np.array([one.score_at(wanted) for one, wanted in pairs])
            return found if self.shift is None else found - self.shift.at(log_survival)
        rarity = [one.log_survival(self.fit.score_at(wanted)) for one, wanted in pairs]
        return self.shown.score_at(np.array(rarity))

    def shares(self, score: Array) -> Array:
        """Returns the share of queries above each level, (k,), that each tail allows, (tails, k).

        The other side of `levels`: from refits, a level is above as often as it is there.
        """
        told = self.shown.log_survival(score)
        if self.refits.posterior:
            # A draw has the noise that was taken out of the level.
            noisy = score if self.shift is None else score + self.shift.at(told)
            return np.exp([one.log_survival(noisy) for one in self.refits.fits])
        found = [self.fit.log_survival(one.score_at(told)) for one in self.refits.fits]
        return np.where(np.isneginf(told), 0.0, np.exp(found))

    def worst(self, sizes: Array) -> Array:
        """Returns scores of the worst of n, (tails * LUCKS, len(sizes)), ascending."""
        # The same luck at every horizon, so that a fan grows with n and does not jump; another for every
        # tail, so that all together are as fine as tails * LUCKS.
        tails = len(self.refits.fits)
        offset = (np.random.default_rng(0).permutation(tails) + 0.5) / tails
        luck = (np.arange(LUCKS) + offset[:, None]) / LUCKS
        # P(worst <= level) = (1 - S)^n = luck
        log_survival = np.log(-np.expm1(np.log(luck)[..., None] / sizes))
        return np.asarray(np.sort(self.levels(log_survival).reshape(-1, len(sizes)), axis=0))

    def quantiles(self, worst: Array, shares: Sequence[float]) -> Array:
        """Returns risks, (len(shares), len(sizes)), below which the worst of n lies so often.

        worst: as `worst` has it.
        """
        # inf, beyond every end, must not be mixed with a number.
        return to_risk(np.quantile(worst, np.asarray(shares), axis=0, method="inverted_cdf"))

    def chance_above(self, n: float, tau: float) -> float:
        """Returns P(worst of n > tau)."""
        return float(self.chances_above(n, np.array([tau]))[0])

    def chances_above(self, n: float, taus: Array) -> Array:
        """Returns P(worst of n > tau) for each tau, averaged over the tails."""
        shares = np.minimum(self.shares(to_score(taus)), 1 - 1e-12)
        return np.asarray(-np.expm1(n * np.log1p(-shares)).mean(0))

    def share_above(self, tau: float, confidence: float = 0.95) -> tuple[float, float, float]:
        """Returns the share of queries with a risk above tau, and its interval; nan if it is not known."""
        found = self.shares_above(np.array([to_score(tau)]), confidence)
        value, low, high = (float(each[0]) for each in found)
        return value, low, high

    def shares_above(self, score: Array, confidence: float = 0.95) -> tuple[Array, Array, Array]:
        """Returns the share of queries above each level, and its interval, (k,); nan if it is not known."""
        if self.of_blocks:
            unknown = np.full(len(score), np.nan)
            return unknown, unknown, unknown
        value = np.exp(self.shown.log_survival(score))
        low, high = np.quantile(self.shares(score), _ends(confidence), axis=0)
        return value, np.minimum(low, value), np.maximum(high, value)

    def level(self, n: float, confidence: float = 0.95) -> tuple[float, float, float]:
        """Returns the risk that one query in n exceeds, and its interval."""
        wanted = np.array(-math.log(n))
        every = np.full(len(self.refits.fits), wanted)
        ends = np.quantile(self.levels(every), _ends(confidence), method="inverted_cdf")
        found = to_risk(np.array([float(self.shown.score_at(wanted)), *ends]))
        return float(found[0]), float(found[1]), float(found[2])


def forecast(
    sample: TailSample,
    predictor: Predictor,
    n: Sequence[float],
    confidence: float = 0.95,
) -> Forecast:
    """Returns forecasts for horizons of n queries.

    Raises:
        SpecError: no horizon, or one below 1.
    """
    sizes = np.asarray(n, dtype=float)
    if len(sizes) == 0 or not (sizes >= 1).all():
        bad = sizes[~(sizes >= 1)]
        raise SpecError(f"horizon must be 1 query or more, got {bad[0] if len(bad) else 'none'}")
    supported = furthest(sample, predictor, confidence)
    low_end, high_end = _ends(confidence)
    low, median, high = worst_of(predictor, sizes, confidence)
    mean = mean_risk(sample, predictor.fit)
    means = mean_risk_draws(sample, predictor.fit, predictor.refits)
    ends = np.quantile(means, [low_end, high_end])

    def once(risk: float) -> Array:
        if predictor.of_blocks:
            return np.full(len(sizes), np.nan)
        return told(-np.expm1(sizes * np.log1p(-min(max(risk, 0.0), 1 - 1e-12))))

    def told(values: Array) -> Array:
        return np.asarray(np.where(sizes <= supported, values, np.nan))

    return Forecast(
        n=sizes,
        level=told(to_risk(predictor.shown.score_at(-np.log(sizes)))),
        median=told(median),
        low=told(low),
        high=told(high),
        at_least_one=once(mean),
        at_least_one_low=once(float(min(ends[0], mean))),
        at_least_one_high=once(float(max(ends[1], mean))),
        supported=supported,
    )


def worst_of(predictor: Predictor, sizes: Array, confidence: float) -> tuple[Array, Array, Array]:
    """Returns low end, median and high end of the worst of n, risks, (len(sizes),) each."""
    low, high = _ends(confidence)
    ends = predictor.quantiles(predictor.worst(sizes), [low, 0.5, high])
    return ends[0], ends[1], ends[2]


def furthest(sample: TailSample, predictor: Predictor, confidence: float = 0.95) -> float:
    """Returns the largest horizon for which the worst query's interval spans WIDEST decades at most.

    At most FURTHEST times the number of independent queries seen; 0 if not even one query is supported.
    """
    groups = len(np.unique(sample.group))
    sizes = np.unique(np.round(np.geomspace(1, FURTHEST * groups, 60)))
    low, high = predictor.quantiles(predictor.worst(sizes), _ends(confidence))
    with np.errstate(divide="ignore"):
        decades = np.log10(high) - np.log10(low)
    # Up to the queries seen nothing is extrapolated, however wide they spread.
    too_wide = np.flatnonzero((sizes > groups) & ~(decades <= WIDEST))
    found = float(sizes[-1])
    if len(too_wide):
        found = float(sizes[too_wide[0] - 1]) if too_wide[0] > 0 else 0.0
    return min(found, predictor.trusted)


def _ends(confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    return tail, 1 - tail
