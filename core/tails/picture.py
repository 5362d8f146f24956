"""What a forecast's pictures are drawn from: the fan over n, the queries' survival, the levels exceeded.

Tables of risks and shares; a chart of them computes nothing.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.tails.analysis import FittedTail
from core.tails.exceedance import chances_above, shares_above, uses_deconvolution
from core.tails.maximum import maximum_quantiles
from core.tails.sample import LARGEST_RISK, TailSample, kaplan_meier, to_risk, to_score

POINTS = 40
# As a box plot's box: half of the worst queries lie inside.
INNER = (0.25, 0.75)


def fan(
    fitted: FittedTail, supported: float, points: int = POINTS, first: float = 1.0
) -> pd.DataFrame:
    """Returns the worst of n queries for n from `first` up to what is supported, n ascending.

    Columns: n; median, low, high as in `core.tails.maximum.corrected_forecasts`; inner_low, inner_high: half
    of the worst lie between; left_in: the median with the estimates' noise left in. No row if nothing is
    supported.
    """
    tail = (1 - fitted.spec.confidence) / 2
    shares = [tail, INNER[0], 0.5, INNER[1], 1 - tail]
    sizes = np.empty(0)
    found = left_in = np.empty((len(shares), 0))
    if supported >= 1:
        start = min(max(first, 1.0), supported)
        sizes = np.unique(np.round(np.geomspace(start, supported, points)))
        found, left_in = maximum_quantiles(fitted, sizes, shares)
    low, high = np.minimum(found, left_in), np.maximum(found, left_in)
    return pd.DataFrame(
        {
            "n": sizes,
            "median": found[2],
            "low": low[0],
            "high": high[4],
            "inner_low": low[1],
            "inner_high": high[3],
            "left_in": left_in[2],
        }
    )


def exceedance(fitted: FittedTail, n: float, taus: Sequence[float]) -> pd.DataFrame:
    """Returns a row a level: tau; share of all above it, with low and high; chance: P(worst of n > tau)."""
    levels = np.asarray(taus, dtype=float)
    share, low, high = shares_above(fitted, to_score(levels))
    chance = chances_above(fitted, n, levels)
    return pd.DataFrame({"tau": levels, "share": share, "low": low, "high": high, "chance": chance})


def levels_in_doubt(fitted: FittedTail, n: float, points: int = 60) -> list[float]:
    """Returns risks from one that the worst of n hardly fails to exceed to one that it hardly exceeds."""
    low, high = fitted.predictor.worst(np.array([n]), [0.005, 0.995])[:, 0]
    bottom, top = max(float(low) / 2, 1e-12), min(float(high) * 1.5, LARGEST_RISK)
    return [float(tau) for tau in np.geomspace(min(bottom, top / 2), top, points)]


def survival_points(sample: TailSample) -> pd.DataFrame:
    """Returns a row a query, the riskiest first, those without a hit last.

    Columns: row of the sample; risk, of those without a hit the bound; share of queries that reach it, of
    those without a hit nan; zero, doubtful.
    """
    score, censored = sample.score, sample.censored
    known, reached = kaplan_meier(sample)
    rows = np.flatnonzero(~censored)
    rows = rows[np.argsort(-score[rows], kind="stable")]
    bounded = np.flatnonzero(censored)
    bounded = bounded[np.argsort(-sample.bound[bounded], kind="stable")]
    every = np.concatenate([rows, bounded])
    return pd.DataFrame(
        {
            "row": every,
            "risk": to_risk(np.concatenate([known, to_score(sample.bound[bounded])])),
            "share": np.concatenate([reached, np.full(len(bounded), np.nan)]),
            "zero": censored[every],
            "doubtful": sample.doubtful[every],
        }
    )


def survival_curve(fitted: FittedTail, reach: float, points: int = POINTS) -> pd.DataFrame:
    """Returns the fitted tail from its threshold up to the level that one query in `reach` exceeds.

    Where the noise is taken out of the shares, the queries below it too, from the lowest estimate on.
    Columns: risk, ascending; share of queries above it, with low and high.
    """
    # A risk that is all but 1 has no end on the score's axis.
    most = float(to_score(LARGEST_RISK))
    top = min(float(fitted.predictor.shown.score_at(-np.log(max(reach, 2.0)))), most)
    start = min(fitted.fit.threshold, most)
    levels = np.linspace(start, max(top, start), points)
    if uses_deconvolution(fitted):
        lowest = float(fitted.sample.score[~fitted.sample.censored].min())
        levels = np.concatenate([np.linspace(min(lowest, start), start, points)[:-1], levels])
    share, low, high = shares_above(fitted, levels)
    return pd.DataFrame({"risk": to_risk(levels), "share": share, "low": low, "high": high})
