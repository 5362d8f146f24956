"""What must be said of a forecast beside its numbers, as data."""

from collections.abc import Iterator, Sequence

import numpy as np

from core.estimation.intervals import clopper_pearson
from core.tails.analysis import FittedTail, doubtful_among_largest, goodness_of_fit
from core.tails.automatic_threshold import FEWEST_TESTED
from core.tails.deconvolution import SPREAD_BY_NOISE, spread_by_noise
from core.tails.exceedance import uses_deconvolution
from core.tails.forecast import Forecast
from core.tails.goodness_of_fit import independent_excesses
from core.tails.maximum import noise_explains_tail
from core.tails.pareto import SHAPE_RANGE
from core.tails.remarks import Remark

# Beyond so many times the queries seen the interval holds only if the tail goes on as it was fitted.
FAR = 10
FEW_GROUPS = 30
POOR_FIT = 0.05
# A shift of the forecast by noise that is worth a word.
NOTABLE = 1.25
NAMED = 5
# A relative standard error of about four harmful answers. Of log-normal risks with one or two hits each, the
# interval held two thirds of the worst.
ROUGH = 0.5


def remarks_of(
    fitted: FittedTail, forecast: Forecast, as_estimated: Forecast, queries: Sequence[str]
) -> tuple[Remark, ...]:
    """Returns what a reader must know, the gravest first. queries: the name of each query of the sample."""
    return (
        *_surplus(fitted, queries),
        *_reach(fitted, forecast),
        *_doubtful(fitted, queries),
        *_zero_hits(fitted),
        *_rough_estimates(fitted),
        *_spread_by_noise(fitted),
        *_few_groups(fitted),
        *_fit(fitted),
        *_noise(forecast, as_estimated),
        *_not_seen(fitted, forecast),
    )


def _surplus(fitted: FittedTail, queries: Sequence[str]) -> Iterator[Remark]:
    surplus = fitted.surplus
    if surplus is None:
        return
    values = {
        "count": surplus.count,
        "level": surplus.level,
        "expected": surplus.expected,
        "p": surplus.p_value,
        "queries": tuple(queries[row] for row in surplus.rows[:NAMED]),
    }
    if len(surplus.rows) > NAMED:
        more = len(surplus.rows) - NAMED
        yield Remark("surplus_above_of_many", {**values, "more": more})
    else:
        yield Remark("surplus_above", values)


def _not_seen(fitted: FittedTail, forecast: Forecast) -> Iterator[Remark]:
    known = np.flatnonzero(np.isfinite(forecast.at_least_one_bound))
    if len(known):
        seen = len(np.unique(fitted.sample.group))
        furthest = int(known[-1])
        values = {
            "seen": seen,
            "share": clopper_pearson(0, seen, fitted.spec.confidence).high,
            "horizon": float(forecast.n[furthest]),
            "bound": float(forecast.at_least_one_bound[furthest]),
        }
        yield Remark("kind_not_seen", values)


def _reach(fitted: FittedTail, forecast: Forecast) -> Iterator[Remark]:
    seen = len(np.unique(fitted.sample.group))
    beyond = forecast.n[forecast.n > forecast.supported]
    if len(beyond):
        horizons = tuple(float(n) for n in beyond)
        yield Remark("beyond_support", {"horizons": horizons, "supported": forecast.supported})
    if fitted.fit.name == "empirical":
        yield Remark("baseline_only")
    elif fitted.table is not None and not fitted.table.fits:
        yield Remark("no_threshold_fits")
    elif ((forecast.n > FAR * seen) & (forecast.n <= forecast.supported)).any():
        yield Remark("far_beyond_seen", {"times": FAR, "seen": seen})


def _doubtful(fitted: FittedTail, queries: Sequence[str]) -> Iterator[Remark]:
    rows = doubtful_among_largest(fitted)
    if not rows:
        return
    values = {
        "count": len(rows),
        "exceedances": fitted.fit.exceedances,
        "queries": tuple(queries[row] for row in rows[:NAMED]),
    }
    if len(rows) > NAMED:
        yield Remark("more_doubtful_in_tail", {**values, "more": len(rows) - NAMED})
    else:
        yield Remark("doubtful_in_tail", values)


def _zero_hits(fitted: FittedTail) -> Iterator[Remark]:
    sample = fitted.sample
    count = int(sample.censored.sum())
    near = int((sample.score[sample.censored] > fitted.fit.threshold).sum())
    if near:
        yield Remark("zero_hits_near_tail", {"count": count, "near": near})
    elif count:
        yield Remark("zero_hits", {"count": count})


def _rough_estimates(fitted: FittedTail) -> Iterator[Remark]:
    sample = fitted.sample
    above = ~sample.censored & (sample.score >= fitted.fit.threshold)
    relative = float(np.median(sample.error[above] / sample.risk[above]))
    if relative > ROUGH:
        lognormal = fitted.fit.name == "lognormal"
        code = "rough_estimates_lognormal" if lognormal else "rough_estimates"
        yield Remark(code, {"error": relative})


def _spread_by_noise(fitted: FittedTail) -> Iterator[Remark]:
    if spread_by_noise(fitted.sample) < SPREAD_BY_NOISE:
        return
    if noise_explains_tail(fitted):
        yield Remark("noise_explains_tail")
    else:
        yield Remark("noise_out_of_shares" if uses_deconvolution(fitted) else "noise_in_shares")


def _few_groups(fitted: FittedTail) -> Iterator[Remark]:
    if not fitted.refits.by_group:
        return
    groups = len(np.unique(fitted.sample.group))
    above = len(independent_excesses(fitted.sample, fitted.fit.threshold - 1e-9))
    if groups < FEW_GROUPS or above < FEWEST_TESTED:
        yield Remark("few_groups", {"count": groups, "above": above})


def _fit(fitted: FittedTail) -> Iterator[Remark]:
    fit, spec = fitted.fit, fitted.spec
    automatic = spec.largest is None and spec.threshold is None
    if fit.name == "pot" and automatic and fitted.table is None:
        yield Remark("upper_half_fitted")
    tested = goodness_of_fit(fitted)
    if tested is not None and tested.anderson_p < POOR_FIT:
        yield Remark("poor_fit", {"p": tested.anderson_p})
    if spec.estimator != "posterior":
        yield Remark("refits_too_sure", {"estimator": spec.estimator})
    if fitted.predictor.of_blocks:
        yield Remark("blocks_are_groups")
    if fit.name == "gev" and fit.parameters["shape"] in SHAPE_RANGE:
        yield Remark("shape_at_limit", {"shape": fit.parameters["shape"]})
    failed = fitted.refits.failed
    samples = failed + len(fitted.refits.fits)
    if failed > samples / 10:
        yield Remark("refits_failed", {"failed": failed, "samples": samples})


def _noise(forecast: Forecast, as_estimated: Forecast) -> Iterator[Remark]:
    ratio = as_estimated.median / forecast.median
    ratio = ratio[np.isfinite(ratio)]
    if len(ratio) and ratio.max() >= NOTABLE:
        yield Remark("noise_out_of_forecast", {"factor": float(ratio.max())})
