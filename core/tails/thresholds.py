"""Which threshold: mean residual life, stability of the parameters, and an automatic choice."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from core.errors import SpecError
from core.tails.goodness_of_fit import fitness, independent_excesses
from core.tails.pareto import FEWEST_EXCEEDANCES, pareto_by_likelihood
from core.tails.sample import Array, TailSample, kaplan_meier, to_risk

CANDIDATES = 20
# At most 1.4 m^(2/3) of m queries are a tail: the rate at which bias and variance balance for a second-order
# index of -1 (de Haan & Ferreira 2006, section 3.2). The upper half of log-normal risks passes every test,
# and what it forecasts is too low.
DEEPEST = 1.4
# So many queries without a hit may have a limit above a threshold, for each query with one above it.
FEW_LIMITS = 0.1
# Below this a test of fit has no power, and passing it says nothing.
FEWEST_TESTED = 10
# False discovery rate of ForwardStop, the 5% of Bader, Yan & Zhang (2018).
RATE = 0.05


@dataclass(frozen=True, eq=False)
class ThresholdTable:
    """What a person looks at to choose a threshold; arrays are (t,), thresholds ascending.

    threshold: scores; risk: the same as risks. exceedances: known scores above; independent: groups among
    them. mean_excess: mean residual life. scale: modified, scale - shape * threshold; it and shape do not
    change with the threshold where the tail is generalised Pareto. p_value: Anderson-Darling. forward_stop:
    running mean of -log(1 - p); the thresholds up to the last one at RATE or below are rejected.
    chosen: place of the automatic choice. why: the choice in a sentence. fits: whether any threshold does.
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
    why: str
    fits: bool


def threshold_table(
    sample: TailSample,
    confidence: float = 0.95,
    simulations: int = 499,
    seed: int = 0,
    tell: Callable[[int, int], None] | None = None,
) -> ThresholdTable:
    """Returns the diagnostics over a grid of thresholds, and the automatic choice.

    tell: is called with how many thresholds of how many are done.

    Raises:
        SpecError: too few queries with a hit for any threshold.
    """
    grid = candidate_thresholds(sample)
    columns = []
    for number, threshold in enumerate(grid):
        columns.append(_diagnosed(sample, float(threshold), confidence, simulations, seed))
        if tell is not None:
            tell(number + 1, len(grid))
    found = np.array(columns).T
    stop = forward_stop(found[11])
    chosen, why = choose(grid, found[11], stop, found[0])
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
        chosen=chosen,
        why=why,
        fits=bool(stop[-1] > RATE),
    )


def candidate_thresholds(sample: TailSample) -> Array:
    """Returns thresholds to try, ascending: from `deepest` down to ten independent queries above.

    Above the limits of all but a few queries without a hit, where there is room: which of them exceed a
    threshold below is not known.

    Raises:
        SpecError: not even ten queries have a hit.
    """
    known, _ = kaplan_meier(sample)
    levels = known[:-1]
    independent = np.array([len(independent_excesses(sample, float(level))) for level in levels])
    enough = independent >= FEWEST_TESTED
    # Where wordings of a few queries are the largest, as deep as ten different ones need.
    most = max(deepest(len(sample)), int(np.argmax(enough)))
    room = np.flatnonzero(enough & (np.arange(len(levels)) <= most))
    if len(room) == 0:
        names = len(np.unique(sample.group[~sample.censored]))
        raise SpecError(
            f"a threshold needs {FEWEST_TESTED} different queries above it, and only {names} have a hit; "
            "audit more queries, or fit a gumbel tail"
        )
    if sample.censored.any():
        limits = np.sort(sample.score[sample.censored])
        over = len(limits) - np.searchsorted(limits, levels[room], side="right")
        above = room[over <= FEW_LIMITS * room]
        room = above if len(above) else room[:1]
    places = np.unique(np.round(np.geomspace(room[0], room[-1], CANDIDATES)).astype(int))
    return np.asarray(np.unique(levels[places]))


def deepest(m: int) -> int:
    """Returns how many of m queries a tail is made of at most."""
    return max(min(round(DEEPEST * math.pow(m, 2 / 3)), m // 2), FEWEST_TESTED)


def forward_stop(p_values: Array) -> Array:
    """Returns the running means of -log(1 - p), from the lowest threshold up (G'Sell et al. 2016)."""
    steps = -np.log1p(-np.minimum(p_values, 1 - 1e-12))
    return np.asarray(np.cumsum(steps) / np.arange(1, len(steps) + 1))


def choose(grid: Array, p_values: Array, stop: Array, exceedances: Array) -> tuple[int, str]:
    """Returns the place of the lowest threshold not rejected, and why, in a sentence.

    ForwardStop rejects all thresholds up to the last whose running mean is RATE or below (Bader, Yan &
    Zhang 2018, section 3).
    """
    rejected = np.flatnonzero(stop <= RATE)
    last = int(rejected[-1]) if len(rejected) else -1
    chosen = min(last + 1, len(grid) - 1)

    def at(place: int) -> str:
        risk = float(to_risk(float(grid[place])))
        return f"a risk of {risk:.2g} ({int(exceedances[place])} queries above, p = {p_values[place]:.2g})"

    if last == len(grid) - 1:
        return chosen, (
            f"no threshold fits: Anderson-Darling rejects all {len(grid)}; the highest is used, {at(chosen)}"
        )
    if last < 0:
        return chosen, f"the lowest threshold tried already fits: {at(chosen)}"
    return chosen, (
        f"the lowest threshold that fits: {at(chosen)}; Anderson-Darling tests in order (ForwardStop, "
        f"{RATE:.0%}) reject those up to {at(last)}"
    )


def _diagnosed(
    sample: TailSample, threshold: float, confidence: float, simulations: int, seed: int
) -> list[float]:
    """Returns one column of the table: from exceedances to the p-values."""
    known = ~sample.censored
    over = sample.score[known & (sample.score > threshold)] - threshold
    apart = independent_excesses(sample, threshold)
    k, effective = len(over), len(apart)
    z = float(stats.norm.isf((1 - confidence) / 2))
    spread = z * float(over.std(ddof=1)) / math.sqrt(effective)
    shape, scale = pareto_by_likelihood(over)
    shape_error, scale_error = modified_errors(shape, scale, threshold, effective)
    modified = scale - shape * threshold
    tested = fitness(apart, simulations, seed)
    mean = float(over.mean())
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
