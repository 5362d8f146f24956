"""The worst of n queries not seen yet, and the share of queries above a risk, from drawn tails."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.tails.bootstrap import TailDraws
from core.tails.sample import Array, to_risk, to_score
from core.tails.simex import NoiseCorrected, SimexShift
from core.tails.tail import Tail

QUANTILES = 40


class TailPredictor:
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
    ) -> None:
        """Takes a fit and the tails that could be instead.

        shift: what noise adds to each level, to be taken out.
        """
        self.fit, self.refits, self.shift = fit, refits, shift
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
        """Returns quantiles of the worst score of n queries, (tails * QUANTILES, len(sizes)), in no order."""
        # The same quantiles at every horizon, so that a fan grows with n and does not jump; others for every
        # tail, so that all together are as fine as tails * QUANTILES.
        tails = len(self.refits.fits)
        offset = (np.random.default_rng(0).permutation(tails) + 0.5) / tails
        quantile_grid = (np.arange(QUANTILES) + offset[:, None]) / QUANTILES
        # P(worst <= level) = (1 - S)^n = quantile
        log_survival = np.log(-np.expm1(np.log(quantile_grid)[..., None] / sizes))
        return np.asarray(self.levels(log_survival).reshape(-1, len(sizes)))

    def worst(self, sizes: Array, shares: Sequence[float]) -> Array:
        """Returns risks, (len(shares), len(sizes)), below which the worst of n lies so often."""
        scores = np.ascontiguousarray(self.maximum_scores(sizes).T)
        # The inverse of their distribution function: inf, beyond every end, must not be mixed with a number.
        places = np.ceil(np.asarray(shares) * scores.shape[1] - 1e-9).astype(int) - 1
        places = np.clip(places, 0, scores.shape[1] - 1)
        return to_risk(np.partition(scores, np.unique(places), axis=1)[:, places].T)

    def chances_above(self, n: float, taus: Array) -> Array:
        """Returns P(worst of n > tau) for each tau, averaged over the tails."""
        shares = np.minimum(self.shares(to_score(taus)), 1 - 1e-12)
        return np.asarray(-np.expm1(n * np.log1p(-shares)).mean(0))

    def share_quantile(self, score: Array, probability: float) -> Array:
        """Returns a quantile of the share of queries above each level, over the tails, (k,)."""
        return np.asarray(np.quantile(self.shares(score), probability, axis=0))

    def level_quantile(self, n: float, probability: float) -> float:
        """Returns a quantile of the level, a risk, that one query in n exceeds, over the tails."""
        every = np.full(len(self.refits.fits), -math.log(n))
        found = np.quantile(self.levels(every), probability, method="inverted_cdf")
        return float(to_risk(float(found)))


class PublishedPredictor(TailPredictor):
    """As published: the number in the middle is the level that one query in n exceeds.

    References: Jones et al. (2025), Forecasting Rare Language Model Behaviors, section 3. The interval, which
    they do not give, is that of `TailPredictor`.
    """

    def worst(self, sizes: Array, shares: Sequence[float]) -> Array:
        """Returns risks below which the worst of n lies so often; for a share of a half the level."""
        found = super().worst(sizes, shares)
        found[np.asarray(shares) == 0.5] = to_risk(self.shown.score_at(-np.log(sizes)))
        return found


@dataclass(frozen=True, eq=False)
class SeenPredictors:
    """What the queries seen say of the worst of n, a fitted tail beyond the riskiest of them.

    The share of queries above one that was seen is a Beta variable, whatever the risks. Above a level between
    two that were seen it is at least that of the upper one (least), and at most that of the lower (most).
    middle: half way.
    """

    least: TailPredictor
    middle: TailPredictor
    most: TailPredictor


@dataclass(frozen=True, eq=False)
class Predictor:
    """Forecasts of a fitted tail that exclude nothing of what the queries seen say by themselves.

    The low end of an interval is that of the queries seen, which no smoothing of the riskiest can raise or
    lower; the high end the higher of theirs and the fitted tail's, which reaches where few were seen. The
    number in the middle is the fitted tail's, or, where more queries are risky than it expects, that of the
    queries seen (benchmarks/tail_clusters.py has what else was tried).

    own: of the fitted tail alone. seen: of the queries seen; None for a tail that does not describe single
    queries, and for the baseline that is nothing else. contradicted: more queries are risky than the tail
    expects. of_blocks: the fit describes the worst of whole groups of wordings, and not single queries.
    trusted: the largest horizon, whatever the interval's width.
    """

    own: TailPredictor
    seen: SeenPredictors | None = None
    contradicted: bool = False
    of_blocks: bool = False
    trusted: float = math.inf

    @property
    def middle(self) -> TailPredictor:
        """What the numbers in the middle come from."""
        return self.seen.middle if self.seen is not None and self.contradicted else self.own

    @property
    def shown(self) -> Tail:
        """The tail in the middle, the noise taken out if it is to be."""
        return self.middle.shown

    def worst(self, sizes: Array, shares: Sequence[float]) -> Array:
        """Returns risks, (len(shares), len(sizes)), below which the worst of n lies so often.

        shares: ascending.
        """
        wanted = np.asarray(shares)
        if self.seen is None:
            return self.own.worst(sizes, shares)
        lower, upper = wanted < 0.5, wanted > 0.5
        found = np.empty((len(wanted), len(sizes)))
        middle = ~lower & ~upper
        if not lower.all():
            found[~lower] = self.own.worst(sizes, wanted[~lower].tolist())
        if middle.any() and self.contradicted:
            found[middle] = self.seen.middle.worst(sizes, wanted[middle].tolist())
        if lower.any():
            found[lower] = self.seen.least.worst(sizes, wanted[lower].tolist())
        if upper.any():
            found[upper] = np.maximum(
                found[upper], self.seen.most.worst(sizes, wanted[upper].tolist())
            )
        return np.asarray(np.maximum.accumulate(found, axis=0))

    def chance_above(self, n: float, tau: float) -> float:
        """Returns P(worst of n > tau)."""
        return float(self.chances_above(n, np.array([tau]))[0])

    def chances_above(self, n: float, taus: Array) -> Array:
        """Returns P(worst of n > tau) for each tau, averaged over the tails."""
        return self.middle.chances_above(n, taus)

    def share_above(self, tau: float, confidence: float = 0.95) -> tuple[float, float, float]:
        """Returns the share of queries with a risk above tau, and its interval; nan if it is not known."""
        value, low, high = self.shares_above(np.array([to_score(tau)]), confidence)
        return float(value[0]), float(low[0]), float(high[0])

    def shares_above(self, score: Array, confidence: float = 0.95) -> tuple[Array, Array, Array]:
        """Returns the share of queries above each level, and its interval, (k,); nan if it is not known."""
        if self.of_blocks:
            unknown = np.full(len(score), np.nan)
            return unknown, unknown, unknown
        first, last = interval_ends(confidence)
        value = np.exp(self.shown.log_survival(score))
        high = self.own.share_quantile(score, last)
        if self.seen is None:
            low = self.own.share_quantile(score, first)
        else:
            low = self.seen.least.share_quantile(score, first)
            high = np.maximum(high, self.seen.most.share_quantile(score, last))
        return value, np.minimum(low, value), np.maximum(high, value)

    def level(self, n: float, confidence: float = 0.95) -> tuple[float, float, float]:
        """Returns the risk that one query in n exceeds, and its interval."""
        first, last = interval_ends(confidence)
        risk = float(to_risk(self.shown.score_at(-math.log(n))))
        low, high = (self.own.level_quantile(n, each) for each in (first, last))
        if self.seen is not None:
            low = self.seen.least.level_quantile(n, first)
            high = max(high, self.seen.most.level_quantile(n, last))
        return risk, min(low, risk), max(high, risk)


def interval_ends(confidence: float) -> tuple[float, float]:
    """Returns the shares below the low and below the high end of a central interval."""
    tail = (1 - confidence) / 2
    return tail, 1 - tail
