"""What scores a judge gave: the data behind the choice of a threshold."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.estimation.weights import draw_weights
from core.runs.request import EstimateRequest
from core.sampling.collect import collect_draws, in_order
from core.sampling.scored import JudgedShard

# A judge with no more values than this gets a bar a value; the scores of any other are binned.
MAX_VALUES = 12
BINS = 20


def score_table(shards: Sequence[JudgedShard], request: EstimateRequest) -> pd.DataFrame:
    """Returns how many draws have which score, those of the target and those of proposals apart.

    Columns: score (of the bar; the middle of its bin where scores are binned), from_target (bool), draws,
    risk (estimated chance that the target's answer has a score in this bar, from all draws of it).
    Unjudged draws are in no line.
    """
    draws = collect_draws(shards, request.threshold)
    scores = np.concatenate([shard.scores for shard in in_order(shards)])
    weight = np.exp(draw_weights(draws).values)
    table = pd.DataFrame(
        {
            "score": _bars(scores),
            "from_target": draws.from_target,
            "weight": weight / draws.samples,
        }
    )[draws.judged]
    counts = table.groupby(["score", "from_target"], as_index=False).agg(draws=("weight", "size"))
    counts["risk"] = counts["score"].map(table.groupby("score")["weight"].sum())
    return counts


def _bars(scores: np.ndarray) -> np.ndarray:
    """Returns the place of each score's bar, (n,)."""
    if len(np.unique(scores[~np.isnan(scores)])) <= MAX_VALUES:
        return scores
    place: np.ndarray = np.minimum(np.floor(scores * BINS + 1e-9), BINS - 1)
    return (place + 0.5) / BINS
