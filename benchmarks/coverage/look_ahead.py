"""Worlds of look-ahead: what 300 beginnings are worth, its interval and the bound that assumes nothing."""

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.coverage.row import Row
from core.estimation.ahead import ahead_estimate
from core.estimation.draws import Ahead, Draws

DRAWS = 300
Values = Callable[[np.random.Generator], np.ndarray]
UNMET = "most of the harm is where few samples come: the report cautions, and the bound holds"
# name, values of the rows, their mean
WORLDS: tuple[tuple[str, Values, float], ...] = (
    ("even", lambda g: g.uniform(0, 2e-3, DRAWS), 1e-3),
    ("log-normal, sigma 1", lambda g: np.exp(g.normal(np.log(1e-4) - 0.5, 1.0, DRAWS)), 1e-4),
    ("log-normal, sigma 2", lambda g: np.exp(g.normal(np.log(1e-4) - 2.0, 2.0, DRAWS)), 1e-4),
    ("one in twenty, equal", lambda g: np.where(g.random(DRAWS) < 0.05, 2e-3, 0.0), 1e-4),
    ("one in fifty, worth 1", lambda g: (g.random(DRAWS) < 0.02).astype(float), 0.02),
    (
        "one in a thousand, worth 1; none else",
        lambda g: (g.random(DRAWS) < 1e-3).astype(float),
        1e-3,
    ),
    (
        "one in a thousand, worth 1; the others 1e-5",
        lambda g: np.where(g.random(DRAWS) < 1e-3, 1.0, g.uniform(0.5e-5, 1.5e-5, DRAWS)),
        1e-3 + 1e-5,
    ),
)


def rows(runs: int) -> Iterator[Row]:
    """Yields a row a world for the interval, and one for the bound."""
    for name, values, mean in WORLDS:
        below = above = beyond = 0
        for seed in range(runs):
            with np.errstate(divide="ignore"):
                worth = Ahead(np.log(values(np.random.default_rng(seed))), exact=0.0, largest=1.0)
            found = ahead_estimate(Draws.of_beginnings(worth))
            below += mean < found.ci_low
            above += mean > found.ci_high
            beyond += mean > found.upper_bound_free
        world = f"look-ahead, {DRAWS} draws: {name}"
        yield Row("estimate by look-ahead", world, below / runs, above / runs, runs, UNMET)
        held = "valid for any values in 0 to 1, and wider for it"
        yield Row("look-ahead, bound that assumes nothing", world, 0.0, beyond / runs, runs, held)
