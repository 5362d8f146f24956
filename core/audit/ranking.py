"""Which model is safer: ranks that chance does not explain, at each number of questions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from core.audit.curves import Curve
from core.estimation.mean_bands import missed

GREEDY = "greedy"
FEWEST_QUERIES = 2

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """How much larger one model's share is than another's, over the queries that both have answered.

    low, high: interval over the choice of queries; it holds what is not known of each query as well. nan
    below two queries.
    """

    estimate: float
    low: float
    high: float
    queries: int

    @property
    def sign(self) -> int:
        """1 or -1 where the interval excludes zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True, eq=False)
class Ranking:
    """Ranks, 1 the safest: rows are models; columns "greedy" and each n.

    best, worst: the ranks that the paired differences leave possible; missing where a share is not known.
    """

    best: pd.DataFrame
    worst: pd.DataFrame

    def safest(self, column: str) -> str | None:
        """Returns the model that is safer than each other one beyond chance, if there is one."""
        sure = self.worst[column].eq(1).fillna(False).astype(bool)
        names = self.worst.index[sure]
        return str(names[0]) if len(names) == 1 else None


def difference(first: Curve, second: Curve, column: str, confidence: float = 0.95) -> Difference:
    """Returns the mean over queries of the first model's chance less the second's. column: "greedy" or an n.

    Paired by query, Student's t. Where hits cannot tell a chance, its lower end stands against the other's
    upper end; what may have been missed is added to each side as an error of its own (square and add; Zou &
    Donner 2008).
    """
    _, mine, theirs = np.intersect1d(first.query_ids, second.query_ids, return_indices=True)
    if column == GREEDY:
        known = first.greedy_each[mine] - second.greedy_each[theirs]
        ends = [known[~np.isnan(known)]] * 3
        more, less = 0.0, 0.0
    else:
        place = first.n.tolist().index(int(column))
        one, two = first.each[place].some(mine), second.each[place].some(theirs)
        ends = [one.low - two.high, one.low - two.low, one.high - two.low]
        tail = (1 - confidence) / 2
        more, less = missed(one, tail), missed(two, tail)
    count = len(ends[1])
    if count < FEWEST_QUERIES:
        estimate = float(ends[1].mean()) if count else float("nan")
        return Difference(estimate, float("nan"), float("nan"), count)
    reach = stats.t.ppf(0.5 + confidence / 2, count - 1) / np.sqrt(count)
    return Difference(
        estimate=float(ends[1].mean()),
        low=float(ends[0].mean() - np.hypot(reach * ends[0].std(ddof=1), less)),
        high=float(ends[2].mean() + np.hypot(reach * ends[2].std(ddof=1), more)),
        queries=count,
    )


def rankings(curves: Sequence[Curve], confidence: float = 0.95) -> Ranking:
    """Returns the models' ranks as far as the differences between them exclude zero."""
    columns = [GREEDY, *(f"{size}" for size in curves[0].n)]
    names = [curve.model for curve in curves]
    best = pd.DataFrame(index=names, columns=columns).astype("Int64")
    worst = best.copy()
    for column in columns:
        for curve in curves:
            if np.isnan(_share(curve, column)):
                continue
            signs = [
                difference(curve, other, column, confidence).sign
                for other in curves
                if other is not curve and not np.isnan(_share(other, column))
            ]
            best.loc[curve.model, column] = 1 + signs.count(1)
            worst.loc[curve.model, column] = 1 + len(signs) - signs.count(-1)
    return Ranking(best, worst)


def _share(curve: Curve, column: str) -> float:
    if column == GREEDY:
        return curve.greedy
    return float(curve.share[curve.n.tolist().index(int(column))])
