"""A surplus of risky queries: more above a level than a fitted tail expects."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from core.tails.automatic_threshold import deepest
from core.tails.bootstrap import TailDraws
from core.tails.sample import Array, TailSample, to_risk

# The smallest of the levels' p-values lies below this in at most 1% of samples whose tail is the fitted one;
# with a single query of another kind among 300 it is 0.004 to 0.01 (benchmarks/tail_clusters.py).
SURPLUS_P = 0.02


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


def find_surplus(sample: TailSample, refits: TailDraws) -> Surplus | None:
    """Returns the level at which queries exceed the expected number most clearly; None where none does.

    The number of queries that reach a level is binomial under the tail, whose survival there is the mean over
    the tails that could be instead: a tail that may be heavy expects more. Wordings of one query count as
    one, which reaches a level as often as the most that its wordings allow.

    Parameters
    ----------
    sample : TailSample
        Estimated risks of m queries.
    refits : TailDraws
        The tails that could be instead of the fitted one.

    Returns
    -------
    Surplus or None
        None where no level among the `deepest` has a p-value below SURPLUS_P.

    References
    ----------
    Clopper & Pearson (1934), Biometrika 26, 404-413, for the exact test.
    """
    names, place = np.unique(sample.group, return_inverse=True)
    known = np.flatnonzero(~sample.censored)
    order = known[np.argsort(-sample.score[known], kind="stable")][: deepest(len(sample))]
    levels = sample.score[order]
    # Of equal ones all reach the level.
    last = np.searchsorted(-levels, -levels, side="right") - 1
    _, first = np.unique(place[order], return_index=True)
    count = np.cumsum(np.isin(np.arange(len(order)), first))[last]
    expected = _expected(refits, levels, len(names), len(sample) / len(names))
    p_values = np.asarray(stats.binom.sf(count - 1, len(names), expected / len(names)))
    clearest = int(np.argmin(p_values))
    if not p_values[clearest] < SURPLUS_P:
        return None
    return Surplus(
        level=float(to_risk(levels[clearest])),
        count=int(count[clearest]),
        expected=float(expected[clearest]),
        p_value=float(p_values[clearest]),
        rows=order[: int(last[clearest]) + 1],
    )


def _expected(refits: TailDraws, levels: Array, groups: int, wordings: float) -> Array:
    """Returns how many groups a tail expects to have a wording that reaches each level, at most."""
    # The survival just below a level, which the query at it reaches.
    survival = np.exp([tail.log_survival(levels - 1e-9) for tail in refits.fits]).mean(0)
    share = np.minimum(survival, 1 - 1e-12)
    return np.asarray(-groups * np.expm1(wordings * np.log1p(-share)))
