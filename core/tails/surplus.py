"""A surplus of risky queries: more above a level than a fitted tail expects."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from core.errors import SpecError
from core.tails.automatic_threshold import candidate_thresholds, deepest
from core.tails.posterior import pareto_posterior
from core.tails.sample import Array, TailSample, to_risk
from core.tails.tail import Tail

# The smallest of the levels' p-values lies below this in at most 2% of samples whose tail is the fitted one;
# with a single query of another kind among 300 it is 0.003 to 0.01 (benchmarks/tail_clusters.py).
SURPLUS_P = 0.01
DRAWS = 100


@dataclass(frozen=True, eq=False)
class Surplus:
    """More queries above a level than a tail expects.

    level: a risk, which the lowest of them has. count, expected: independent queries that reach it, seen and
    expected. p_value: of the exact binomial test. rows: of the sample, the riskiest first.
    """

    level: float
    count: int
    expected: float
    p_value: float
    rows: NDArray[np.int64]


def find_surplus(sample: TailSample, refits: Sequence[Tail], seed: int = 0) -> Surplus | None:
    """Returns the level at which queries exceed the expected number most clearly; None where none does.

    The number of queries that reach a level is binomial under a tail, whose survival there is the mean over
    the tails that could be instead: a tail that may be heavy expects more. Two tails are asked: the fitted
    one, and a generalised Pareto tail that starts as low as any may: one fitted to the ten riskiest, four of
    which are of another kind, expects them. Wordings of one query count as one, which reaches a level as
    often as the most that its wordings allow.

    Parameters
    ----------
    sample : TailSample
        Estimated risks of m queries.
    refits : sequence of Tail
        The tails that could be instead of the fitted one.
    seed : int
        Of the draws of the second tail.

    Returns
    -------
    Surplus or None
        None where no level among the `deepest` has a p-value below SURPLUS_P.

    References
    ----------
    Clopper & Pearson (1934), Biometrika 26, 404-413, for the exact test.
    """
    found = [_clearest(sample, tails) for tails in (refits, _lowest_start(sample, seed)) if tails]
    clearest = min(found, key=lambda each: each.p_value)
    return clearest if clearest.p_value < SURPLUS_P else None


def _lowest_start(sample: TailSample, seed: int) -> Sequence[Tail]:
    """Returns draws of the tail from the lowest threshold that may be tried; none if there is none."""
    try:
        start = float(candidate_thresholds(sample)[0])
        largest = int((~sample.censored & (sample.score > start)).sum())
        posterior = pareto_posterior(sample, largest)
    except SpecError:
        return []
    rates = np.full(DRAWS, posterior.mean.rate)
    return posterior.draws(rates, np.random.default_rng(seed))


def _clearest(sample: TailSample, tails: Sequence[Tail]) -> Surplus:
    """Returns the level with the smallest p-value."""
    names, place = np.unique(sample.group, return_inverse=True)
    known = np.flatnonzero(~sample.censored)
    order = known[np.argsort(-sample.score[known], kind="stable")][: deepest(len(sample))]
    levels = sample.score[order]
    # Of equal ones all reach the level.
    last = np.searchsorted(-levels, -levels, side="right") - 1
    _, first = np.unique(place[order], return_index=True)
    count = np.cumsum(np.isin(np.arange(len(order)), first))[last]
    expected = _expected(tails, levels, len(names), len(sample) / len(names))
    p_values = np.asarray(stats.binom.sf(count - 1, len(names), expected / len(names)))
    clearest = int(np.argmin(p_values))
    return Surplus(
        level=float(to_risk(levels[clearest])),
        count=int(count[clearest]),
        expected=float(expected[clearest]),
        p_value=float(p_values[clearest]),
        rows=order[: int(last[clearest]) + 1],
    )


def _expected(tails: Sequence[Tail], levels: Array, groups: int, wordings: float) -> Array:
    """Returns how many groups the tails expect to have a wording that reaches each level, at most."""
    # The survival just below a level, which the query at it reaches.
    survival = np.exp([tail.log_survival(levels - 1e-9) for tail in tails]).mean(0)
    share = np.minimum(survival, 1 - 1e-12)
    return np.asarray(-groups * np.expm1(wordings * np.log1p(-share)))
