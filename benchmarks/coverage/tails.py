"""Worlds of queries: the chance of at least one harmful answer among 200, and the worst of 200 and of 300.

The worlds are those of `benchmarks.tail_clusters`: a few queries of a riskier kind, or all of one kind.
"""

from collections.abc import Iterator

import numpy as np

from benchmarks.coverage.row import Row
from benchmarks.tail_clusters import ASKED, SIZES, WAYS, WORLDS, World, once

# Of the columns that `once` returns: at least one, the worst of 200 and of 300 (as many as were seen).
SHOWN = WAYS.index("shown")
BANDS = (
    f"at least one harmful among {ASKED}",
    *(f"worst of {size:,.0f} queries" for size in SIZES[:2]),
)
BOUND = f"bound of at least one among {ASKED}"


def rows(runs: int) -> Iterator[Row]:
    """Yields a row a world for each forecast, and for the bound that assumes nothing of queries not seen."""
    for world in WORLDS:
        yield from _of_world(world, runs)


def _of_world(world: World, runs: int) -> Iterator[Row]:
    mean = float(world.risks(4_000_000, np.random.default_rng(10**6)).mean())
    fitted = [found for seed in range(runs) if (found := once(world, seed, mean)) is not None]
    place, _, told = (np.array(each) for each in zip(*fitted, strict=True))
    unseen, surplus, bound = told.mean(0)
    reason = "a tail that is wider than it needs to be"
    if "cluster" in world.name:
        reason = (
            f"none of the riskier kind among the 300 seen in {unseen:.0%} of runs; a surplus is "
            f"remarked in {surplus:.0%}"
        )
    for column, band in enumerate(BANDS):
        known = np.isfinite(place[:, SHOWN, column])
        where = place[known, SHOWN, column]
        # -1: the band lies above the truth.
        yield Row(band, world.name, (where == -1).mean(), (where == 1).mean(), len(where), reason)
    held = "it is a bound: it need not be reached"
    yield Row(BOUND, world.name, 0.0, 1 - bound, len(fitted), held)
