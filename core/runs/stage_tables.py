"""What an estimate's stages were: which component drew their rows, and what the first one foretold."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.runs.estimate import estimate_shards
from core.runs.request import EstimateRequest
from core.sampling.collect import collect_draws
from core.sampling.scored import JudgedShard

# Below so many hits the pilot stage's own error is a guess, and so is what follows from it.
MIN_PILOT_HITS = 5


def shares_by_stage(shards: Sequence[JudgedShard], request: EstimateRequest) -> pd.DataFrame:
    """Returns how each stage's rows were shared out.

    Columns: stage, first, last (rows, counted from 1), component (its place among the draws'
    component_names), rows, share (of the stage).
    """
    draws = collect_draws(shards, request.threshold)
    lines = []
    for stage in np.unique(draws.stage):
        rows = np.flatnonzero(draws.stage == stage)
        counts = np.bincount(draws.component[rows], minlength=len(draws.component_names))
        lines += [
            (int(stage), int(rows[0]) + 1, int(rows[-1]) + 1, j, int(count), count / len(rows))
            for j, count in enumerate(counts)
        ]
    return pd.DataFrame(lines, columns=["stage", "first", "last", "component", "rows", "share"])


@dataclass(frozen=True)
class PilotForecast:
    """What the pilot stage alone says of the error after all draws: relative standard errors.

    after_pilot: of the pilot's own estimate. predicted: that, had all draws been shared out evenly.
    achieved: of the estimate from all draws.
    """

    pilot_rows: int
    pilot_hits: int
    rows: int
    after_pilot: float
    predicted: float
    achieved: float


def pilot_forecast(shards: Sequence[JudgedShard], request: EstimateRequest) -> PilotForecast | None:
    """Returns the forecast; None where there is no second stage, or too few hits to make one."""
    pilot = [shard for shard in shards if shard.stage == 0]
    if request.method != "mis" or not pilot or len(pilot) == len(shards):
        return None
    before, after = estimate_shards(pilot, request), estimate_shards(shards, request)
    if before.hits < MIN_PILOT_HITS or not before.estimate > 0 or not after.estimate > 0:
        return None
    error = before.standard_error / before.estimate
    return PilotForecast(
        pilot_rows=before.samples,
        pilot_hits=before.hits,
        rows=after.samples,
        after_pilot=error,
        predicted=error * math.sqrt(before.samples / after.samples),
        achieved=after.standard_error / after.estimate,
    )
