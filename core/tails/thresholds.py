"""Which threshold: mean residual life, stability of the parameters, and the starts of a tail on offer."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from core.errors import SpecError
from core.tails.automatic_threshold import (
    FEWEST_TESTED,
    RATE,
    automatic_threshold,
    candidate_thresholds,
    forward_stop,
    last_rejected,
)
from core.tails.goodness_of_fit import excess_goodness_of_fit, independent_excesses
from core.tails.gumbel import largest_by_default
from core.tails.pareto import FEWEST_EXCEEDANCES, pareto_by_likelihood
from core.tails.sample import Array, Mask, TailSample, kaplan_meier, to_risk
from core.tails.spec import FitName

GUMBEL_CHOICES = 16


@dataclass(frozen=True, eq=False)
class ThresholdTable:
    """What a person looks at to choose a threshold; arrays are (t,), thresholds ascending.

    threshold: scores; risk: the same as risks. exceedances: known scores above; independent: groups among
    them. mean_excess: mean residual life. scale: modified, scale - shape * threshold; it and shape do not
    change with the threshold where the tail is generalised Pareto. p_value: Anderson-Darling. forward_stop:
    running mean of -log(1 - p); the thresholds up to the last one at RATE or below are rejected.
    chosen: place of the automatic choice.
    """

    threshold: Array
    risk: Array
    exceedances: Array
    independent: Array
    mean_excess: Array
    mean_excess_low: Array
    mean_excess_high: Array
    shape: Array
    shape_low: Array
    shape_high: Array
    scale: Array
    scale_low: Array
    scale_high: Array
    p_value: Array
    cramer_p_value: Array
    forward_stop: Array
    chosen: int

    @property
    def rejected(self) -> Mask:
        """Which thresholds ForwardStop rejects."""
        return np.asarray(np.arange(len(self.risk)) <= last_rejected(self.forward_stop))

    @property
    def fits(self) -> bool:
        """Whether any threshold is not rejected."""
        return not self.rejected.all()


def threshold_table(
    sample: TailSample,
    confidence: float = 0.95,
    simulations: int = 499,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> ThresholdTable:
    """Returns the diagnostics over a grid of thresholds, and the automatic choice.

    report: is called with how many thresholds of how many are done.

    Raises:
        SpecError: too few queries with a hit for any threshold.
    """
    grid = candidate_thresholds(sample)
    columns = []
    for number, threshold in enumerate(grid):
        columns.append(_diagnosed(sample, float(threshold), confidence, simulations, seed))
        if report is not None:
            report(number + 1, len(grid))
    found = np.array(columns).T
    stop = forward_stop(found[11])
    return ThresholdTable(
        threshold=grid,
        risk=to_risk(grid),
        exceedances=found[0].astype(np.int64),
        independent=found[1].astype(np.int64),
        mean_excess=found[2],
        mean_excess_low=found[3],
        mean_excess_high=found[4],
        shape=found[5],
        shape_low=found[6],
        shape_high=found[7],
        scale=found[8],
        scale_low=found[9],
        scale_high=found[10],
        p_value=found[11],
        cramer_p_value=found[12],
        forward_stop=stop,
        chosen=automatic_threshold(stop),
    )


def threshold_table_if_enough(
    sample: TailSample, confidence: float = 0.95, seed: int = 0
) -> ThresholdTable | None:
    """Returns the diagnostics, or None where there are too few different queries to test a threshold."""
    if len(np.unique(sample.group[~sample.censored])) <= FEWEST_TESTED:
        return None
    try:
        return threshold_table(sample, confidence, seed=seed)
    except SpecError:
        # Enough of them, but not above any threshold.
        return None


def _diagnosed(
    sample: TailSample, threshold: float, confidence: float, simulations: int, seed: int
) -> list[float]:
    """Returns one column of the table: from exceedances to the p-values."""
    known = ~sample.censored
    excesses = sample.score[known & (sample.score > threshold)] - threshold
    apart = independent_excesses(sample, threshold)
    k, effective = len(excesses), len(apart)
    z = float(stats.norm.isf((1 - confidence) / 2))
    spread = z * float(excesses.std(ddof=1)) / math.sqrt(effective)
    shape, scale = pareto_by_likelihood(excesses)
    shape_error, scale_error = modified_errors(shape, scale, threshold, effective)
    modified = scale - shape * threshold
    tested = excess_goodness_of_fit(apart, simulations, seed)
    mean = float(excesses.mean())
    return [
        k, effective, mean, mean - spread, mean + spread,
        shape, shape - z * shape_error, shape + z * shape_error,
        modified, modified - z * scale_error, modified + z * scale_error,
        tested.anderson_p, tested.cramer_p,
    ]  # fmt: skip


def modified_errors(shape: float, scale: float, threshold: float, k: float) -> tuple[float, float]:
    """Returns standard errors of the shape and of the modified scale, from the expected information.

    Coles (2001, section 4.3.4); the information is Smith's (1987), for shapes above -0.5.
    """
    kept = max(shape, -0.49)
    variance_shape = (1 + kept) ** 2 / k
    variance_scale = 2 * scale**2 * (1 + kept) / k
    covariance = -scale * (1 + kept) / k
    modified = variance_scale + threshold**2 * variance_shape - 2 * threshold * covariance
    return math.sqrt(variance_shape), math.sqrt(max(modified, 0.0))


def why_chosen(table: ThresholdTable, risk_words: Callable[[float], str] = "{:.2g}".format) -> str:
    """Returns why the automatic threshold is taken. risk_words: how a risk is written."""

    def at(place: int) -> str:
        return (
            f"a risk of {risk_words(float(table.risk[place]))} ({table.exceedances[place]} queries above, "
            f"p = {table.p_value[place]:.2g})"
        )

    last = last_rejected(table.forward_stop)
    if last < 0:
        return f"the lowest threshold tried already fits: {at(table.chosen)}"
    if not table.fits:
        return (
            f"no threshold fits: Anderson-Darling rejects all {len(table.risk)}; the highest is used, "
            f"{at(table.chosen)}"
        )
    return (
        f"the lowest threshold that fits: {at(table.chosen)}; Anderson-Darling tests in order (ForwardStop, "
        f"{RATE:.0%}) reject those up to {at(last)}"
    )


def exceedances_at(sample: TailSample, risk_score: float) -> int:
    """Returns how many known scores lie above a threshold.

    Raises:
        SpecError: hardly any do.
    """
    count = int((~sample.censored & (sample.score > risk_score)).sum())
    if count < FEWEST_EXCEEDANCES:
        highest = float(sample.risk.max())
        raise SpecError(
            f"threshold must leave {FEWEST_EXCEEDANCES} estimates above it, got "
            f"{float(to_risk(risk_score)):g} with {count} above (the highest is {highest:g}); lower it"
        )
    return count


@dataclass(frozen=True)
class OfferedStarts:
    """Where a tail may start: the choices a person is offered, from most to fewest queries above.

    largest: how many of the largest are fitted, descending. risk: where each starts. automatic: the start
    that is taken without a choice, one of `largest`.
    """

    largest: tuple[int, ...]
    risk: tuple[float, ...]
    automatic: int

    def risk_at(self, largest: int) -> float:
        """Returns where the tail of so many starts."""
        return self.risk[self.largest.index(largest)]

    def nearest(self, largest: int | None) -> int:
        """Returns the offer nearest to a number; the automatic one for None."""
        if largest is None:
            return self.automatic
        return min(self.largest, key=lambda offer: abs(offer - largest))


def offered_starts(
    sample: TailSample, fit: FitName, table: ThresholdTable | None
) -> OfferedStarts | None:
    """Returns the choices; None for a fit that has none, or where there is nothing to choose between."""
    if fit == "gumbel":
        return _starts_of_line(sample)
    if fit != "pot" or table is None or len(table.risk) < 2:
        return None
    largest = tuple(int(count) for count in table.exceedances)
    return OfferedStarts(largest, tuple(float(risk) for risk in table.risk), largest[table.chosen])


def _starts_of_line(sample: TailSample) -> OfferedStarts | None:
    """Returns numbers of largest that a line goes through, from half of the queries down to five."""
    known, _ = kaplan_meier(sample)
    usual = largest_by_default(sample)
    most = max(len(known) // 2, usual)
    if most < FEWEST_EXCEEDANCES:
        return None
    wanted = np.round(np.geomspace(most, FEWEST_EXCEEDANCES, GUMBEL_CHOICES)).astype(int)
    counts = np.unique(np.append(wanted, usual))[::-1]
    # A line needs different risks.
    counts = counts[known[0] - known[counts - 1] > 1e-12]
    if usual not in counts or len(counts) < 2:
        return None
    risks = to_risk(known[counts - 1])
    return OfferedStarts(tuple(counts.tolist()), tuple(risks.tolist()), usual)
