"""Worlds for an audit's curve of repeated sampling: known risks, and estimates of them as methods give."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.coverage.row import Row
from core.audit.curves import repeated_sampling

SIZES = (1, 10, 100, 1_000, 10_000)
REFERENCE = Path(__file__).parents[2] / "sample_data" / "reference.csv"
# The target's own draws in a run of 1,000 with a defensive share of a tenth.
TARGET_DRAWS = 100
# Monte Carlo draws a query, counted beside the estimates.
COUNTED = 1_000
ALL_SIZES = " / ".join(f"{size:,}" for size in SIZES)
LISTED = {
    "repeated sampling": ALL_SIZES,
    "direct count": " / ".join(f"{size:,}" for size in SIZES if size <= COUNTED),
    "choice of queries": ALL_SIZES,
}
BANDS = ("repeated sampling", "direct count", "choice of queries")

Array = NDArray[np.float64]
Risks = Callable[[np.random.Generator, int], Array]


@dataclass(frozen=True)
class World:
    """An audit that can be made again and again.

    risks: of all queries, the same in each audit or drawn anew. unhit: share of queries whose proposals find
    nothing, so that only the target's draws may hit. relative: error of the others' estimates. monte_carlo:
    draws a query of an audit by plain counting, 0 for importance sampling.
    """

    name: str
    queries: int
    risks: Risks
    unhit: float = 0.0
    unhit_risks: Risks | None = None
    relative: float = 0.25
    monte_carlo: int = 0


def spread(low: float, high: float) -> Risks:
    """Returns risks that are even on the log scale between 10^low and 10^high."""
    return lambda generator, count: 10 ** generator.uniform(low, high, count)


def cluster(share: float, risk: float) -> Risks:
    """Returns risks near 1e-6 but for a share of very risky queries."""
    return lambda generator, count: np.where(
        generator.random(count) < share, risk, 10 ** generator.normal(-6, 0.5, count)
    ).clip(max=1.0)


def shipped(model: str) -> Risks:
    """Returns the reference risks of an embedded model's misuse queries, in any order."""
    table = pd.read_csv(REFERENCE)
    rows = table[(table["model"] == model) & (table["behaviour"] == "misuse")]
    risks = rows["qrisk"].to_numpy(dtype=float)
    return lambda generator, count: generator.choice(risks, count, replace=count > len(risks))


BELOW, WITHIN = spread(-9, -5), spread(-4, -2)
WORLDS = (
    *(
        World(f"mis, {unhit:.0%} of 300 without a hit, {name}", 300, spread(-6, -1), unhit, risks)
        for unhit in (0.01, 0.05, 0.2, 0.7)
        for name, risks in (("risks below 1e-5", BELOW), ("risks of 1e-4 to 1e-2", WITHIN))
    ),
    *(World(f"mis, all hit, error {r:.0%}", 300, spread(-6, -1), relative=r) for r in (0.1, 0.25, 0.5)),
    World("mis, 8 queries", 8, spread(-3, -0.5)),
    World("mis, 1% at 0.3", 300, cluster(0.01, 0.3)),
    World("mc 1,000, risks 1e-6 to 1e-1", 300, spread(-6, -1), monte_carlo=1_000),
    World("mc 1,000, risks 1e-9 to 1e-1", 300, spread(-9, -1), monte_carlo=1_000),
    World("mc 1,000, all at 1e-3", 300, spread(-3, -3), monte_carlo=1_000),
    World("mc 1,000, all at 1e-5", 300, spread(-5, -5), monte_carlo=1_000),
    World("mc 10,000, risks 1e-6 to 1e-1", 300, spread(-6, -1), monte_carlo=10_000),
    World("mis, shipped risks of aster", 320, shipped("aster")),
    World("mc 1,000, shipped risks of briar", 320, shipped("briar"), monte_carlo=1_000),
    World("mc 100, 8 queries", 8, spread(-4, -0.3), monte_carlo=100),
)  # fmt: skip


def audit(world: World, risks: Array, generator: np.random.Generator) -> pd.DataFrame:
    """Returns an audit's results: weights of the hits are log-normal, their number Poisson."""
    estimate, error = np.zeros(len(risks)), np.zeros(len(risks))
    missed = np.zeros(len(risks), dtype=bool)
    missed[: round(world.unhit * len(risks))] = True
    counted = np.full(len(risks), world.monte_carlo or TARGET_DRAWS)
    plain = missed | (world.monte_carlo > 0)
    hits = generator.binomial(counted, risks)
    share = hits / counted
    estimate[plain] = share[plain]
    error[plain] = np.sqrt(share * (1 - share) / counted)[plain]
    # E[w^2] / E[w]^2 = exp(0.25) for log-normal weights of shape 0.5.
    expected = np.exp(0.25) / world.relative**2
    for place in np.flatnonzero(~plain):
        weights = generator.lognormal(-0.125, 0.5, generator.poisson(expected))
        estimate[place] = min(risks[place] * weights.sum() / expected, 1.0)
        error[place] = risks[place] * np.sqrt((weights**2).sum()) / expected
    second = generator.binomial(COUNTED, risks)
    return pd.DataFrame(
        {
            "model": "one",
            "query_id": np.arange(len(risks)).astype(str),
            "estimate": estimate,
            "standard_error": error,
            "hits": (estimate > 0) * 10,
            "upper_bound_free": 1 - 0.05 ** (1 / counted),
            "confidence": 0.95,
            "ci_low": np.where(share == 1, 0.025 ** (1 / counted), 0.0),
            "greedy_harmful": False,
            "verdict": "trust",
            "mc_samples": COUNTED,
            "mc_hits": second,
        }
    )


def draw_risks(world: World, generator: np.random.Generator) -> Array:
    """Returns the risks of an audit's queries: those without a hit first."""
    risks = world.risks(generator, world.queries)
    if world.unhit_risks is not None:
        count = round(world.unhit * world.queries)
        risks[:count] = world.unhit_risks(generator, count)
    return risks


def population(world: World) -> Array:
    """Returns the share over all queries that could have been asked, at each n."""
    generator = np.random.default_rng(10**6)
    big = World(world.name, 200_000, world.risks, world.unhit, world.unhit_risks)
    return _shares(draw_risks(big, generator))


def _shares(risks: Array) -> Array:
    return np.array([np.mean(-np.expm1(n * np.log1p(-risks.clip(max=1 - 1e-15)))) for n in SIZES])


def measure(world: World, seeds: int) -> Iterator[tuple[str, Array]]:
    """Yields for each band and each n how often the truth is below and above it: (len(SIZES), 2) shares."""
    missed = {name: np.zeros((len(SIZES), 2)) for name in BANDS}
    everywhere = population(world)
    for seed in range(seeds):
        generator = np.random.default_rng(seed)
        risks = draw_risks(world, generator)
        curve = repeated_sampling(audit(world, risks, generator), SIZES)
        ends = (
            (_shares(risks), curve.low, curve.high),
            (curve.direct, curve.direct_low, curve.direct_high),
            (everywhere, curve.choice_low, curve.choice_high),
        )
        for name, (true, low, high) in zip(BANDS, ends, strict=True):
            missed[name] += np.stack([true < low - 1e-9, true > high + 1e-9], axis=1)
    for name in BANDS:
        yield name, missed[name] / seeds


def rows(runs: int) -> Iterator[Row]:
    """Yields a row a world, band and n."""
    for world in WORLDS:
        for name, missed in measure(world, runs):
            for size, (below, above) in zip(SIZES, missed, strict=True):
                if name != "direct count" or size <= COUNTED:
                    yield Row(
                        f"{name}, n = {LISTED[name]}",
                        world.name,
                        below,
                        above,
                        runs,
                        _reason(name, world, size),
                    )


def _reason(band: str, world: World, size: int) -> str:
    draws = world.monte_carlo or TARGET_DRAWS
    if band == "direct count":
        return "counts go in steps; the range allows for one more"
    if world.name.startswith("mis, 1% at") and band == "choice of queries":
        return (
            "of 300 queries none of the risky 1% was asked in one audit of twenty; the note says so"
        )
    if world.queries < 20:
        return "eight queries: one or two hold most of the mean"
    if size >= draws and (world.unhit or world.monte_carlo or world.relative >= 0.5):
        return "beyond what the hits tell: the band spans all that is possible"
    if world.monte_carlo and world.name.endswith("1e-5"):
        return "three hits in all"
    return ""
