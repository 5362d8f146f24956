"""Risks as a sample of extremes: scores, censored values, and the product-limit estimate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from core.errors import SpecError
from core.tails.remarks import TailError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FEWEST = 20
# No risk near 1 is measured finer than this, and the score has no limit there.
LARGEST_RISK = 0.999
# The hits expected at the upper end of a 95% interval when none was seen: -log(0.025).
HITS_AT_BOUND = 3.69
# A query without a hit has less than one hit's worth; how much less, no estimate tells. A little less than
# one, so that a bound written with a few digits does not lie above one hit.
UNSEEN_HITS = 0.9


def to_score(risk: Array | float) -> Array:
    """Returns psi = -log(-log p), nats; -inf at 0 and inf at 1 (Jones et al. 2025, section 3)."""
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log(-np.log(np.asarray(risk, dtype=np.float64))))


def to_risk(score: Array | float) -> Array:
    """Returns p = exp(-exp(-psi))."""
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(-np.exp(-np.asarray(score, dtype=np.float64))))


@dataclass(frozen=True, eq=False)
class TailSample:
    """Estimated risks of m queries; all arrays are (m,).

    risk: estimates in [0, 1). error: standard errors. bound: what the risk lies below with confidence where
    there was no hit, nan elsewhere. group: what rewordings of one query share. doubtful: estimates that
    should not be used.
    """

    risk: Array
    error: Array
    bound: Array
    group: NDArray[np.str_]
    doubtful: Mask

    def __len__(self) -> int:
        return len(self.risk)

    @property
    def censored(self) -> Mask:
        """Where nothing is known but an upper bound."""
        return np.asarray(self.risk == 0)

    @property
    def limit(self) -> Array:
        """What an estimate lies below where there was no hit, nan elsewhere: one hit's worth, a little less.

        The sample is of estimates, noise and all, and so its zeros are: the least that could have come out
        instead is one hit among as many answers. Placed at their bounds they would count in no share of
        queries above a level below, and of 1,000 answers each those shares came out up to 15 times too high
        (benchmarks/tails.py, zeros).
        """
        hits = -np.log1p(-self.bound) / HITS_AT_BOUND
        return np.asarray(np.minimum(UNSEEN_HITS * hits, self.bound))

    @property
    def score(self) -> Array:
        """Scores; where censored, that of `limit`."""
        return to_score(np.where(self.censored, self.limit, self.risk))

    def take(self, rows: Mask | NDArray[np.int64]) -> "TailSample":
        """Returns some of the queries."""
        return replace(
            self,
            risk=self.risk[rows],
            error=self.error[rows],
            bound=self.bound[rows],
            group=self.group[rows],
            doubtful=self.doubtful[rows],
        )


def tail_sample(
    risk: Sequence[float] | Array,
    error: Sequence[float] | Array | None = None,
    bound: Sequence[float] | Array | None = None,
    group: Sequence[str] | None = None,
    doubtful: Sequence[bool] | Mask | None = None,
) -> TailSample:
    """Returns a sample after checking it; what is left out has its neutral value.

    Raises:
        SpecError: fewer than 20 queries, all risks equal or 0, a risk outside [0, 1], a standard error
            missing, negative or infinite, no bound where the risk is 0.
    """
    risks = np.asarray(risk, dtype=np.float64)
    m = len(risks)
    errors = np.zeros(m) if error is None else np.asarray(error, dtype=np.float64)
    bounds = np.full(m, np.nan) if bound is None else np.asarray(bound, dtype=np.float64)
    _check(risks, errors, bounds)
    risks = np.minimum(risks, LARGEST_RISK)
    return TailSample(
        risk=risks,
        error=np.where(risks > 0, errors, 0.0),
        bound=np.where(risks > 0, np.nan, np.minimum(bounds, LARGEST_RISK)),
        group=np.array([f"row-{n}" for n in range(m)] if group is None else list(group), dtype=str),
        doubtful=np.zeros(m, dtype=bool) if doubtful is None else np.asarray(doubtful, dtype=bool),
    )


def _check(risks: Array, errors: Array, bounds: Array) -> None:
    """Raises SpecError, as `tail_sample`."""
    m = len(risks)
    if m < FEWEST:
        raise TailError("too_few_queries", fewest=FEWEST, queries=m)
    for row in np.flatnonzero(~((risks >= 0) & (risks <= 1))):
        raise SpecError(
            f"estimate must be in 0..1, got {risks[row]:g} in row {row + 1}; draw more answers for it, or "
            "leave it out"
        )
    for row in np.flatnonzero(~((errors >= 0) & np.isfinite(errors)) & (risks > 0)):
        raise SpecError(
            f"standard error must be finite and must be 0 or more, got {errors[row]:g} in row {row + 1}; "
            "give every estimate one, 0 where the risk is exact"
        )
    if not (risks > 0).any():
        raise SpecError(
            f"all {m} estimates are 0, so nothing is known of the tail but bounds; draw more answers, or "
            "search for a better proposal"
        )
    if len(np.unique(risks[risks > 0])) < 2:
        raise TailError("equal_estimates", risk=float(risks[risks > 0][0]))
    for row in np.flatnonzero((risks == 0) & ~((bounds > 0) & (bounds <= 1))):
        raise SpecError(
            f"row {row + 1} has estimate 0 and no upper bound; give ci_high, or leave the row out"
        )


def kaplan_meier(sample: TailSample) -> tuple[Array, Array]:
    """Returns the known scores, highest first, and for each the share of queries that reach it, (k,).

    The product-limit estimate for values known from above only, with time reversed; without censored ones it
    is i/m.

    Parameters
    ----------
    sample : TailSample
        Estimated risks of m queries, k of them with a hit.

    Returns
    -------
    known : array, (k,)
        Scores of the queries with a hit, descending.
    reached : array, (k,)
        P(score of a query >= known), ascending.

    References
    ----------
    Kaplan & Meier (1958), Nonparametric estimation from incomplete observations, JASA 53, 457-481.

    Examples
    --------
    >>> sample = tail_sample([0.5] + [0.25] * 9 + [0.1] * 10)
    >>> _, reached = kaplan_meier(sample)
    >>> [round(float(share), 3) for share in reached[[0, 9, 19]]]
    [0.05, 0.5, 1.0]
    """
    score, censored = sample.score, sample.censored
    known = np.sort(score[~censored])[::-1]
    # Those that could have been it: itself and the known ones after it (equal ones too, one after the other),
    # and those without a hit whose limit is no higher.
    limits = np.searchsorted(np.sort(score[censored]), known, side="right")
    at_risk = np.arange(len(known), 0, -1) + limits
    with np.errstate(divide="ignore"):
        below = np.exp(np.cumsum(np.log1p(-1.0 / at_risk)))
    return known, np.asarray(1.0 - below)


def censoring_factors(sample: TailSample, score: Array) -> tuple[Array, Array]:
    """Returns the least and the most that the share above a level may be, as factors of `kaplan_meier`'s.

    A query without a hit whose limit lies above the level may lie below it or above. `kaplan_meier` takes it
    to be like the others; nothing shows that it is.

    score: levels, (k,). The factors are (k,), 1 where nothing is censored.
    """
    known, reached = kaplan_meier(sample)
    limits = np.sort(sample.score[sample.censored])
    above = np.maximum(np.searchsorted(-known, -score, side="left"), 1)
    hidden = len(limits) - np.searchsorted(limits, score, side="right")
    estimated = reached[above - 1] * len(sample)
    return np.asarray(above / estimated), np.asarray((above + hidden) / estimated)


def kaplan_meier_draws(
    sample: TailSample, count: int, generator: np.random.Generator
) -> tuple[Array, Array]:
    """Returns the known scores, highest first, and draws of the shares that reach them, (count, k).

    As `kaplan_meier`, with a weight a group: the Bayesian bootstrap (Rubin 1981). The wordings of one query
    are alike, so what is uncertain is the weight of each whole group.
    """
    names, place = np.unique(sample.group, return_inverse=True)
    weight = generator.exponential(size=(count, len(names)))[:, place]
    score, censored = sample.score, sample.censored
    rows, hidden = np.flatnonzero(~censored), np.flatnonzero(censored)
    rows = rows[np.argsort(-score[rows], kind="stable")]
    hidden = hidden[np.argsort(score[hidden], kind="stable")]
    known = np.cumsum(weight[:, rows[::-1]], axis=1)[:, ::-1]
    limits = np.cumsum(weight[:, hidden], axis=1)
    limits = np.concatenate([np.zeros((count, 1)), limits], axis=1)
    at_risk = known + limits[:, np.searchsorted(score[hidden], score[rows], side="right")]
    with np.errstate(divide="ignore"):
        left = np.log1p(-np.minimum(weight[:, rows] / at_risk, 1.0))
    return score[rows], np.asarray(-np.expm1(np.cumsum(left, axis=1)))


def expected_log_survival(reached: Array, m: int) -> Array:
    """Returns E[log survival] at the i-th largest of m: digamma(i) - digamma(m + 1).

    reached: i/m. The survival of the i-th largest is a Beta(i, m + 1 - i) variable, whatever the
    distribution; log(i/m) is too high by 0.58 at the largest, which tilts a line through the ten largest.
    """
    return np.asarray(special.digamma(np.maximum(reached * m, 1e-9)) - special.digamma(m + 1))
