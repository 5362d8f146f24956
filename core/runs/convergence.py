"""How an arm's estimate came to be: one row a checkpoint, against samples, seconds and tokens."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.estimation.estimate import estimate_path
from core.runs.request import EstimateRequest
from core.sampling.collect import collect_draws, in_order
from core.sampling.scored import JudgedShard

FIRST_CHECKPOINT = 20
# 12 a decade: a smooth line on a log axis, and few enough to compute every second.
CHECKPOINTS_A_DECADE = 12


def checkpoints(samples: int) -> list[int]:
    """Returns the sizes at which the estimate is looked at: the same for all sizes but the last."""
    if samples <= FIRST_CHECKPOINT:
        return [samples]
    decades = np.log10(samples / FIRST_CHECKPOINT)
    steps = np.arange(int(np.floor(decades * CHECKPOINTS_A_DECADE + 1e-9)) + 1)
    sizes = np.round(FIRST_CHECKPOINT * 10 ** (steps / CHECKPOINTS_A_DECADE)).astype(int)
    return sorted({*sizes[sizes <= samples].tolist(), samples})


def convergence_table(shards: Sequence[JudgedShard], request: EstimateRequest) -> pd.DataFrame:
    """Returns the path of an arm's estimate, its last row from all draws so far.

    Columns: samples, hits, estimate, ci_low, ci_high, cs_low, cs_high (probabilities), and what the
    draws up to there cost: seconds, tokens (spread evenly within a shard).
    """
    ordered = in_order(shards)
    draws = collect_draws(ordered, request.threshold)
    path = estimate_path(draws, checkpoints(draws.samples), method=request.method)
    table = pd.DataFrame(
        {
            name: [getattr(point, name) for point in path]
            for name in ("samples", "hits", "estimate", "ci_low", "ci_high", "cs_low", "cs_high")
        }
    )
    ends = np.cumsum([0] + [len(shard.drawn) for shard in ordered])
    seconds = np.cumsum([0.0] + [shard.drawn.seconds for shard in ordered])
    tokens = np.cumsum([0.0] + [shard.drawn.forward_tokens for shard in ordered])
    table["seconds"] = np.interp(table["samples"], ends, seconds)
    table["tokens"] = np.interp(table["samples"], ends, tokens)
    return table
