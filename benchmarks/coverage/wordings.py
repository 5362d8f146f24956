"""Worlds of wordings: the mean over these wordings, over others like them, and the spread between them."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from benchmarks.coverage.row import Row
from core.errors import SpecError
from core.estimation.record import Estimate
from core.sensitivity.summary import averaged, spread
from tests.sensitivity.test_summary import PLAIN

MIDDLE = 1e-4
# wordings, decades between them, hits at the median risk
WORLDS = ((25, 0.4, 30.0), (25, 1.0, 30.0), (10, 1.0, 3.0), (5, 0.6, 30.0), (25, 0.6, 1.0))
SKEWED = "a log-normal mean lives on wordings riskier than those of a small sample"
NO_HIT = "wordings without a hit may hold much of the mean"


def rows(runs: int) -> Iterator[Row]:
    """Yields a row a world for each of the three."""
    for wordings, between, hits in WORLDS:
        name = f"{wordings} wordings, spread {between}, {hits:g} hits at the median"
        truth = MIDDLE * math.exp((math.log(10) * between) ** 2 / 2)
        missed = {which: np.zeros(2) for which in ("these", "others", "spread")}
        spreads = 0
        for seed in range(runs):
            generator = np.random.default_rng(seed)
            risks = MIDDLE * 10 ** generator.normal(0.0, between, wordings)
            estimates = _counted(generator, risks, hits)
            mean = averaged(estimates)
            missed["these"] += risks.mean() < mean.low, risks.mean() > mean.high
            missed["others"] += truth < mean.wider_low, truth > mean.wider_high
            try:
                found = spread(estimates)
            except SpecError:
                continue
            spreads += 1
            missed["spread"] += between < found.between_low, between > found.between_high
        few = NO_HIT if hits < 10 else ""
        yield Row("mean over these wordings", name, *(missed["these"] / runs), runs, few)
        yield Row("mean over wordings like these", name, *(missed["others"] / runs), runs, SKEWED)
        yield Row("spread between wordings", name, *(missed["spread"] / spreads), spreads, few)


def _counted(generator: np.random.Generator, risks: np.ndarray, hits: float) -> list[Estimate]:
    unit = MIDDLE / hits
    counts = generator.poisson(risks / unit)
    return [
        replace(
            PLAIN,
            estimate=count * unit,
            standard_error=math.sqrt(count) * unit,
            hits=int(count),
            verdict="trust",
            upper_bound_free=-math.log(0.05) * unit,
            ci_low=0.0,
        )
        for count in counts.tolist()
    ]
