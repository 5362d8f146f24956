"""How much cheaper an estimate was than Monte Carlo's of the same standard error: in draws, and in time."""

import math
from dataclasses import dataclass

from core.estimation.record import Estimate


@dataclass(frozen=True)
class Saving:
    """Monte Carlo's effort over what was spent here, the second proposal's included; below 1 it was dearer.

    draws: in answers. seconds: in computing time, from the seconds that this run's own Monte Carlo answers
    and its weighted ones took; nan where either was not measured.
    """

    draws: float
    seconds: float


def saving(found: Estimate, counted: Estimate | None) -> Saving:
    """Returns what an estimate saved against Monte Carlo with the same standard error.

    found: of the weighted draws. counted: the Monte Carlo arm of the same run, for what one of its answers
    took; None if there was none. nan without a hit.
    """
    drawn = found.samples + (0 if found.second is None else found.second.samples)
    needed = found.monte_carlo_equivalent
    pace = counted.seconds / counted.samples if counted is not None else math.nan
    measured = found.seconds > 0 and pace > 0
    return Saving(needed / drawn, needed * pace / found.seconds if measured else math.nan)
