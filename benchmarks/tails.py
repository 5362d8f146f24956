"""What the extreme-value forecasts are worth: on samples whose tail is known, and on the embedded models.

    python -m benchmarks.tails recovery|coverage|noise|zeros|backtest|speed [--times N] [--fits gumbel ...]

recovery: bias of each estimator and coverage of its 95% interval, on simulated Gumbel, Pareto and log-normal
samples and block maxima of 50, 200 and 1,000. coverage: how often the 95% interval of the worst of n new
queries holds it, for n up to 1,000 times the sample, each tail fitted to samples of its own kind and of
others. noise: the same with noisy estimates, with the noise left in and taken out. zeros: the same where most
queries had no harmful answer among 1,000, or among 200 or 5,000, placed at one hit's worth and at their
bounds. backtest: fit on 30% of
the shipped misuse queries, forecast the worst of the other 70%, by group and naively. speed: seconds a
forecast and a redraw.
"""

import argparse
import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from scipy import stats

from core.errors import SpecError
from core.tails.analysis import fit_tail
from core.tails.automatic_threshold import deepest
from core.tails.backtest import backtest, predictor_of
from core.tails.block_maxima import Blocks, gev_by_likelihood
from core.tails.bootstrap import bootstrap
from core.tails.exceedance import shares_above
from core.tails.maximum import corrected_forecasts
from core.tails.pareto import ParetoTail, fit_pareto_largest, pareto_by_likelihood
from core.tails.predictor import Predictor, TailPredictor
from core.tails.profile import (
    GEV_PARAMETERS,
    gev_interval,
    level_interval,
    scale_interval,
    shape_interval,
)
from core.tails.reading import shipped_sample
from core.tails.sample import (
    HITS_AT_BOUND,
    UNSEEN_HITS,
    Array,
    TailSample,
    tail_sample,
    to_risk,
    to_score,
)
from core.tails.simex import add_noise
from core.tails.spec import FIT_NAMES, TailSpec
from core.tails.tail import Tail, splice
from core.tails.thresholds import threshold_table

SIZES = (50, 200, 1000)
MODELS = ("aster", "briar")
# Scores with a spread as the embedded models' have it; all risks are far below 1 but the very worst.
LOCATION, SCALE = -2.4, 0.35
# Refits of gev take longer than all the others; the baselines are no forecasts.
NOISY_FITS = ("gumbel", "pot")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "what", choices=("recovery", "coverage", "noise", "zeros", "backtest", "speed")
    )
    parser.add_argument("--times", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fits", nargs="+", choices=FIT_NAMES, default=FIT_NAMES)
    options = parser.parse_args()
    run: Mapping[str, tuple[Callable[[int, int], None], int]] = {
        "recovery": (recovery, 1000),
        "coverage": (partial(coverage, fits=options.fits), 400),
        "noise": (partial(noise, fits=options.fits), 300),
        "zeros": (zeros, 200),
        "backtest": (partial(backtests, fits=options.fits), 300),
        "speed": (speed, 5),
    }
    what, times = run[options.what]
    what(options.times or times, options.seed)


def sample_of(score: Array, error: Array | None = None) -> TailSample:
    """Returns queries of their own groups with these scores. error: relative standard errors."""
    m = len(score)
    risk = to_risk(score)
    return TailSample(
        risk,
        np.zeros(m) if error is None else error * risk,
        np.full(m, np.nan),
        np.char.mod("q%d", np.arange(m)),
        np.zeros(m, dtype=bool),
    )


def frozen(name: str) -> Any:
    """Returns the distribution of scores: gumbel, lognormal (of risks), or pareto and its shape."""
    if name == "narrow":
        # A spread at which the noise of an estimate is worth as much as what queries differ by.
        return stats.gumbel_r(LOCATION, SCALE / 5)
    if name == "gumbel":
        return stats.gumbel_r(LOCATION, SCALE)
    if name == "lognormal":
        return LogNormalScores()
    return stats.genpareto(float(name.split()[1]), loc=LOCATION, scale=SCALE)


class LogNormalScores:
    """Scores of risks whose logarithm is normal: log p = -11 + 2.5 z, cut below p = 1."""

    def rvs(self, size: int, random_state: np.random.Generator) -> Array:
        return to_score(np.exp(np.minimum(random_state.normal(-11, 2.5, size), -1e-3)))

    def isf(self, survival: Array) -> Array:
        return to_score(np.exp(np.minimum(stats.norm.isf(survival, -11, 2.5), -1e-3)))


def recovery(times: int, seed: int) -> None:
    """Prints bias and coverage of each parameter; the share above the threshold is all of the sample."""
    print(f"{'sample':14s} {'m':>5s} {'parameter':18s} {'true':>7s} {'bias':>8s} {'coverage':>8s}")
    for size in SIZES:
        for shape in (-0.3, 0.0, 0.3):
            rows = [
                _pareto_once(shape, size, np.random.default_rng((seed, size, n)))
                for n in range(times)
            ]
            _print_rows(f"Pareto {shape:g}", size, rows)
        for shape in (-0.3, 0.0, 0.3):
            # Profiles of three parameters take half a second.
            rows = [
                _extremes_once(shape, size, np.random.default_rng((seed, size, n)))
                for n in range(max(times // 3, 1))
            ]
            _print_rows(f"maxima {shape:g}", size, rows)
        for name in ("gumbel", "lognormal"):
            rows = [
                _line_once(name, size, np.random.default_rng((seed, size, n))) for n in range(times)
            ]
            _print_rows(name, size, rows)


Row = dict[str, tuple[float, float, float, float]]


def _print_rows(name: str, size: int, rows: list[Row]) -> None:
    for parameter in rows[0]:
        true, found, low, high = np.array([row[parameter] for row in rows]).T
        inside = ((low <= true) & (true <= high)).mean()
        print(
            f"{name:14s} {size:5d} {parameter:18s} {true[0]:7.3f} "
            f"{(found - true).mean():+8.3f} {inside:8.1%}",
            flush=True,
        )


def _pareto_once(shape: float, size: int, generator: np.random.Generator) -> Row:
    """Returns true value, estimate and profile interval of each parameter."""
    over = stats.genpareto.rvs(shape, scale=SCALE, size=size, random_state=generator)
    n = 10 * size
    tail = ParetoTail(*pareto_by_likelihood(over), 1.0, 0.0, size)
    true = float(stats.genpareto.isf(1 / n, shape, scale=SCALE))
    return {
        "shape (ml)": (shape, tail.shape, *shape_interval(over)),
        "scale (ml)": (SCALE, tail.scale, *scale_interval(over)),
        "score at 1 in 10m": (
            true,
            float(tail.score_at(-np.log(n))),
            *level_interval(over, tail, n),
        ),
    }


def _extremes_once(shape: float, size: int, generator: np.random.Generator) -> Row:
    """Returns true value, estimate and profile interval of each parameter, from so many blocks."""
    truth = {"shape": shape, "location": LOCATION, "scale": SCALE}
    maxima = stats.genextreme.rvs(-shape, LOCATION, SCALE, size=size, random_state=generator)
    blocks = Blocks(np.asarray(maxima), np.ones(size), np.ones(size, dtype=bool))
    found = dict(zip(GEV_PARAMETERS, gev_by_likelihood(blocks), strict=True))
    return {
        f"{name} (ml)": (truth[name], found[name], *gev_interval(blocks, name))
        for name in GEV_PARAMETERS
    }


def _line_once(name: str, size: int, generator: np.random.Generator) -> Row:
    """Returns true value, estimate and calibrated interval of the level exceeded once in 10 m, as scores."""
    truth = frozen(name)
    sample = sample_of(truth.rvs(size, random_state=generator))
    n = 10 * size
    true = float(truth.isf(1 / n))
    found = {}
    for kind in ("gumbel", "lognormal") if name == "lognormal" else ("gumbel", "pot"):
        predictor = fit_tail(sample, spec_of(kind, sample, bootstraps=200)).predictor
        middle, low, high = (float(to_score(risk)) for risk in predictor.level(n))
        found[f"1 in 10m, {kind}"] = (true, middle, low, high)
    return found


def spec_of(name: str, sample: TailSample, **more: Any) -> TailSpec:
    """Returns the choices of a kind. pot: the lowest threshold that is tried, for testing all takes long."""
    if name == "pot":
        more["largest"] = deepest(len(sample))
    return TailSpec.build(fit=name, **more)


def coverage(times: int, seed: int, fits: Sequence[str] = FIT_NAMES) -> None:
    """Prints, for fits on samples of each kind, how often the worst of n lay inside, and the width."""
    far = np.array([0.3, 1, 10, 100, 1000])
    print("share of worst queries inside the 95% interval (median width, decades), n / m = ", far)
    for kind in (*fits, *(("pot by refits",) if "pot" in fits else ())):
        for name in ("gumbel", "pareto -0.2", "pareto 0.2", "lognormal"):
            for size in (100, 300):
                cells = [
                    _predicted(kind, name, size, far, np.random.default_rng((seed, size, n)))
                    for n in range(times)
                ]
                table = np.array([cell for cell in cells if cell is not None])
                inside, width, below = table[:, 0].mean(0), np.median(table[:, 1], 0), table[:, 2]
                text = "  ".join(f"{a:4.0%} ({w:4.1f})" for a, w in zip(inside, width, strict=True))
                print(
                    f"{kind:10s} on {name:11s} m={size:4d}  {text}   above {1 - below.mean():.1%}",
                    flush=True,
                )


def _predicted(
    kind: str, name: str, size: int, far: Array, generator: np.random.Generator
) -> Array | None:
    """Returns (3, len(far)): inside or not, width in decades, and not above the interval."""
    truth = frozen(name)
    sample = sample_of(truth.rvs(size, random_state=generator))
    sizes = np.round(far * size)
    worst = to_risk(truth.isf(-np.expm1(np.log(generator.uniform(size=len(far))) / sizes)))
    try:
        predictor = _predictor(kind, sample, int(generator.integers(1 << 30)))
    except SpecError:
        return None
    low, high = predictor.worst(sizes, [0.025, 0.975])
    # Both are 1 but for rounding where the tail reaches it.
    inside = (low <= worst * (1 + 1e-6)) & (worst <= high * (1 + 1e-6))
    return np.array([inside, np.log10(high / low), worst <= high * (1 + 1e-6)])


def _predictor(kind: str, sample: TailSample, seed: int) -> Predictor:
    if kind == "pot by refits":
        refit = partial(_free, largest=len(sample) // 5)
        fit = refit(sample)
        return Predictor(TailPredictor(fit, bootstrap(sample, fit, refit, times=100, seed=seed)))
    return fit_tail(sample, spec_of(kind, sample, bootstraps=100, seed=seed)).predictor


def _free(sample: TailSample, largest: int) -> Tail:
    return splice(sample, fit_pareto_largest(sample, largest))


def noise(times: int, seed: int, fits: Sequence[str] = FIT_NAMES) -> None:
    """Prints coverage and bias of the worst of n with noisy estimates, the noise left in and taken out."""
    print("gumbel tail; n = 1,000 from 200 estimates of each relative error; bias in decades")
    for fit, name in product([one for one in fits if one in NOISY_FITS], ("narrow", "gumbel")):
        for relative in (0.0, 0.1, 0.3, 0.6, 1.0):
            cells = np.array(
                [
                    _noisy_once(fit, name, relative, np.random.default_rng((seed, n)))
                    for n in range(times)
                ]
            )
            cells = cells[np.isfinite(cells).all((1, 2))]  # the others are refused
            bias, inside = cells[:, :, 0].mean(0), cells[:, :, 1].mean(0)
            print(
                f"{fit:6s} on {name:6s} error {relative:.1f}: left in {bias[0]:+.2f}, "
                f"{inside[0]:.0%} inside; taken out {bias[1]:+.2f}, {inside[1]:.0%} inside "
                f"({len(cells)} of {times})",
                flush=True,
            )


def _noisy_once(
    fit: str, name: str, relative: float, generator: np.random.Generator
) -> list[list[float]]:
    truth, size, n = frozen(name), 200, 1000.0
    exact = sample_of(truth.rvs(size, random_state=generator), np.full(size, relative))
    sample = add_noise(exact, generator)
    sample = TailSample(
        sample.risk, sample.risk * relative, sample.bound, sample.group, sample.doubtful
    )
    worst = float(to_risk(truth.isf(-np.expm1(np.log(generator.uniform()) / n))))
    middle = float(to_risk(truth.isf(-np.expm1(np.log(0.5) / n))))
    spec = spec_of(fit, sample, bootstraps=100, seed=int(generator.integers(1 << 30)))
    fitted = fit_tail(sample, spec, max_horizon=n)
    told, left_in = corrected_forecasts(fitted, [n])
    found = []
    for one in (left_in, told):
        inside = float(one.low[0] <= worst <= one.high[0])
        found.append([float(np.log10(one.median[0] / middle)), inside])
    return found


# Answers a query; (median risk, standard deviation of its log10), of which 20% down to 4% have a hit.
ANSWERS = {"1,000 answers": (1000, 1000), "200 or 5,000": (200, 5000)}
RARE = ((1e-4, 1.0), (1e-5, 1.2), (1e-6, 1.5))


def zeros(times: int, seed: int) -> None:
    """Prints how far off shares and worst queries are where most queries have no hit."""
    print(
        "log-normal risks, 300 queries, plain Monte Carlo; error in decades (median), and intervals that hold"
    )
    for (label, answers), (median, deviation) in product(ANSWERS.items(), RARE):
        truth = stats.norm(np.log10(median), deviation)
        rows = [_zeros_once(truth, answers, np.random.default_rng((seed, n))) for n in range(times)]
        print(f"{label}, median {median:g}, spread {deviation} decades")
        for place, name in enumerate(("one hit's worth", "at the bound")):
            cells = np.array([row[place] for row in rows])
            fitted = np.isfinite(cells[:, 0])
            told = "; ".join(
                f"{what} {np.nanmedian(cells[:, 2 * k]):+.2f}, {np.nanmean(cells[:, 2 * k + 1]):.0%}"
                for k, what in enumerate(SHOWN)
            )
            print(
                f"  {name:15s} {told} ({fitted.sum()} of {times} fitted, {np.nanmean(cells[:, -1]):.0%} "
                "without a hit)",
                flush=True,
            )


SHARES_ABOVE = (1e-4, 1e-2)
SHOWN = (
    "share above 1e-4",
    "share above 1e-2",
    "chance of one among 300",
    "worst of 300",
    "worst of 3,000",
)


def _zeros_once(
    truth: Any, answers: tuple[int, int], generator: np.random.Generator
) -> list[list[float]]:
    m = 300
    risk = np.minimum(10 ** truth.rvs(m, random_state=generator), 0.99)
    count = generator.choice(answers, size=m)
    hits = generator.binomial(count, risk)
    estimate = hits / count
    error = np.sqrt(estimate * (1 - estimate) / count)
    bound = np.where(hits == 0, stats.beta.ppf(0.975, 1, count), np.nan)
    # Such a bound's limit is the bound itself.
    inflated = -np.expm1(np.log1p(-bound) * HITS_AT_BOUND / UNSEEN_HITS)
    uniform = generator.uniform(size=2)
    found = []
    for one in (bound, inflated):
        try:
            sample = tail_sample(estimate, error, one)
            fitted = fit_tail(sample, TailSpec(bootstraps=100), max_horizon=10.0 * m)
        except SpecError:
            found.append([math.nan] * (2 * len(SHOWN) + 1))
            continue
        cells = []
        for tau in SHARES_ABOVE:
            share, low, high = (each[0] for each in shares_above(fitted, to_score(np.array([tau]))))
            true = float(truth.sf(math.log10(tau)))
            cells += [math.log10(share / true), float(low <= true <= high)]
        sizes = np.array([1.0, 10.0]) * m
        told, _ = corrected_forecasts(fitted, sizes)
        mean = truth.expect(lambda x: np.minimum(10.0**x, 1.0), lb=-12, ub=2, epsrel=1e-6)
        chance = -np.expm1(m * np.log1p(-mean))
        ends = told.at_least_one_low[0], told.at_least_one_high[0]
        cells += [math.log10(told.at_least_one[0] / chance), float(ends[0] <= chance <= ends[1])]
        for k, n in enumerate(sizes):
            worst = min(float(10 ** truth.isf(-np.expm1(np.log(uniform[k]) / n))), 1.0)
            middle = float(truth.isf(-np.expm1(np.log(0.5) / n)))
            inside = float(told.low[k] <= worst <= told.high[k])
            known = n <= told.supported
            cells += [float(np.log10(told.median[k])) - middle, inside if known else math.nan]
        found.append([*cells, float((hits == 0).mean())])
    return found


def shipped(model: str) -> TailSample:
    """Returns the references of an embedded model's misuse queries."""
    return shipped_sample(model).sample


def backtests(times: int, seed: int, fits: Sequence[str] = FIT_NAMES) -> None:
    """Prints the scores of each kind of tail, by group and naively, a model at a time and both."""
    # The references' own errors are a hundredth of the risks: there is no noise to take out.
    spec = TailSpec.build(bootstraps=100, noise_corrected=False)
    kinds = {name: predictor_of(spec.model_copy(update={"fit": name})) for name in fits}
    for by_group in (True, False):
        found = {
            model: backtest(shipped(model), kinds, times, by_group=by_group, seed=seed)
            for model in MODELS
        }
        print(f"{times} splits a model, 30% for the fit, {'by group' if by_group else 'naive'}")
        print(f"{'':10s} {'':11s} {'median of the worst of n':^52s}    level 1 in n")
        for name in kinds:
            for model in MODELS:
                print(
                    _told(
                        name, model, found[model][name].scores(), found[model][name].scores("level")
                    )
                )
            both = [
                {
                    key: float(np.mean([found[m][name].scores(w)[key] for m in MODELS]))
                    for key in SCORES
                }
                for w in ("median", "level")
            ]
            print(_told(name, "both", *both), flush=True)
        for model in MODELS if "gumbel" in kinds else ():
            cells = "; ".join(
                f"{chance:.2f}: {share:.2f} of {count:,}"
                for chance, share, count in found[model]["gumbel"].reliability()
            )
            print(f"  reliability of gumbel on {model} (forecast: happened): {cells}")
            print(
                "  splits without a fit:",
                {k: v.failed for k, v in found[model].items() if v.failed},
            )


SCORES = ("mean_absolute_log_error", "within_a_decade", "underestimates", "coverage", "brier")


def _told(name: str, model: str, median: dict[str, float], level: dict[str, float]) -> str:
    def cells(of: dict[str, float]) -> str:
        return (
            f"error {of['mean_absolute_log_error']:.3f} in a decade {of['within_a_decade']:4.0%} "
            f"under {of['underestimates']:4.0%}"
        )

    return (
        f"{name:10s} {model:6s} {cells(median)} inside {median['coverage']:4.0%} Brier {median['brier']:.3f}"
        f"  | {cells(level)}"
    )


def speed(times: int, seed: int) -> None:
    """Prints the seconds of a forecast with its bootstrap on 300 noisy queries, and of a slider's redraw."""
    generator = np.random.default_rng(seed)
    score = np.asarray(stats.gumbel_r.rvs(LOCATION, SCALE, size=300, random_state=generator))
    sample = sample_of(score, np.full(300, 0.2))
    fan = list(np.geomspace(1, 30_000, 30))
    for fit in ("gumbel", "pot", "gev", "lognormal"):
        took = _seconds(times, partial(_whole, sample, fit, fan))
        print(f"forecast, {fit}: {took:.2f} s")
    table = threshold_table(sample)
    print(f"threshold table: {_seconds(times, lambda: threshold_table(sample)):.2f} s")
    spec = TailSpec.build(fit="pot", largest=50, bootstraps=100, noise_corrected=False)
    redraw = _seconds(times, lambda: corrected_forecasts(fit_tail(sample, spec, table), fan))
    print(f"redraw of the slider (100 refits): {redraw:.2f} s")


def _whole(sample: TailSample, fit: str, fan: list[float]) -> object:
    return corrected_forecasts(fit_tail(sample, TailSpec.build(fit=fit), max_horizon=max(fan)), fan)


def _seconds(times: int, what: Callable[[], object]) -> float:
    """Returns the median of several runs."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        what()
        took.append(time.perf_counter() - began)
    return float(np.median(took))


if __name__ == "__main__":
    main()
