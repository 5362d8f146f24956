"""From a sample and a few choices to a fit, its refits, and forecasts with what must be said of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import SpecError
from core.tails.baselines import fit_empirical, fit_lognormal
from core.tails.block_maxima import blocks_of, fit_block_maxima
from core.tails.block_posterior import block_posterior
from core.tails.bootstrap import Bootstrap, Fitter, bootstrap, is_grouped, resampled
from core.tails.forecast import Predictor
from core.tails.goodness_of_fit import Fitness, fitness, independent_excesses
from core.tails.gumbel import fit_gumbel, largest_by_default
from core.tails.pareto import FEWEST_EXCEEDANCES, fit_pareto_largest
from core.tails.posterior import pareto_posterior
from core.tails.profile import (
    EXTREMES_PARAMETERS,
    extremes_interval,
    scale_interval,
    shape_interval,
)
from core.tails.sample import (
    TailSample,
    kaplan_meier,
    survival_draws,
    to_score,
)
from core.tails.simex import NOISY_COPIES, has_noise, simex_shift
from core.tails.spec import SHAPED, TailSpec
from core.tails.tail import Spliced, Tail, spliced
from core.tails.thresholds import FEWEST_TESTED, ThresholdTable, exceedances_at, threshold_table

# The noise is looked at up to this horizon, in queries, whatever is asked, so that a fit is the same for
# every nearer one.
NOISE_UP_TO = 1e6


@dataclass(frozen=True, eq=False)
class FittedTail:
    """A fit and what its uncertainty is known from.

    predictor: with the estimates' noise taken out, if it was asked for; as_estimated: with it left in.
    table: how the threshold was chosen, None if it was given.
    """

    sample: TailSample
    spec: TailSpec
    fit: Tail
    refits: Bootstrap
    predictor: Predictor
    as_estimated: Predictor
    table: ThresholdTable | None


def fit_tail(
    sample: TailSample,
    spec: TailSpec,
    table: ThresholdTable | None = None,
    furthest: float = NOISE_UP_TO,
) -> FittedTail:
    """Returns a fit with its refits.

    table: the diagnostics, if they are known already; made where the automatic threshold needs them.
    furthest: the largest horizon that will be asked for.

    Raises:
        SpecError: the tail cannot be fitted to this sample; the message says what to do.
    """
    if spec.fit == "pot" and spec.largest is None and spec.threshold is None and table is None:
        table = _table_if_enough(sample, spec)
    refit = fitter(sample, spec, table)
    fit = refit(sample)
    refits = doubt(sample, spec, fit, refit)
    shift = None
    if spec.noise_corrected and has_noise(sample):
        shift = simex_shift(fit, list(refits.samples), refit, furthest, spec.seed)
    used = table if spec.largest is None and spec.threshold is None else None
    used = used if spec.fit == "pot" else None
    of_blocks = spec.fit == "gev" and is_grouped(sample)
    # Where no threshold fits, nothing speaks for going beyond what was seen.
    trusted = np.inf if used is None or used.fits else float(len(np.unique(sample.group)))
    predictor, as_estimated = (
        Predictor(fit, refits, each, of_blocks=of_blocks, trusted=trusted) for each in (shift, None)
    )
    return FittedTail(sample, spec, fit, refits, predictor, as_estimated, used)


def _table_if_enough(sample: TailSample, spec: TailSpec) -> ThresholdTable | None:
    """Returns the diagnostics, or None where there are too few different queries to test a threshold."""
    if len(np.unique(sample.group[~sample.censored])) <= FEWEST_TESTED:
        return None
    try:
        return threshold_table(sample, spec.confidence, seed=spec.seed)
    except SpecError:
        # Enough of them, but not above any threshold.
        return None


def doubt(sample: TailSample, spec: TailSpec, fit: Tail, refit: Fitter) -> Bootstrap:
    """Returns what a tail's uncertainty is known from: draws from its posterior if it has one, else refits.

    Refits with a free shape are too sure of it: of a tail that seems to end, all samples drawn from it end
    there (benchmarks/tails.py, coverage).

    Raises:
        SpecError: as `bootstrap`.
    """
    if spec.fit not in SHAPED or spec.estimator != "posterior":
        return bootstrap(sample, fit, refit, times=spec.bootstraps, seed=spec.seed)
    generator = np.random.default_rng(spec.seed)
    known, reached = survival_draws(sample, spec.bootstraps, generator)
    tails: Sequence[Tail]
    if spec.fit == "pot":
        rates = reached[:, fit.exceedances - 1]
        tails = pareto_posterior(sample, fit.exceedances).draws(rates, generator)
    else:
        tails = block_posterior(blocks_of(sample), spec.bootstraps, spec.seed)
    samples = [resampled(sample, fit, generator) for _ in range(NOISY_COPIES)]
    fits = tuple(Spliced(tails[row], known, reached[row]) for row in range(spec.bootstraps))
    return Bootstrap(fits, tuple(samples), is_grouped(sample), posterior=True)


def fitter(sample: TailSample, spec: TailSpec, table: ThresholdTable | None = None) -> Fitter:
    """Returns what fits a tail to a sample like this one; how many of the largest is decided here, once.

    Raises:
        SpecError: the threshold leaves hardly any query above it.
    """
    if spec.fit == "lognormal":
        return fit_lognormal
    if spec.fit == "empirical":
        return fit_empirical
    if spec.fit == "gev":
        return lambda one: spliced(one, fit_block_maxima(blocks_of(one), spec.estimator))
    count = spec.largest
    if count is None and spec.threshold is not None:
        count = exceedances_at(sample, float(to_score(spec.threshold)))
    if spec.fit == "gumbel":
        line = largest_by_default(sample) if count is None else count
        return lambda one: spliced(one, fit_gumbel(one, line))
    if count is None:
        # Where there are too few to test a threshold, the upper half.
        hits = int((~sample.censored).sum())
        half = hits // 2
        if table is None and half < FEWEST_EXCEEDANCES:
            raise SpecError(
                f"a tail needs {2 * FEWEST_EXCEEDANCES} queries with a hit, got {hits}; draw more "
                "answers, or audit more queries"
            )
        count = _half(sample, half) if table is None else int(table.exceedances[table.chosen])
    above = count
    if spec.estimator == "posterior":
        return lambda one: spliced(one, pareto_posterior(one, above).mean)
    return lambda one: spliced(one, fit_pareto_largest(one, above, spec.estimator))


def _half(sample: TailSample, half: int) -> int:
    """Returns how many of the largest make the upper half, or more where equal ones leave too few above."""
    known, _ = kaplan_meier(sample)
    counts = np.arange(half, len(known))
    above = np.searchsorted(-known, -known[half:], side="left")
    return int(counts[np.argmax(above >= FEWEST_EXCEEDANCES)])


def doubtful_among_largest(fitted: FittedTail) -> list[int]:
    """Returns rows of the sample that should not be used and lie in the fitted tail, largest first."""
    sample = fitted.sample
    known = ~sample.censored & sample.doubtful & (sample.score >= fitted.fit.threshold)
    rows = np.flatnonzero(known)
    return [int(row) for row in rows[np.argsort(-sample.score[rows])]]


def goodness_of_fit(fitted: FittedTail) -> Fitness | None:
    """Returns how well a fitted tail describes what it was fitted to; None if that is too little."""
    if fitted.fit.name not in ("gumbel", "pot"):
        return None
    over = independent_excesses(fitted.sample, fitted.fit.threshold)
    # Of the ten largest, nine exceed the tenth.
    if len(over) < FEWEST_TESTED - 1:
        return None
    return fitness(over, seed=fitted.spec.seed, exponential=fitted.fit.name == "gumbel")


def parameter_intervals(fitted: FittedTail) -> dict[str, tuple[float, float]]:
    """Returns an interval of each parameter, from the refits or the posterior."""
    tail = (1 - fitted.spec.confidence) / 2
    found = {}
    for name in fitted.fit.parameters:
        values = [one.parameters[name] for one in fitted.refits.fits]
        low, high = np.quantile(values, [tail, 1 - tail])
        found[name] = (float(low), float(high))
    return found


def profile_intervals(fitted: FittedTail) -> dict[str, tuple[float, float]]:
    """Returns profile-likelihood intervals of the parameters of pot and gev; of other fits none."""
    sample, confidence = fitted.sample, fitted.spec.confidence
    if fitted.fit.name == "gev":
        blocks = blocks_of(sample)
        return {name: extremes_interval(blocks, name, confidence) for name in EXTREMES_PARAMETERS}
    if fitted.fit.name != "pot":
        return {}
    above = ~sample.censored & (sample.score > fitted.fit.threshold)
    over = sample.score[above] - fitted.fit.threshold
    independent = len(np.unique(sample.group[above])) / len(over)
    return {
        "shape": shape_interval(over, confidence, independent),
        "scale": scale_interval(over, confidence, independent),
    }
