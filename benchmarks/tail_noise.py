"""Shares above a risk, and the worst of n, where noise is much of how far the estimates lie apart.

    python -m benchmarks.tail_noise [--times 100]

Worlds whose truth is known: each query's risk is drawn, then estimated from a few answers, or off by half
(gamma noise). Told for each level: the median error of the share in percentage points, of the estimates as
they are and with the noise taken out; how often their 95% interval holds the truth, likewise; and how often
the interval of the worst of as many queries, and of ten times as many, does.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from core.errors import SpecError
from core.tails.analysis import fit_tail
from core.tails.exceedance import shares_above
from core.tails.maximum import corrected_forecasts
from core.tails.sample import Array, TailSample, tail_sample, to_score
from core.tails.spec import TailSpec

QUERIES = 300


@dataclass(frozen=True)
class World:
    """Risks and what is estimated of them. answers: of each query, 0 for estimates that are off by half."""

    name: str
    risks: Callable[[int, np.random.Generator], Array]
    above: Callable[[float], float]
    answers: int
    levels: tuple[float, ...]

    def sample(self, generator: np.random.Generator) -> TailSample:
        """Returns what an audit finds."""
        risk = self.risks(QUERIES, generator)
        if self.answers == 0:
            found = np.minimum(risk * generator.gamma(4.0, 0.25, QUERIES), 0.99)
            return tail_sample(found, found / 2)
        hits = generator.binomial(self.answers, risk)
        found = hits / self.answers
        bound = np.where(hits == 0, stats.beta.ppf(0.975, 1, self.answers), np.nan)
        return tail_sample(found, np.sqrt(found * (1 - found) / self.answers), bound)


def lognormal(median: float, decades: float, answers: int, *levels: float) -> World:
    """Returns a world of log-normal risks."""
    truth = stats.norm(np.log10(median), decades)
    return World(
        f"log-normal, median {median:g}, {decades:g} decades, "
        + (f"{answers:,} answers" if answers else "off by half"),
        lambda m, generator: np.minimum(10 ** truth.rvs(m, random_state=generator), 0.99),
        lambda tau: float(truth.sf(np.log10(tau))),
        answers,
        levels,
    )


BETA = stats.beta(0.5, 5)
WORLDS = (
    lognormal(1e-3, 0.2, 1_000, 5e-4, 1e-3, 2e-3),
    lognormal(3e-3, 0.05, 1_000, 2e-3, 3e-3, 4e-3),
    lognormal(2e-2, 0.3, 100, 1e-2, 2e-2, 5e-2),
    lognormal(1e-3, 0.5, 1_000, 1e-3, 3e-3, 1e-2),
    lognormal(1e-5, 1.2, 1_000, 1e-4, 1e-3, 1e-2),
    lognormal(1e-4, 0.3, 0, 5e-5, 1e-4, 2e-4),
    World(
        "Beta(0.5, 5), 10 answers",
        lambda m, generator: np.asarray(BETA.rvs(m, random_state=generator)),
        lambda tau: float(BETA.sf(tau)),
        10,
        (0.1, 0.3, 0.5),
    ),
)


def report(world: World, times: int) -> str:
    """Returns a line of what was measured."""
    truth = np.array([world.above(tau) for tau in world.levels])
    score = to_score(np.array(world.levels))
    errors: list[list[Array]] = [[], []]
    held: list[list[Array]] = [[], []]
    worst: list[list[float]] = [[], []]
    for seed in range(times):
        generator = np.random.default_rng(seed)
        sample = world.sample(generator)
        sizes = [float(QUERIES), 10.0 * QUERIES]
        future = [float(world.risks(int(n), generator).max()) for n in sizes]
        try:
            both = [
                fit_tail(
                    sample,
                    TailSpec(bootstraps=100, noise_corrected=out, seed=seed),
                    max_horizon=10.0 * QUERIES,
                )
                for out in (False, True)
            ]
        except SpecError:
            continue
        for place, fitted in enumerate(both):
            share, low, high = shares_above(fitted, score)
            errors[place].append(100 * abs(share - truth))
            held[place].append((low <= truth) & (truth <= high))
        forecast, _ = corrected_forecasts(both[1], sizes)
        for place, risk in enumerate(future):
            if sizes[place] <= forecast.supported:
                inside = forecast.low[place] <= risk <= forecast.high[place]
                worst[place].append(float(inside))

    def percent(values: list[Array]) -> str:
        return ", ".join(f"{one:.0%}" for one in np.mean(values, axis=0))

    def points(values: list[Array]) -> str:
        return ", ".join(f"{one:.1f}" for one in np.median(values, axis=0))

    ahead = ", ".join(f"{np.mean(one):.0%} of {len(one)}" if one else "none told" for one in worst)
    return (
        f"{world.name} ({len(held[0])} of {times} fitted)\n"
        f"  true share above {', '.join(f'{one:g}' for one in world.levels)}: "
        f"{', '.join(f'{one:.1%}' for one in truth)}\n"
        f"  as estimated:    off by {points(errors[0])} points, held {percent(held[0])}\n"
        f"  noise taken out: off by {points(errors[1])} points, held {percent(held[1])}\n"
        f"  worst of {QUERIES}, of {10 * QUERIES:,}: held {ahead}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    given = parser.parse_args()
    for world in WORLDS:
        print(report(world, given.times), flush=True)


if __name__ == "__main__":
    main()
