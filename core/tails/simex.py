"""The estimates' own noise, and its bias of a fitted tail by simulation extrapolation (SIMEX)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from core.errors import SpecError
from core.tails.sample import LARGEST_RISK, Array, TailSample
from core.tails.tail import DerivedTail, Tail

# Enough for a shift that is small against the interval: its own error is a tenth of the spread.
NOISY_COPIES = 100
POINTS = 60
# Below the start of the tail the shift fades out over a factor of 1.5 in share.
FADED = math.log(1.5)


def relative_errors(sample: TailSample, score: Array) -> Array:
    """Returns the relative standard error that an estimate of this score has: its nearest neighbour's."""
    known = ~sample.censored
    order = np.argsort(sample.score[known])
    scores = sample.score[known][order]
    relative = (sample.error[known] / sample.risk[known])[order]
    middles = (scores[1:] + scores[:-1]) / 2
    return np.asarray(relative[np.searchsorted(middles, score)])


def add_noise(sample: TailSample, generator: np.random.Generator) -> TailSample:
    """Returns the sample as another run of the same sizes might have estimated it.

    An estimate is taken as a gamma variable of the risk's mean, as its interval takes it; what has no hit
    stays as it is.
    """
    known = np.flatnonzero(~sample.censored)
    relative = sample.error[known] / sample.risk[known]
    shape = 1.0 / np.maximum(relative, 1e-6) ** 2
    risk = sample.risk.copy()
    factor = generator.gamma(shape) / shape
    # An estimate near 1 is cut there; a draw from a tail may lie above, and is no higher for its noise.
    most = np.maximum(risk[known], LARGEST_RISK)
    risk[known] = np.clip(risk[known] * factor, 1e-300, most)
    return replace(sample, risk=risk)


@dataclass(frozen=True, eq=False)
class SimexShift:
    """How much higher noise makes each level of a tail, in scores. log_survival: descending."""

    log_survival: Array
    shift: Array

    def at(self, log_survival: Array | float) -> Array:
        """Returns the shift at a log survival; beyond the ends, that at the end."""
        wanted = -np.asarray(log_survival, dtype=float)
        return np.asarray(np.interp(wanted, -self.log_survival, self.shift))


def simex_shift(
    fit: Tail,
    samples: list[TailSample],
    refit: Callable[[TailSample], Tail],
    max_horizon: float,
    seed: int = 0,
) -> SimexShift:
    """Returns how far adding the noise once more moves the levels of a tail: the bias of the first time.

    The estimates have their noise already. Adding it again and refitting shows, to first order, how far it
    moved the tail the first time (simulation extrapolation with the linear rule). It is found for the tail
    alone: among the queries below it the lowest would move most, by what one hit more or less is.

    Parameters
    ----------
    fit : Tail
        The tail to be corrected; with the shift taken out no level lies below one that is exceeded more
        often.
    samples : list of TailSample
        Samples resampled from the estimates; at most NOISY_COPIES are used.
    refit : callable
        Fits such a tail to a sample.
    max_horizon : float
        The largest horizon that will be forecast, in queries.
    seed : int
        Of the added noise.

    Returns
    -------
    SimexShift
        The shift, in scores, at log survivals from the start of the tail down.

    References
    ----------
    Cook & Stefanski (1994), Simulation-extrapolation estimation in parametric measurement error models, JASA
    89, 1314-1328.
    """
    generator = np.random.default_rng(seed)
    first = float(fit.log_survival(fit.threshold))
    grid = np.linspace(first, min(first, -math.log(max(max_horizon, 2.0))) - 5.0, POINTS)
    moved = []
    for sample in samples[:NOISY_COPIES]:
        try:
            plain, again = refit(sample), refit(add_noise(sample, generator))
        except SpecError:
            continue
        moved.append(again.score_at(grid) - plain.score_at(grid))
    if not moved:
        return SimexShift(grid, np.zeros_like(grid))
    # The median: one refit with a far heavier tail would move the mean of all.
    shift = np.median(np.array(moved), axis=0)
    shift = np.where(np.isfinite(shift), shift, 0.0)
    # From the start of the tail downwards it fades away, and soon is 0.
    fading = np.linspace(0.0, 1.0, POINTS)
    rise = min(FADED, -first / 2)
    grid = np.concatenate([first + rise * (1 - fading[:-1]), grid])
    levels = fit.score_at(grid)
    kept = np.maximum.accumulate(levels - np.concatenate([fading[:-1] * shift[0], shift]))
    return SimexShift(grid, levels - kept)


@dataclass(frozen=True, eq=False)
class NoiseCorrected(DerivedTail):
    """A tail with the estimates' noise taken out: each level lower by what noise adds to it."""

    shift: SimexShift

    def score_at(self, log_survival: Array | float) -> Array:
        """Returns the level that is exceeded with this log-probability."""
        return np.asarray(self.tail.score_at(log_survival) - self.shift.at(log_survival))

    def log_survival(self, score: Array | float) -> Array:
        """Returns log P(score of a query > level), nats."""
        level = np.asarray(score, dtype=float)
        inside = np.interp(level, self.score_at(self.shift.log_survival), self.shift.shift)
        return np.asarray(self.tail.log_survival(level + inside))


def has_noise(sample: TailSample) -> bool:
    """Returns whether any estimate has a standard error."""
    return bool((sample.error > 0).any())
