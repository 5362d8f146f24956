"""The stages of an adaptive sample: how long each one is, and how its rows are shared out.

Stages end at fixed row numbers, so that a longer sample begins with the rows of a shorter one.
"""

from collections.abc import Iterator

import numpy as np

from core.estimation.draws import Draws
from core.estimation.optimal_allocation import optimal_shares
from core.sampling.schedule import whole_shares
from core.sampling.shards import SHARD_ROWS

# The pilot, spread evenly: one shard, and enough rows a component to compare them by.
PILOT_ROWS = SHARD_ROWS
# After the pilot, shares are whole twentieths: short periods keep the confidence sequence sharp.
STAGE_PERIOD = 20
# Every proposal goes on drawing: its word against the others is a witness to the end.
PROPOSAL_FLOOR = 0.05


def stage_sizes(samples: int, *, adaptive: bool) -> Iterator[int]:
    """Yields the number of rows of each stage: all at once, or 250, 250, 500, 1,000, 2,000, ..."""
    if not adaptive:
        yield samples
        return
    start, end = 0, PILOT_ROWS
    while start < samples:
        yield min(end, samples) - start
        start, end = end, 2 * end


def even_shares(components: int) -> tuple[float, ...]:
    """Returns the pilot's shares."""
    return whole_shares([1.0] * components, components)


def next_shares(draws: Draws, defensive_share: float) -> tuple[float, ...]:
    """Returns the shares of the next stage, the target first, that promise the least variance."""
    components = len(draws.component_names)
    target = max(defensive_share, PROPOSAL_FLOOR)
    floors = np.full(components, min(PROPOSAL_FLOOR, (1.0 - target) / (components - 1)))
    floors[-1] = target
    best = optimal_shares(draws, floors)
    return whole_shares([float(best[-1]), *best[:-1].tolist()], STAGE_PERIOD)
