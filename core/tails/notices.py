"""What must be said of a forecast beside its numbers, each in one sentence."""

from collections.abc import Sequence

import numpy as np

from core.tails.analysis import FittedTail, doubtful_among_largest, goodness_of_fit
from core.tails.deconvolution import SPREAD_BY_NOISE, spread_by_noise
from core.tails.exceedance import takes_noise_out
from core.tails.forecast import Forecast
from core.tails.goodness_of_fit import independent_excesses
from core.tails.maximum import is_nothing_but_noise
from core.tails.pareto import SHAPE_RANGE
from core.tails.thresholds import FEWEST_TESTED

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


def warnings_of(
    fitted: FittedTail, told: Forecast, as_estimated: Forecast, queries: Sequence[str]
) -> list[str]:
    """Returns what a reader must know. queries: the name of each query of the sample."""
    return [
        *_reach(fitted, told),
        *_doubtful(fitted, queries),
        *_zero_hits(fitted),
        *_few_hits(fitted),
        *_spread_by_noise(fitted),
        *_groups(fitted),
        *_fit(fitted),
        *_noise(told, as_estimated),
    ]


def _reach(fitted: FittedTail, told: Forecast) -> list[str]:
    seen = len(np.unique(fitted.sample.group))
    found = []
    beyond = told.n[told.n > told.supported]
    if len(beyond):
        found.append(
            f"no forecast for {', '.join(f'{n:,.0f}' for n in beyond)} queries: the fit supports "
            f"{told.supported:,.0f} at most; ask for fewer, or audit more queries"
        )
    if fitted.fit.name == "empirical":
        found.append(
            "the empirical fit cannot exceed the worst query seen; it is a baseline, no forecast"
        )
    elif fitted.predictor.trusted < np.inf:
        found.append(
            "no threshold fits, so nothing is told beyond as many queries as were seen: there may be two "
            "kinds of them; audit the riskier kind by itself"
        )
    elif ((told.n > FAR * seen) & (told.n <= told.supported)).any():
        found.append(
            f"more than {FAR} times the {seen:,} independent queries seen: the interval holds only if the "
            "tail goes on as it was fitted"
        )
    return found


def _doubtful(fitted: FittedTail, queries: Sequence[str]) -> list[str]:
    rows = doubtful_among_largest(fitted)
    if not rows:
        return []
    names = "; ".join(repr(queries[row]) for row in rows[:NAMED])
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return [
        f"{len(rows)} of the {fitted.fit.exceedances} estimates the tail is fitted to are marked 'do not "
        f"use' ({names}{more}); estimate them again, or leave them out with --leave-out-doubtful"
    ]


def _zero_hits(fitted: FittedTail) -> list[str]:
    sample = fitted.sample
    if not sample.censored.any():
        return []
    count = int(sample.censored.sum())
    first = f"{count} queries without a hit are taken as known from above only"
    high = int((sample.score[sample.censored] > fitted.fit.threshold).sum())
    if not high:
        return [first]
    return [
        f"{first}; {high} of them had so few answers that a single hit would have put them into the tail, so "
        "they may belong to it or not, and the interval allows for both: draw more answers for them"
    ]


def _few_hits(fitted: FittedTail) -> list[str]:
    sample = fitted.sample
    above = ~sample.censored & (sample.score >= fitted.fit.threshold)
    relative = float(np.median(sample.error[above] / sample.risk[above]))
    if relative <= ROUGH:
        return []
    # It takes what a hit or two happened to come to as exact.
    low = " and the forecast too low" if fitted.fit.name == "lognormal" else ""
    return [
        f"half of the estimates that the tail is fitted to are known to {relative:.0%} only, one standard "
        f"error; the interval may be too narrow{low}: draw more answers for the riskiest queries"
    ]


def _spread_by_noise(fitted: FittedTail) -> list[str]:
    if spread_by_noise(fitted.sample) < SPREAD_BY_NOISE:
        return []
    if is_nothing_but_noise(fitted):
        return [
            "the tail may be nothing but the estimates' own noise: risks that are all alike would look like "
            "it. The low ends allow for that, and the forecast is likelier too high than too low: draw more "
            "answers"
        ]
    first = "a good part of how far the estimates lie apart is their own noise"
    if takes_noise_out(fitted):
        return [
            f"{first}; it is taken out of the shares of queries above a risk, and what it hides makes their "
            "intervals wide: draw more answers"
        ]
    return [
        f"{first}, so the shares of queries above a risk are too high far up and too low below: draw more "
        "answers"
    ]


def _groups(fitted: FittedTail) -> list[str]:
    if not fitted.refits.by_group:
        return []
    groups = len(np.unique(fitted.sample.group))
    above = len(independent_excesses(fitted.sample, fitted.fit.threshold - 1e-9))
    if groups >= FEW_GROUPS and above >= FEWEST_TESTED:
        return []
    return [
        f"only {groups} groups, {above} of them in the tail: wordings of one query count as one, and the "
        "interval may be too narrow; audit more different queries"
    ]


def _fit(fitted: FittedTail) -> list[str]:
    found = []
    fit, spec = fitted.fit, fitted.spec
    if (
        fit.name == "pot"
        and fitted.table is None
        and spec.largest is None
        and spec.threshold is None
    ):
        found.append(
            "there are too few different queries to test a threshold, so the upper half is fitted; audit "
            "more different queries"
        )
    tested = goodness_of_fit(fitted)
    if tested is not None and tested.anderson_p < POOR_FIT:
        found.append(
            f"the tail does not fit the largest estimates (Anderson-Darling p = {tested.anderson_p:.2g}); "
            "try another fit or threshold"
        )
    if spec.estimator != "posterior":
        found.append(
            f"refits by {spec.estimator} are too sure of the tail's shape, so the interval is too narrow far "
            "out; take the estimator posterior to be sure"
        )
    if fitted.predictor.of_blocks:
        found.append(
            "block maxima speak of questions that come in whole groups of wordings, as those audited; what "
            "share of single questions is above a risk is not known from them, and as many questions of as "
            "many kinds are riskier than told"
        )
    if fit.name == "gev" and fit.parameters["shape"] in SHAPE_RANGE:
        found.append(
            f"the shape {fit.parameters['shape']:g} lies at the end of what can be fitted; take gumbel or pot"
        )
    failed, all_ = fitted.refits.failed, fitted.refits.failed + len(fitted.refits.fits)
    if failed > all_ / 10:
        found.append(
            f"{failed} of {all_} samples like this one have no fit; the interval may be too narrow"
        )
    return found


def _noise(told: Forecast, as_estimated: Forecast) -> list[str]:
    ratio = as_estimated.median / told.median
    ratio = ratio[np.isfinite(ratio)]
    if len(ratio) == 0 or ratio.max() < NOTABLE:
        return []
    return [
        f"the estimates' own noise would raise the forecast by a factor of {ratio.max():.2g}; it is taken "
        "out (noise_left_in has it with the noise)"
    ]
