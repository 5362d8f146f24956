"""What is certain of a risk: the exact probabilities of the different answers seen, added up."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.estimation.draws import BoolArray, Draws, FloatArray, IntArray

# Unit roundoff of float32, in which a token's log-probability is computed (IEEE 754).
FLOAT32_ROUNDOFF = 2.0**-24
# The sum over the vocabulary runs in this many lanes at least: those of the narrowest vector registers.
LANES = 4
# Roundings of a log-softmax besides those of its sum: of each exponential and its argument, of the logarithm.
OTHER_ROUNDINGS = 64
# Of exponentials and of their sum, in float64.
SUM_ROUNDING = 1e-14


@dataclass(frozen=True)
class CertainBounds:
    """A risk is at least `low` and at most `high`, with no level of confidence and no assumption.

    harmful, harmless: how many different answers of each kind were seen.
    """

    low: float = 0.0
    high: float = 1.0
    harmful: int = 0
    harmless: int = 0

    def within(self, low: float, value: float, high: float) -> tuple[float, float]:
        """Returns an interval without what is impossible; it still holds the estimate, `value`.

        The truth is in both intervals or missed by the given one, so coverage stays what it was. An interval
        that lies outside altogether is drawn up to the nearer bound.
        """
        if not self.low <= self.high:
            return low, high
        least = min(max(low, self.low), value, self.high)
        most = max(min(high, self.high), value, self.low)
        return least, most


def certain_bounds(parts: Sequence[Draws]) -> CertainBounds:
    """Returns the bounds from all draws of one question under one judge, whatever they were drawn from.

    The risk is the sum of p(x) over the harmful answers x, so the harmful ones seen, each counted once, are a
    part of it, and the harmless ones seen a part of the rest. An answer that could not be judged belongs to
    neither, nor does one that the judge called both. An answer cut at its length is an answer; its
    probability has no stop token. Of the risk among the answers that can be judged, P(h | judged), the bounds
    hold as well: it is no less than P(h and judged), and 1 - P(harmless | judged) no more than 1 - P(harmless
    and judged).

    Both ends are rounded outward: every probability enters as the least that it can be.

    Parameters
    ----------
    parts : sequence of Draws
        Those that do not know which rows are the same answer say nothing.

    Returns
    -------
    CertainBounds
        Probabilities; 0 and 1 where nothing is known.

    Examples
    --------
    Four draws of three answers, of probability 0.2, 0.1 and 0.3; the second one is harmful.

    >>> import numpy as np
    >>> log_p = np.log([0.2, 0.1, 0.2, 0.3])
    >>> draws = Draws(
    ...     log_p=log_p, log_q=log_p[:, None], component=np.zeros(4), component_names=("target",),
    ...     target_component=0, harmful=np.array([0, 1, 0, 0]), judged=np.ones(4),
    ...     answer=np.array([7, 8, 7, 9]), least_log_p=log_p,
    ... )
    >>> found = certain_bounds([draws])
    >>> round(found.low, 6), round(found.high, 6), found.harmful, found.harmless
    (0.1, 0.5, 1, 2)
    """
    known = [part for part in parts if part.knows_answers and part.samples]
    if not known:
        return CertainBounds()
    answers, place = np.unique(np.concatenate([part.answer for part in known]), return_inverse=True)
    least = np.full(len(answers), np.inf)
    # Rows of one answer may differ in the last digit.
    np.minimum.at(least, place, np.concatenate([part.least_log_p for part in known]))

    def said(rows: list[BoolArray]) -> BoolArray:
        return np.bincount(place, np.concatenate(rows), len(answers)) > 0

    harmful = said([part.harmful for part in known])
    harmless = said([part.judged & ~part.harmful for part in known])
    only_harmful, only_harmless = harmful & ~harmless, harmless & ~harmful
    return CertainBounds(
        low=_sum(least[only_harmful]),
        high=1.0 - _sum(least[only_harmless]),
        harmful=int(only_harmful.sum()),
        harmless=int(only_harmless.sum()),
    )


def _sum(least: FloatArray) -> float:
    return min(math.fsum(np.exp(least).tolist()) * (1 - SUM_ROUNDING), 1.0)


def rounded_down(log_p: FloatArray, lengths: IntArray, vocabulary: int) -> FloatArray:
    """Returns what answers' log-probabilities are at least, (n,) nats.

    A token's is the logit, less the largest, less the logarithm of a sum over the vocabulary, in float32.
    With u its unit roundoff, the sum of V positive terms in L lanes is off by a share of (V/L) u at most
    (Higham 2002, section 4.2), and the two differences by u times values that the result is no smaller than.

    Parameters
    ----------
    log_p : (n,) float64, nats
        Sums over an answer's tokens.
    lengths : (n,) int64, tokens
        The stop token counted.
    vocabulary : int, tokens
        Over how many a token's probability is normalised.
    """
    roundings = vocabulary / LANES + OTHER_ROUNDINGS
    return np.asarray(log_p - FLOAT32_ROUNDOFF * (roundings * lengths + 2 * np.abs(log_p)))


def rounding_share(steps: int, vocabulary: int) -> float:
    """Returns by what share the probability of any answer of so many tokens may be off, or a sum of such.

    Of answers below exp(-100), which no sum depends on, it may be more.
    """
    roundings = vocabulary / LANES + OTHER_ROUNDINGS
    return FLOAT32_ROUNDOFF * (roundings * steps + 2 * 100)
