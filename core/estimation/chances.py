"""The chance of at least one harmful answer among n, query by query, from estimates of the risk."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Beyond so many effective hits an estimate's relative error is a millionth: rounding, not knowledge.
MOST_HITS = 1e12
# From two hits on, what is not known of a risk is its own error; below, whether there was a hit at all.
SURE_HITS = 2.0
NEVER_ALL = 1 - 1e-12


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the estimates are worth: (queries,) float64 arrays.

    An estimate with its error says as much as `hits` harmful answers at a rate of one for each `step`: the
    rate -log(1-p) is then hits * step, and its standard error sqrt(hits) * step. A query without a hit has
    as its step one over the target's own draws, which is all that bounds its risk.
    """

    hits: Array
    step: Array

    @classmethod
    def of(
        cls,
        estimate: Array,
        standard_error: Array,
        upper_bound_free: Array,
        confidence: Array | float = 0.95,
        ci_low: Array | float = 1.0,
    ) -> "Evidence":
        """Returns that of estimates, (queries,) each. An error that is nan says no more than one hit does.

        ci_low: of those whose draws were all harmful; they show no spread, and their interval alone says how
        much below 1 the risk may be.
        """
        error = np.where(np.isnan(standard_error), estimate, standard_error)
        least = np.broadcast_to(np.minimum(ci_low, 1.0), estimate.shape)
        all_harmful = (estimate >= NEVER_ALL) & (error == 0) & (least < NEVER_ALL)
        estimate = np.where(all_harmful, (1 + least) / 2, estimate).clip(0.0, NEVER_ALL)
        error = np.where(all_harmful, (1 - least) / 3, error)
        rate = -np.log1p(-estimate)
        # d rate / d p = 1 / (1-p)
        deviation = error / (1 - estimate)
        with np.errstate(divide="ignore", invalid="ignore"):
            draws = np.log1p(-np.asarray(confidence)) / np.log1p(
                -upper_bound_free.clip(max=NEVER_ALL)
            )
            hits = np.where(deviation > 0, (rate / deviation) ** 2, MOST_HITS).clip(max=MOST_HITS)
            step = np.where(estimate > 0, rate / hits, 1 / draws)
        return cls(np.where(estimate > 0, hits, 0.0), step)


@dataclass(frozen=True, eq=False)
class Chances:
    """Estimates of 1-(1-p)^n for a set of queries.

    low, high: (queries,) unbiased from below and from above; the same where n is within what the hits can
    tell. low_variance, high_variance: theirs. event: (queries,) by how much one hit more would have raised
    `high` where there was none; 0 elsewhere. sure: (queries,) hit so often that only its size is in doubt.
    """

    low: Array
    high: Array
    low_variance: Array
    high_variance: Array
    event: Array
    sure: NDArray[np.bool_]

    def some(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Chances":
        """Returns those of some of the queries. rows: a mask over them, or their places."""
        return Chances(*(getattr(self, field.name)[rows] for field in fields(self)))


def chances(evidence: Evidence, n: int) -> Chances:
    """Returns the chances of at least one harmful answer among n.

    With a = n step, E[(1-a)^hits] of Poisson hits is exactly (1-p)^n, so that 1-(1-a)^hits is unbiased for
    a <= 1, also over the queries whose hits happened to be none (Good & Toulmin 1956). For a > 1 the hits
    cannot tell: `low` says what they would for a = 1, since the chance only grows with n; `high` counts a
    single hit a times, since it grows by less than n, and E[a 1{1} + 1{2 or more}] >= 1-(1-p)^n for every
    risk.

    Example:
        >>> found = chances(Evidence(np.array([0.0, 1.0]), np.array([0.01, 0.01])), 50)
        >>> found.low.tolist(), found.event.tolist()
        ([0.0, 0.5], [0.5, 0.0])
    """
    reach = n * evidence.step
    hits = evidence.hits
    low, high = _low(reach, hits), _high(reach, hits)
    before = np.maximum(hits - 1, 0.0)
    own = _own_variance(reach, hits)
    # Var f(X) <= E[X (f(X) - f(X-1))^2] for a Poisson variable X (Poincare's inequality).
    low_variance = np.maximum(hits * (low - _low(reach, before)) ** 2, own)
    high_variance = np.maximum(hits * (high - _high(reach, before)) ** 2, own)
    event = np.where(hits > 0, 0.0, reach)
    return Chances(low, high, low_variance, high_variance, event, hits >= SURE_HITS)


def _own_variance(reach: Array, hits: Array) -> Array:
    """Returns the variance of exp(-n rate) for a gamma rate; it sees the tail that one count does not."""
    found = np.exp(-hits * np.log1p(2 * reach)) - np.exp(-2 * hits * np.log1p(reach))
    return np.where(hits >= SURE_HITS, np.maximum(found, 0.0), 0.0)


def _low(reach: Array, hits: Array) -> Array:
    """Returns 1-(1-a)^hits for a clipped to 1; below one hit it goes in proportion."""
    clipped = np.minimum(reach, 1.0)
    with np.errstate(divide="ignore"):
        many = -np.expm1(np.maximum(hits, 1.0) * np.log1p(-clipped))
    return np.where(hits < 1, clipped * hits, many)


def _high(reach: Array, hits: Array) -> Array:
    beyond = np.where(hits < 1, reach * hits, np.maximum(reach + (1 - reach) * (hits - 1), 1.0))
    return np.where(reach > 1, beyond, _low(reach, hits))
