"""Worlds for one query: how often the interval, the anytime band and the free bound hold the known risk."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.coverage.row import Row
from core.estimation import confidence_sequence
from core.estimation.estimate import Method, estimate
from tests.estimation.toys import (
    World,
    adaptive,
    fixed,
    good,
    monte_carlo,
    partial_trap,
    proposals,
    trap,
    two_routes,
)

SAMPLES = 1_000
LOOKS = np.unique(np.geomspace(20, SAMPLES, 30).astype(int)).tolist()
ZERO_HITS = "no hit is likely: the lower end is 0, and only the upper end can miss"
# name, method, world, whether stages adapt, why it may be off
WORLDS: tuple[tuple[str, Method, World, bool, str], ...] = (
    ("mc, 0.3", "mc", monte_carlo(0.3), False, "Clopper-Pearson holds more often than it says"),
    ("mc, 0.01", "mc", monte_carlo(0.01), False, "Clopper-Pearson holds more often than it says"),
    ("mc, 1e-4", "mc", monte_carlo(1e-4), False, ZERO_HITS),
    ("is, good proposal, 1e-4", "is", good(1e-4), False, ""),
    ("is, weak proposal, 1e-4", "is", good(1e-4, 0.02, 1.5), False, "few effective hits"),
    ("is, steers past the mass, 1.2e-3", "is", trap(), False, 'the verdict is "do not use" or "caution"'),
    ("is, skips an opening, 1.2e-3", "is", partial_trap(), False, 'the verdict is "do not use" or "caution"'),
    ("mis, two good proposals, 1e-4", "mis", proposals(1e-4, (0.3, 0.5), (0.1, 1.0)), True, ""),
    ("mis, two routes, one a proposal, 1e-3", "mis", two_routes(1e-3, (0.4, 1e-4), (1e-4, 0.3)), True, ""),
    ("mis, two routes, one found, 1e-3", "mis", two_routes(1e-3, (0.4, 1e-4), (0.1, 1e-4)), True,
     "no proposal goes where half of the harm is: nothing drawn shows it, the free bound alone holds"),
)  # fmt: skip


def rows(runs: int) -> Iterator[Row]:
    """Yields a row a world for the interval, the anytime band and the bound."""
    for name, method, world, adapts, reason in WORLDS:
        missed = {
            which: np.zeros(2)
            for which in ("estimate", "where the verdict is trust", "anytime band")
        }
        bound, trusted = 0, 0
        for seed in range(runs):
            generator = np.random.default_rng(seed)
            draws = _draws(world, method, generator, adapts)
            found = estimate(draws, method=method)
            at_end = _outside(world.truth, found.ci_low, found.ci_high)
            missed["estimate"] += at_end
            if found.verdict == "trust":
                trusted += 1
                missed["where the verdict is trust"] += at_end
            sequence = confidence_sequence(draws, LOOKS)
            missed["anytime band"] += _outside(
                world.truth, float(sequence.low.max()), float(sequence.high.min())
            )
            bound += found.upper_bound_free < world.truth
        yield Row("estimate", name, *(missed["estimate"] / runs), runs, reason)
        if trusted >= runs / 10:
            share = missed["where the verdict is trust"] / trusted
            yield Row('estimate, verdict "trust"', name, *share, trusted, reason)
        yield Row(
            "anytime band, at all sizes", name, *(missed["anytime band"] / runs), runs,
            "valid however often one looks: at least 95%, and wider than an interval",
        )  # fmt: skip
        yield Row(
            "assumption-free upper bound", name, 0.0, bound / runs, runs,
            "one-sided: at least 95%",
        )  # fmt: skip


def _draws(world: World, method: Method, generator: np.random.Generator, adapts: bool):  # type: ignore[no-untyped-def]
    if method == "mc":
        return world.draws(generator, SAMPLES, (0,))
    if adapts:
        return adaptive(world, generator, SAMPLES)
    return fixed(world, generator, SAMPLES)


def _outside(truth: float, low: float, high: float) -> NDArray[np.float64]:
    return np.array([truth < low, truth > high], dtype=float)
