"""Samples of scores whose tail is known."""

import numpy as np
from scipy import stats

from core.tails.reading import ReadSample
from core.tails.sample import HITS_AT_BOUND, UNSEEN_HITS, Array, TailSample, to_risk

LOCATION, SCALE = -2.4, 0.3


def sample_of(score: Array, relative: float = 0.0, group: list[str] | None = None) -> TailSample:
    """Returns queries with these scores. relative: standard errors over the risks."""
    risk = to_risk(np.asarray(score, dtype=float))
    m = len(risk)
    return TailSample(
        risk=risk,
        error=relative * risk,
        bound=np.full(m, np.nan),
        group=np.array(group or [f"q{n}" for n in range(m)]),
        doubtful=np.zeros(m, dtype=bool),
    )


def censored_below(sample: TailSample, level: float) -> TailSample:
    """Returns the sample with the risks below a score known only to lie below it."""
    low = sample.score < level
    bound = bound_of(to_risk(level))
    return TailSample(
        np.where(low, 0.0, sample.risk),
        sample.error,
        np.where(low, bound, np.nan),
        sample.group,
        sample.doubtful,
    )


def bound_of(limit: Array) -> Array:
    """Returns the bound of a risk without a hit whose limit is this."""
    return np.asarray(-np.expm1(-limit * HITS_AT_BOUND / UNSEEN_HITS))


def gumbel_scores(m: int, seed: int = 0) -> Array:
    return np.asarray(stats.gumbel_r.rvs(LOCATION, SCALE, size=m, random_state=seed))


def pareto_excesses(shape: float, k: int, seed: int = 0, scale: float = SCALE) -> Array:
    return np.asarray(stats.genpareto.rvs(shape, scale=scale, size=k, random_state=seed))


def read_of(sample: TailSample) -> ReadSample:
    """Returns a sample as if it were read, with a name for each query."""
    names = tuple(f"ask {n}" for n in range(len(sample)))
    return ReadSample(sample, names, (), np.arange(len(sample)))
