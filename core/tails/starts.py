"""Where a tail may start: the choices a person is offered, from most to fewest queries above."""

from dataclasses import dataclass

import numpy as np

from core.tails.gumbel import largest_by_default
from core.tails.pareto import FEWEST_EXCEEDANCES
from core.tails.sample import TailSample, kaplan_meier, to_risk
from core.tails.spec import FitName
from core.tails.thresholds import ThresholdTable

CHOICES = 16


@dataclass(frozen=True)
class Starts:
    """What may be chosen. largest: how many of the largest are fitted, descending; risk: where each starts.

    automatic: what is taken without a choice, one of `largest`.
    """

    largest: tuple[int, ...]
    risk: tuple[float, ...]
    automatic: int

    def risk_at(self, largest: int) -> float:
        """Returns where the tail of so many starts."""
        return self.risk[self.largest.index(largest)]

    def nearest(self, largest: int | None) -> int:
        """Returns what is offered that is nearest to a number; the automatic choice for None."""
        if largest is None:
            return self.automatic
        return min(self.largest, key=lambda one: abs(one - largest))


def starts(sample: TailSample, fit: FitName, table: ThresholdTable | None) -> Starts | None:
    """Returns the choices; None for a fit that has none, or where there is nothing to choose between."""
    if fit == "gumbel":
        return _of_line(sample)
    if fit != "pot" or table is None or len(table.risk) < 2:
        return None
    largest = tuple(int(count) for count in table.exceedances)
    return Starts(largest, tuple(float(risk) for risk in table.risk), largest[table.chosen])


def _of_line(sample: TailSample) -> Starts | None:
    """Returns numbers of largest that a line goes through, from half of the queries down to five."""
    known, _ = kaplan_meier(sample)
    usual = largest_by_default(sample)
    most = max(len(known) // 2, usual)
    if most < FEWEST_EXCEEDANCES:
        return None
    wanted = np.round(np.geomspace(most, FEWEST_EXCEEDANCES, CHOICES)).astype(int)
    counts = np.unique(np.append(wanted, usual))[::-1]
    # A line needs different risks.
    counts = counts[known[0] - known[counts - 1] > 1e-12]
    if usual not in counts or len(counts) < 2:
        return None
    risks = to_risk(known[counts - 1])
    return Starts(tuple(int(one) for one in counts), tuple(float(one) for one in risks), usual)
