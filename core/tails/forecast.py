"""Forecasts from a fitted tail: the worst of n queries not seen yet, and how likely a level is exceeded."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import SpecError
from core.tails.bootstrap import TailDraws
from core.tails.mean_risk import mean_risk, mean_risk_draws
from core.tails.sample import Array, TailSample, to_risk, to_score
from core.tails.simex import NoiseCorrected, SimexShift
from core.tails.tail import Tail

# An interval that spans more decades than this is no forecast.
WIDEST = 3.0
# How far beyond the queries seen a forecast may go; benchmarks/tails.py measures what holds there.
FURTHEST = 100
QUANTILES = 40


@dataclass(frozen=True, eq=False)
class Forecast:
    """What a tail says of n queries not seen yet; arrays are (len(n),), risks unless said otherwise.

    n: numbers of queries. level: what one query in n exceeds. median, low, high: of the worst of n queries,
    the fit's uncertainty included. at_least_one: chance of one harmful answer or more when each of n queries
    is sent once, and its interval. supported: the largest horizon, in queries, the fit may be extrapolated
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
    supported: float


class Predictor:
    """The distribution of the worst of n queries, with the fit's uncertainty in it.

    From a posterior, it is the mixture of its draws' distributions. From refits it is calibrated: a worst
    query is drawn from the tail, and its survival S is taken under each refit. Were the tail known, n S would
    be exponential; how it departs from that is how far a quantile must move (Beran 1990). For a location and
    scale family, as the Gumbel line is, this is exact.

    References: Beran (1990), Calibrating prediction regions, JASA 85, 715-723.
    """

    def __init__(
        self,
        fit: Tail,
        refits: TailDraws,
        shift: SimexShift | None = None,
        *,
        of_blocks: bool = False,
        trusted: float = math.inf,
    ) -> None:
        """Takes a fit and the tails that could be instead.

        shift: what noise adds to each level, to be taken out. of_blocks: the fit describes the worst of whole
        groups of wordings, and not single queries. trusted: the largest horizon, whatever the interval's
        width.
        """
        self.fit, self.refits, self.shift = fit, refits, shift
        self.of_blocks, self.trusted = of_blocks, trusted
        self.shown: Tail = fit if shift is None else NoiseCorrected(fit, shift)

    def levels(self, log_survival: Array) -> Array:
        """Returns scores exceeded with these log-probabilities. log_survival: (tails, ...), nats."""
        pairs = list(zip(self.refits.fits, log_survival, strict=True))
        if self.refits.posterior:
            scores = np.array([tail.score_at(wanted) for tail, wanted in pairs])
            return scores if self.shift is None else scores - self.shift.at(log_survival)
        calibrated = [tail.log_survival(self.fit.score_at(wanted)) for tail, wanted in pairs]
        return self.shown.score_at(np.array(calibrated))

    def shares(self, score: Array) -> Array:
        """Returns the share of queries above each level, (k,), that each tail allows, (tails, k).

        The inverse of `levels`: from refits, a level is above as often as it is there.
        """
        log_survival = self.shown.log_survival(score)
        if self.refits.posterior:
            # A draw has the noise that was taken out of the level.
            level = score if self.shift is None else score + self.shift.at(log_survival)
            return np.exp([tail.log_survival(level) for tail in self.refits.fits])
        calibrated = [
            self.fit.log_survival(tail.score_at(log_survival)) for tail in self.refits.fits
        ]
        return np.where(np.isneginf(log_survival), 0.0, np.exp(calibrated))

    def maximum_scores(self, sizes: Array) -> Array:
        """Returns quantiles of the worst score of n queries, (tails * QUANTILES, len(sizes)), ascending."""
        # The same quantiles at every horizon, so that a fan grows with n and does not jump; others for every
        # tail, so that all together are as fine as tails * QUANTILES.
        tails = len(self.refits.fits)
        offset = (np.random.default_rng(0).permutation(tails) + 0.5) / tails
        quantile_grid = (np.arange(QUANTILES) + offset[:, None]) / QUANTILES
        # P(worst <= level) = (1 - S)^n = quantile
        log_survival = np.log(-np.expm1(np.log(quantile_grid)[..., None] / sizes))
        return np.asarray(np.sort(self.levels(log_survival).reshape(-1, len(sizes)), axis=0))

    def quantiles(self, scores: Array, shares: Sequence[float]) -> Array:
        """Returns risks, (len(shares), len(sizes)), below which the worst of n lies so often.

        scores: as `maximum_scores` has them.
        """
        # inf, beyond every end, must not be mixed with a number.
        return to_risk(np.quantile(scores, np.asarray(shares), axis=0, method="inverted_cdf"))

    def chance_above(self, n: float, tau: float) -> float:
        """Returns P(worst of n > tau)."""
        return float(self.chances_above(n, np.array([tau]))[0])

    def chances_above(self, n: float, taus: Array) -> Array:
        """Returns P(worst of n > tau) for each tau, averaged over the tails."""
        shares = np.minimum(self.shares(to_score(taus)), 1 - 1e-12)
        return np.asarray(-np.expm1(n * np.log1p(-shares)).mean(0))

    def share_above(self, tau: float, confidence: float = 0.95) -> tuple[float, float, float]:
        """Returns the share of queries with a risk above tau, and its interval; nan if it is not known."""
        value, low, high = self.shares_above(np.array([to_score(tau)]), confidence)
        return float(value[0]), float(low[0]), float(high[0])

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
        risk, low, high = to_risk(np.array([float(self.shown.score_at(wanted)), *ends]))
        return float(risk), float(low), float(high)


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
    low_end, high_end = _ends(confidence)
    low, median, high = maximum_interval(predictor, sizes, confidence)
    mean = mean_risk(sample, predictor.fit)
    means = mean_risk_draws(sample, predictor.fit, predictor.refits)
    ends = np.quantile(means, [low_end, high_end])

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
        at_least_one=once(mean),
        at_least_one_low=once(float(min(ends[0], mean))),
        at_least_one_high=once(float(max(ends[1], mean))),
        supported=supported,
    )


def maximum_interval(
    predictor: Predictor, sizes: Array, confidence: float
) -> tuple[Array, Array, Array]:
    """Returns low end, median and high end of the worst of n, risks, (len(sizes),) each."""
    low, high = _ends(confidence)
    ends = predictor.quantiles(predictor.maximum_scores(sizes), [low, 0.5, high])
    return ends[0], ends[1], ends[2]


def supported_horizon(sample: TailSample, predictor: Predictor, confidence: float = 0.95) -> float:
    """Returns the largest horizon for which the worst query's interval spans WIDEST decades at most.

    At most FURTHEST times the number of independent queries seen; 0 if not even one query is supported.
    """
    groups = len(np.unique(sample.group))
    sizes = np.unique(np.round(np.geomspace(1, FURTHEST * groups, 60)))
    low, high = predictor.quantiles(predictor.maximum_scores(sizes), _ends(confidence))
    with np.errstate(divide="ignore"):
        decades = np.log10(high) - np.log10(low)
    # Up to the queries seen nothing is extrapolated, however wide they spread.
    too_wide = np.flatnonzero((sizes > groups) & ~(decades <= WIDEST))
    largest = float(sizes[-1])
    if len(too_wide):
        largest = float(sizes[too_wide[0] - 1]) if too_wide[0] > 0 else 0.0
    return min(largest, predictor.trusted)


def _ends(confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    return tail, 1 - tail
