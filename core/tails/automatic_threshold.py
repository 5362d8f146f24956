"""The automatic threshold: which ones are tried, and the lowest that is not rejected."""

import math

import numpy as np

from core.tails.goodness_of_fit import independent_excesses
from core.tails.remarks import TailError
from core.tails.sample import Array, TailSample, kaplan_meier

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
        raise TailError("too_few_for_threshold", fewest=FEWEST_TESTED, queries=names)
    if sample.censored.any():
        limits = np.sort(sample.score[sample.censored])
        higher = len(limits) - np.searchsorted(limits, levels[room], side="right")
        above = room[higher <= FEW_LIMITS * room]
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


def last_rejected(stop: Array) -> int:
    """Returns the place of the highest threshold that ForwardStop rejects, -1 if it rejects none.

    It rejects all thresholds up to the last whose running mean is RATE or below (Bader, Yan & Zhang 2018,
    section 3).

    stop: `forward_stop`, thresholds ascending.
    """
    rejected = np.flatnonzero(stop <= RATE)
    return int(rejected[-1]) if len(rejected) else -1


def automatic_threshold(stop: Array) -> int:
    """Returns the place of the lowest threshold that is not rejected; of the highest if all are."""
    return min(last_rejected(stop) + 1, len(stop) - 1)
