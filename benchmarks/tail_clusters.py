"""Forecasts where a few queries are of a riskier kind, beside worlds where they are not.

    python -m benchmarks.tail_clusters [--times 200] [--worlds cluster ...]

300 queries whose true risks are drawn: a share of 0.2 to 2% at 0.05 to 0.5, the others near 1e-6; and seven
worlds of one kind: four of exact risks, three of 1,000 answers a query, most of them without a hit. Told for
the chance of at least one harmful answer among 200 and for the worst of 200, of 300 and of 3,000: how often
the 95% interval holds the truth, lies above it (-), and lies below it (+), and its width in decades (median);
and how many samples have a forecast. Ways:

* fit: the fitted tail by itself, the riskiest smoothed.
* plain: the bootstrap of the plain mean and of the plain maximum.
* seen: the queries seen and one more, the fitted tail beyond the riskiest (core/tails/seen.py).
* shown: what the app shows, the low end of `seen` and the higher of both high ends.

Then how often a sample has none of the riskier kind, how often a surplus is remarked, and how often the bound
that assumes nothing of queries not seen holds.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from core.errors import SpecError
from core.tails.analysis import FittedTail, fit_tail
from core.tails.forecast import forecast
from core.tails.maximum import corrected_forecasts
from core.tails.mean_risk import smoothed_mean_draws
from core.tails.predictor import Predictor
from core.tails.sample import Array, TailSample, tail_sample, to_risk
from core.tails.spec import TailSpec
from core.tails.thresholds import threshold_table

QUERIES, ASKED = 300, 200
SIZES = np.array([200.0, 300.0, 3_000.0])
ENDS = (0.025, 0.975)
BOOTSTRAPS = 400
# Above this a query of the worlds with clusters is of the riskier kind.
RISKY = 0.02
WAYS = ("fit", "plain", "seen", "shown")
Draw = Callable[[int, np.random.Generator], Array]


@dataclass(frozen=True)
class World:
    """Queries to come. answers: of each query seen, 0 where its risk is known exactly."""

    name: str
    risks: Draw
    answers: int = 0

    def sample(self, generator: np.random.Generator) -> TailSample:
        """Returns what an audit finds."""
        risk = self.risks(QUERIES, generator)
        if self.answers == 0:
            return tail_sample(risk)
        hits = generator.binomial(self.answers, risk)
        found = hits / self.answers
        bound = np.where(hits == 0, stats.beta.ppf(0.975, 1, self.answers), np.nan)
        return tail_sample(found, np.sqrt(found * (1 - found) / self.answers), bound)


def of_scores(name: str, law: stats.rv_continuous) -> World:
    """Returns a world of scores with this law."""
    return World(name, lambda n, generator: to_risk(law.rvs(size=n, random_state=generator)))


def lognormal(name: str, decades: float, median: float, answers: int = 0) -> World:
    """Returns a world of log-normal risks, cut below 1."""

    def risks(n: int, generator: np.random.Generator) -> Array:
        return np.asarray(np.minimum(median * 10 ** (decades * generator.normal(size=n)), 0.99))

    return World(name, risks, answers)


def cluster(share: float, low: float, high: float) -> World:
    """Returns a world in which a share of the queries has a risk between two, even in its logarithm."""

    def risks(n: int, generator: np.random.Generator) -> Array:
        usual = 1e-6 * np.exp(0.6 * generator.normal(size=n))
        risky = np.exp(generator.uniform(np.log(low), np.log(high), n))
        return np.where(generator.uniform(size=n) < share, risky, usual)

    span = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return World(f"cluster of {share:.1%} at {span}", risks)


WORLDS = (
    of_scores("Gumbel", stats.gumbel_r(-2.4, 0.35)),
    of_scores("Pareto, shape -0.2", stats.genpareto(-0.2, loc=-2.4, scale=0.35)),
    of_scores("Pareto, shape 0.2", stats.genpareto(0.2, loc=-2.4, scale=0.35)),
    lognormal("log-normal, 1.1 decades", 1.1, 1.7e-5),
    lognormal("log-normal, 1 decade, 1,000 answers", 1.0, 1e-4, 1_000),
    lognormal("log-normal, 1.2 decades, 1,000 answers", 1.2, 1e-5, 1_000),
    lognormal("log-normal, 1.5 decades, 1,000 answers", 1.5, 1e-6, 1_000),
    *(
        cluster(share, *ends)
        for share in (0.002, 0.005, 0.01, 0.02)
        for ends in ((0.05, 0.05), (0.05, 0.5), (0.5, 0.5))
    ),
)


def ends_of(fitted: FittedTail, seed: int) -> tuple[Array, Array]:
    """Returns the ends of the chance of at least one, (ways, 2), and of the worst, (ways, 2, sizes)."""
    sample, predictor = fitted.sample, fitted.predictor
    shown, _ = corrected_forecasts(fitted, SIZES.tolist())
    once, _ = corrected_forecasts(fitted, [ASKED])
    assert predictor.seen is not None
    low, high = np.quantile(smoothed_mean_draws(sample, fitted.fit, fitted.refits), ENDS)
    # `seen` alone: the high end of a tail that is not fitted to the mean below the riskiest.
    alone = forecast(sample, Predictor(predictor.seen.middle), [ASKED])
    generator = np.random.default_rng(seed)
    again = sample.risk[generator.integers(QUERIES, size=(BOOTSTRAPS, QUERIES))].mean(1)
    means = [(low, high), tuple(np.quantile(again, ENDS))]
    chances = [[-np.expm1(ASKED * np.log1p(-each)) for each in pair] for pair in means]
    chances += [
        [float(one.at_least_one_low[0]), float(one.at_least_one_high[0])] for one in (alone, once)
    ]
    ranks = np.sort(sample.risk)
    plain = [
        ranks[np.ceil(QUERIES * probability ** (1 / SIZES)).astype(int) - 1] for probability in ENDS
    ]
    least, most = predictor.seen.least, predictor.seen.most
    worst = [
        predictor.own.worst(SIZES, ENDS),
        plain,
        [least.worst(SIZES, ENDS)[0], most.worst(SIZES, ENDS)[1]],
        [shown.low, shown.high],
    ]
    return np.array(chances), np.array(worst)


def once(world: World, seed: int, mean: float) -> tuple[Array, Array, Array] | None:
    """Returns where each interval lies (-1: above the truth), its width, and what else is told."""
    generator = np.random.default_rng(seed)
    sample = world.sample(generator)
    try:
        table = threshold_table(sample, simulations=99, seed=seed)
        fitted = fit_tail(sample, TailSpec(bootstraps=100, seed=seed), table, float(SIZES[-1]))
    except SpecError:
        return None
    chances, worst = ends_of(fitted, seed)
    truth = -np.expm1(ASKED * np.log1p(-mean))
    future = np.array([world.risks(int(n), generator).max() for n in SIZES])
    low = np.concatenate([chances[:, :1], worst[:, 0]], axis=1)
    high = np.concatenate([chances[:, 1:], worst[:, 1]], axis=1)
    true = np.concatenate([[truth], future])
    place = np.where(low > true * (1 + 1e-6), -1.0, np.where(true > high * (1 + 1e-6), 1.0, 0.0))
    place = np.where(np.isnan(low), np.nan, place)
    bound = corrected_forecasts(fitted, [ASKED])[0].at_least_one_bound[0]
    told = [sample.risk.max() < RISKY, fitted.surplus is not None, truth <= bound]
    with np.errstate(divide="ignore"):
        return place, np.log10(high) - np.log10(low), np.array(told, dtype=float)


def report(world: World, times: int) -> str:
    """Returns the lines of a world."""
    mean = float(world.risks(4_000_000, np.random.default_rng(10**6)).mean())
    rows = [row for seed in range(times) if (row := once(world, seed, mean)) is not None]
    place, width, told = (np.array(each) for each in zip(*rows, strict=True))
    missed, surplus, bound = told.mean(0)
    lines = [
        f"{world.name} ({len(rows)} of {times} fitted): none of the riskier kind seen in {missed:.0%}; "
        f"surplus remarked in {surplus:.0%}; bound holds in {bound:.0%}"
    ]
    for number, way in enumerate(WAYS):
        cells = []
        for column, name in enumerate((f"one of {ASKED}", *(f"worst of {n:,.0f}" for n in SIZES))):
            known = np.isfinite(place[:, number, column])
            if known.sum() < times / 10:
                cells.append(f"{name} not told")
                continue
            where = place[known, number, column]
            inside, above, below = ((where == each).mean() for each in (0, -1, 1))
            wide = np.median(width[known, number, column])
            few = "" if known.all() else f" of {known.sum()}"
            cells.append(f"{name} {inside:.0%}{few} (-{above:.0%} +{below:.0%}; {wide:.1f})")
        lines.append(f"  {way:6s}{'; '.join(cells)}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--worlds", nargs="*", default=[], help="words in their names")
    given = parser.parse_args()
    for world in WORLDS:
        if all(word in world.name for word in given.worlds):
            print(report(world, given.times), flush=True)


if __name__ == "__main__":
    main()
