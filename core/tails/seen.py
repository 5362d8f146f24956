"""The queries seen up to the riskiest, and a fitted tail beyond it: no smoothing hides the riskiest."""

from dataclasses import dataclass, replace

import numpy as np

from core.tails.bootstrap import TailDraws
from core.tails.predictor import SeenPredictors, TailPredictor
from core.tails.sample import Array, TailSample, kaplan_meier, kaplan_meier_draws
from core.tails.simex import NoiseCorrected, SimexShift
from core.tails.tail import DerivedTail, SplicedTail, Tail

# Of the queries that may be riskier than all that were seen; no risk of a sample is as high.
RISKIEST = 1 - 1e-12


@dataclass(frozen=True, eq=False)
class SeenTail(DerivedTail):
    """The queries seen, and above the riskiest of them a tail that begins with the share left for it.

    levels: known scores, descending, (k,). reached: the share of queries above a score that is below each
    level but not below the next one, ascending, (k,). beyond: the share above the highest level. start: the
    tail's own log survival there, nats.
    """

    levels: Array
    reached: Array
    beyond: float
    start: float

    def log_survival(self, score: Array | float) -> Array:
        """Returns log P(score of a query > level), nats."""
        level = np.asarray(score, dtype=float)
        above = np.searchsorted(-self.levels, -level, side="left")
        seen = np.log(self.reached[np.maximum(above - 1, 0)])
        top = self.levels[0]
        # A tail that ends below the riskiest query says nothing of what is beyond it.
        further = np.full(level.shape, -np.inf)
        if np.isfinite(self.start):
            further = self.tail.log_survival(np.maximum(level, top)) - self.start
        return np.asarray(np.where(level >= top, np.log(self.beyond) + further, seen))

    def score_at(self, log_survival: Array | float) -> Array:
        """Returns the level that is exceeded with this log-probability."""
        wanted = np.asarray(log_survival, dtype=float)
        place = np.searchsorted(self.reached, np.exp(wanted) * (1 - 1e-12))
        seen = self.levels[np.minimum(place, len(self.levels) - 1)]
        if not np.isfinite(self.start):
            return np.asarray(seen)
        left = wanted - np.log(self.beyond)
        further = left < 0
        found = np.array(seen)
        found[further] = np.maximum(self.tail.score_at(self.start + left[further]), self.levels[0])
        return found


def seen_predictors(
    sample: TailSample, fit: Tail, refits: TailDraws, shift: SimexShift | None, seed: int
) -> SeenPredictors:
    """Returns what the queries seen say of the worst of n, the tails beyond the riskiest of them.

    The share of queries above the i-th riskiest of m is a Beta(i, m + 1 - i) variable, whatever the
    distribution: the Bayesian bootstrap (Rubin 1981) of the queries and one that is riskier than all. Counts
    of queries above a level so get the interval of Clopper & Pearson (1934). Wordings of one query have one
    weight.

    Parameters
    ----------
    sample : TailSample
        Estimated risks of m queries.
    fit : Tail
        The fitted tail.
    refits : TailDraws
        The tails that could be instead; each is continued from the riskiest query.
    shift : SimexShift, optional
        What noise adds to each level, to be taken out.
    seed : int
        Of the weights.

    References
    ----------
    Rubin (1981), The Bayesian bootstrap, Annals of Statistics 9, 130-134. Clopper & Pearson (1934),
    Biometrika 26, 404-413.
    """
    extended, extra = _with_one_riskier(sample)
    generator = np.random.default_rng((seed, len(sample)))
    known, share = kaplan_meier(sample)
    # Without its noise a query may be less risky than the next one, whose noise is smaller.
    lowered = 0.0 if shift is None else shift.at(np.log(share))
    levels = np.maximum.accumulate((known - lowered)[::-1])[::-1]
    _, above = kaplan_meier_draws(extended, len(refits.fits), generator)
    above = np.maximum(above[:, extra - 1 :], 1e-300)
    lower, upper = above[:, :-1], above[:, 1:]
    corrected, *further = (
        tail if shift is None else NoiseCorrected(tail, shift)
        for tail in map(_unspliced, (fit, *refits.fits))
    )
    start, *starts = (float(tail.log_survival(levels[0])) for tail in (corrected, *further))
    middle = SeenTail(corrected, levels, share, float(share[0]) / 2, start)

    def predictor(reached: Array) -> TailPredictor:
        tails = tuple(
            SeenTail(tail, levels, row, first, start)
            for tail, row, first, start in zip(
                further, reached, above[:, 0].tolist(), starts, strict=True
            )
        )
        drawn = replace(refits, fits=tails, posterior=True)
        return TailPredictor(middle, drawn)

    return SeenPredictors(predictor(lower), predictor((lower + upper) / 2), predictor(upper))


def _unspliced(tail: Tail) -> Tail:
    """Returns a tail without the queries below its threshold, which lies below the riskiest."""
    return tail.tail if isinstance(tail, SplicedTail) else tail


def _with_one_riskier(sample: TailSample) -> tuple[TailSample, int]:
    """Returns the sample with one more group, riskier than all, as large as the others, and its size."""
    groups = len(np.unique(sample.group))
    extra = max(round(len(sample) / groups), 1)
    return (
        TailSample(
            np.concatenate([sample.risk, np.full(extra, RISKIEST)]),
            np.concatenate([sample.error, np.zeros(extra)]),
            np.concatenate([sample.bound, np.full(extra, np.nan)]),
            np.concatenate([np.char.add("seen ", sample.group), np.full(extra, "riskier")]),
            np.concatenate([sample.doubtful, np.zeros(extra, dtype=bool)]),
        ),
        extra,
    )
