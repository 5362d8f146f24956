"""From a sample and a few choices to a fitted tail with its uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.tails.automatic_threshold import FEWEST_TESTED
from core.tails.baselines import fit_empirical, fit_lognormal
from core.tails.block_maxima import blocks_of, fit_block_maxima
from core.tails.block_posterior import block_posterior
from core.tails.bootstrap import Fitter, TailDraws, bootstrap, is_grouped, resample
from core.tails.goodness_of_fit import GoodnessOfFit, excess_goodness_of_fit, independent_excesses
from core.tails.gumbel import fit_gumbel, fit_published, largest_by_default
from core.tails.pareto import FEWEST_EXCEEDANCES, fit_pareto_largest
from core.tails.posterior import pareto_posterior
from core.tails.predictor import Predictor, PublishedPredictor, SeenPredictors, TailPredictor
from core.tails.profile import (
    GEV_PARAMETERS,
    gev_interval,
    scale_interval,
    shape_interval,
)
from core.tails.remarks import TailError
from core.tails.sample import (
    TailSample,
    kaplan_meier,
    kaplan_meier_draws,
    to_score,
)
from core.tails.seen import seen_predictors
from core.tails.simex import NOISY_COPIES, SimexShift, has_noise, simex_shift
from core.tails.spec import LINES, SHAPED, TailSpec
from core.tails.surplus import Surplus, find_surplus
from core.tails.tail import SplicedTail, Tail, splice
from core.tails.thresholds import ThresholdTable, exceedances_at, threshold_table_if_enough

# The noise is taken out up to this horizon at least, in queries, so that a fit is the same for every nearer
# one.
NOISE_UP_TO = 1e6


@dataclass(frozen=True, eq=False)
class FittedTail:
    """A fit and what its uncertainty is known from.

    refits: tails that could be instead of the fit. predictor: with the estimates' noise taken out, if the
    spec says so; as_estimated: with it left in. table: how the threshold was chosen, None if it was given.
    surplus: more queries above a level than the fit expects, None where there are not.
    """

    sample: TailSample
    spec: TailSpec
    fit: Tail
    refits: TailDraws
    predictor: Predictor
    as_estimated: Predictor
    table: ThresholdTable | None
    surplus: Surplus | None

    @property
    def noise_taken_out(self) -> bool:
        """Whether the forecasts differ from those with the estimates' noise left in."""
        return self.predictor is not self.as_estimated


def fit_tail(
    sample: TailSample,
    spec: TailSpec,
    table: ThresholdTable | None = None,
    max_horizon: float = NOISE_UP_TO,
) -> FittedTail:
    """Returns the tail of a sample with its uncertainty.

    Parameters
    ----------
    sample : TailSample
        Estimated risks of m queries.
    spec : TailSpec
        Which kind of tail, where it starts, and how its uncertainty is found.
    table : ThresholdTable, optional
        The diagnostics of the thresholds of this sample, at the spec's confidence and seed, if they are known
        already; computed where the automatic threshold needs them.
    max_horizon : float
        The largest horizon that will be forecast, in queries.

    Returns
    -------
    FittedTail
        The fit, the tails that could be instead, and what forecasts from them.

    Raises
    ------
    SpecError
        The tail cannot be fitted to this sample; the message says what to do.

    References
    ----------
    Jones et al. (2025), Forecasting Rare Language Model Behaviors. Coles (2001), An Introduction to
    Statistical Modeling of Extreme Values, chapters 3 and 4.

    Examples
    --------
    >>> import numpy as np
    >>> from core.tails.maximum import corrected_forecasts
    >>> from core.tails.sample import tail_sample, to_risk
    >>> from core.tails.spec import TailSpec
    >>> psi = np.random.default_rng(0).gumbel(-2.4, 0.3, size=100)
    >>> fitted = fit_tail(tail_sample(to_risk(psi)), TailSpec(largest=20, bootstraps=50))
    >>> fitted.fit.name, fitted.fit.exceedances
    ('pot', 20)
    >>> forecast, _ = corrected_forecasts(fitted, [1_000])
    >>> bool(forecast.low[0] < forecast.median[0] < forecast.high[0])
    True
    """
    if spec.fit == "pot" and spec.largest is None and spec.threshold is None and table is None:
        table = threshold_table_if_enough(sample, spec.confidence, spec.seed)
    refit = fitter(sample, spec, table)
    fit = refit(sample)
    refits = tail_uncertainty(sample, spec, fit, refit)
    shift = None
    published = spec.fit == "jones"
    if spec.noise_corrected and has_noise(sample) and not published:
        shift = simex_shift(fit, list(refits.samples), refit, max_horizon, spec.seed)
    used = table if spec.largest is None and spec.threshold is None else None
    used = used if spec.fit == "pot" else None
    of_blocks = spec.fit == "gev" and is_grouped(sample)
    by_itself = of_blocks or spec.fit == "empirical"
    surplus = None if by_itself else find_surplus(sample, refits.fits, spec.seed)
    # Where no threshold fits, or the tail misses the riskiest, nothing speaks for going beyond what was seen.
    fits = surplus is None and (used is None or used.fits)
    trusted = np.inf if fits else float(len(np.unique(sample.group)))

    def predictor(shift: SimexShift | None) -> Predictor:
        seen: SeenPredictors | None = None
        if not by_itself:
            seen = seen_predictors(sample, fit, refits, shift, spec.seed)
        own = (PublishedPredictor if published else TailPredictor)(fit, refits, shift)
        return Predictor(own, seen, surplus is not None and not published, of_blocks, trusted)

    as_estimated = predictor(None)
    corrected = as_estimated if shift is None else predictor(shift)
    return FittedTail(sample, spec, fit, refits, corrected, as_estimated, used, surplus)


def tail_uncertainty(sample: TailSample, spec: TailSpec, fit: Tail, refit: Fitter) -> TailDraws:
    """Returns tails that could be instead: draws from the posterior if the fit has one, else refits.

    Refits with a free shape are too sure of it: of a tail that seems to end, all samples drawn from it end
    there (benchmarks/tails.py, coverage).

    Raises:
        SpecError: as `bootstrap`.
    """
    if spec.fit not in SHAPED or spec.estimator != "posterior":
        return bootstrap(sample, fit, refit, times=spec.bootstraps, seed=spec.seed)
    generator = np.random.default_rng(spec.seed)
    known, reached = kaplan_meier_draws(sample, spec.bootstraps, generator)
    tails: Sequence[Tail]
    if spec.fit == "pot":
        rates = reached[:, fit.exceedances - 1]
        tails = pareto_posterior(sample, fit.exceedances).draws(rates, generator)
    else:
        tails = block_posterior(blocks_of(sample), spec.bootstraps, spec.seed)
    samples = [resample(sample, fit, generator) for _ in range(NOISY_COPIES)]
    fits = tuple(SplicedTail(tails[row], known, reached[row]) for row in range(spec.bootstraps))
    return TailDraws(fits, tuple(samples), is_grouped(sample), posterior=True)


def fitter(sample: TailSample, spec: TailSpec, table: ThresholdTable | None = None) -> Fitter:
    """Returns a function that fits a tail to samples like this one, with as many of the largest each time.

    Raises:
        SpecError: the threshold leaves hardly any query above it.
    """
    if spec.fit == "lognormal":
        return fit_lognormal
    if spec.fit == "empirical":
        return fit_empirical
    if spec.fit == "gev":
        return lambda like: splice(like, fit_block_maxima(blocks_of(like), spec.estimator))
    count = spec.largest
    if count is None and spec.threshold is not None:
        count = exceedances_at(sample, float(to_score(spec.threshold)))
    if spec.fit == "jones":
        return lambda like: splice(like, fit_published(like, count))
    if spec.fit == "gumbel":
        on_line = largest_by_default(sample) if count is None else count
        return lambda like: splice(like, fit_gumbel(like, on_line))
    largest = _automatic_largest(sample, table) if count is None else count
    if spec.estimator == "posterior":
        return lambda like: splice(like, pareto_posterior(like, largest).mean)
    return lambda like: splice(like, fit_pareto_largest(like, largest, spec.estimator))


def _automatic_largest(sample: TailSample, table: ThresholdTable | None) -> int:
    """Returns how many queries lie above the automatic threshold.

    Where there are too few to test one, the upper half, or more where equal ones leave too few above.
    """
    if table is not None:
        return int(table.exceedances[table.chosen])
    hits = int((~sample.censored).sum())
    half = hits // 2
    if half < FEWEST_EXCEEDANCES:
        raise TailError("too_few_hits", needed=2 * FEWEST_EXCEEDANCES, hits=hits)
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


def goodness_of_fit(fitted: FittedTail) -> GoodnessOfFit | None:
    """Returns how well a fitted tail describes what it was fitted to; None if that is too little."""
    if fitted.fit.name not in (*LINES, "pot"):
        return None
    excesses = independent_excesses(fitted.sample, fitted.fit.threshold)
    # Of the ten largest, nine exceed the tenth.
    if len(excesses) < FEWEST_TESTED - 1:
        return None
    return excess_goodness_of_fit(
        excesses, seed=fitted.spec.seed, exponential=fitted.fit.name in LINES
    )


def parameter_intervals(fitted: FittedTail) -> dict[str, tuple[float, float]]:
    """Returns an interval of each parameter, from the refits or the posterior."""
    tail = (1 - fitted.spec.confidence) / 2
    intervals = {}
    for name in fitted.fit.parameters:
        values = [refit.parameters[name] for refit in fitted.refits.fits]
        low, high = np.quantile(values, [tail, 1 - tail])
        intervals[name] = (float(low), float(high))
    return intervals


def profile_intervals(fitted: FittedTail) -> dict[str, tuple[float, float]]:
    """Returns profile-likelihood intervals of the parameters of pot and gev; of other fits none."""
    sample, confidence = fitted.sample, fitted.spec.confidence
    if fitted.fit.name == "gev":
        blocks = blocks_of(sample)
        return {name: gev_interval(blocks, name, confidence) for name in GEV_PARAMETERS}
    if fitted.fit.name != "pot":
        return {}
    above = ~sample.censored & (sample.score > fitted.fit.threshold)
    excesses = sample.score[above] - fitted.fit.threshold
    independent = len(np.unique(sample.group[above])) / len(excesses)
    return {
        "shape": shape_interval(excesses, confidence, independent),
        "scale": scale_interval(excesses, confidence, independent),
    }
