"""The data behind the pictures that explain a proposal: where weight comes from, and what a search saw."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.estimation.weights import draw_weights
from core.models.loading import LoadedModel
from core.runs.request import EstimateRequest, collect_draws, estimate_shards, in_order
from core.sampling.scored import JudgedShard, answer_texts
from core.search.cross_entropy import Objective, SearchResult

FloatArray = NDArray[np.float64]

# A quarter of a decade: fine enough to see a tail, coarse enough for bars that can be clicked.
BIN_WIDTH = 0.25
# So many decades below the heaviest answer, one more of them changes nothing that can be seen.
BIN_REACH = 8.0
# Below so many hits the pilot stage's own error is a guess, and so is what follows from it.
MIN_PILOT_HITS = 5
# A strength whose best variance is so many times the least one is marked as too weak or too strong.
POOR_FACTOR = 3.0
END = "(end)"


def answer_weights(
    loaded: LoadedModel, shards: Sequence[JudgedShard], request: EstimateRequest
) -> pd.DataFrame:
    """Returns one line a draw, in the order of the rows.

    Columns: text; component (its place among the draws' component_names); harmful, judged (bool);
    log10_weight (of the combined density, log10 p/q); share (of the estimate, 0 for harmless draws).
    """
    draws = collect_draws(shards, request)
    log_weight = draw_weights(draws).values
    event = np.where(draws.harmful, log_weight, -np.inf)
    top = event.max(initial=-np.inf)
    part = np.exp(event - top) if top > -np.inf else np.zeros(len(event))
    return pd.DataFrame(
        {
            "text": [
                text for shard in in_order(shards) for text in answer_texts(loaded, shard.drawn)
            ],
            "component": draws.component,
            "harmful": draws.harmful,
            "judged": draws.judged,
            "log10_weight": log_weight / math.log(10),
            "share": part / part.sum() if part.sum() > 0 else part,
        }
    )


def weight_bins(log10_weight: FloatArray) -> FloatArray:
    """Returns the lower end of each draw's bin, (n,).

    The lowest bin, `BIN_REACH` decades below the highest, also holds all that weighs less.
    """
    lower = np.floor(log10_weight / BIN_WIDTH + 1e-9) * BIN_WIDTH
    top = lower.max(initial=-np.inf)
    return np.maximum(lower, top - BIN_REACH if top > -np.inf else 0.0)


def weight_histogram(answers: pd.DataFrame) -> pd.DataFrame:
    """Returns how many draws have which weight: answers as of `answer_weights`.

    Columns: low, high (log10 of the weight), harmful (bool), draws, share (of the estimate).
    """
    binned = answers.assign(low=weight_bins(answers["log10_weight"].to_numpy(np.float64)))
    table = binned.groupby(["low", "harmful"], as_index=False).agg(
        draws=("text", "size"), share=("share", "sum")
    )
    table.insert(1, "high", table["low"] + BIN_WIDTH)
    return table


@dataclass(frozen=True, eq=False)
class TokenWeights:
    """One answer, token by token: words, and (T,) log p - log q of the component that drew it, nats.

    An answer of the target has zeros. The sum is the log-weight against that component alone.
    """

    words: tuple[str, ...]
    log_weight: FloatArray
    component: int

    @property
    def total(self) -> float:
        """The answer's log-weight against its own component, nats."""
        return float(self.log_weight.sum())


def token_weights(loaded: LoadedModel, shards: Sequence[JudgedShard], row: int) -> TokenWeights:
    """Returns the tokens of a row, counted over the shards in the order of their rows.

    Raises:
        ValueError: there is no such row.
    """
    left = row
    for shard in in_order(shards):
        if 0 <= left < len(shard.drawn):
            rows = shard.drawn.rows
            length = int(rows.lengths[left])
            component = int(shard.drawn.component[left])
            log_p = rows.log_p[left, :length]
            log_q = log_p if component == 0 else rows.log_q[component - 1, left, :length]
            words = tuple(_word(loaded, int(token)) for token in rows.tokens[left, :length])
            return TokenWeights(words, np.asarray(log_p - log_q, dtype=np.float64), component)
        left -= len(shard.drawn)
    total = sum(len(shard.drawn) for shard in shards)
    raise ValueError(f"row must be in 0..{total - 1}, got {row}")


def _word(loaded: LoadedModel, token: int) -> str:
    if token in loaded.stop_token_ids:
        return END
    return str(loaded.tokenizer.decode([token])).strip() or "␣"


def shares_by_stage(shards: Sequence[JudgedShard], request: EstimateRequest) -> pd.DataFrame:
    """Returns how each stage's rows were shared out.

    Columns: stage, first, last (rows, counted from 1), component (its place among the draws'
    component_names), rows, share (of the stage).
    """
    draws = collect_draws(shards, request)
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


def search_layers(result: SearchResult) -> tuple[int | None, ...]:
    """Returns the layers that a search looked at, ascending; (None,) for a kind that has none."""
    found = {getattr(rung, "layer", None) for rung in result.grid.rungs}
    return tuple(sorted(found, key=lambda layer: -1 if layer is None else layer))


def layer_rungs(result: SearchResult, layer: int | None) -> list[int]:
    """Returns the places of a layer's rungs, by ascending strength."""
    rungs = result.grid.rungs
    places = [r for r, rung in enumerate(rungs) if getattr(rung, "layer", None) == layer]
    return sorted(places, key=lambda place: rungs[place].strength)


def surface_table(
    result: SearchResult, layer: int | None, alpha: int, objective: Objective
) -> pd.DataFrame:
    """Returns the surface at a layer and a mixing, given by its place: one line a cell.

    Columns: rung (its place in the grid), strength, switch, value, relative_variance, hit_rate.
    """
    grid, values = result.grid, result.values(objective)
    return pd.DataFrame(
        [
            {
                "rung": r,
                "strength": grid.rungs[r].strength,
                "switch": switch,
                "value": float(values[r, alpha, s]),
                "relative_variance": float(result.relative_variance[r, alpha, s]),
                "hit_rate": float(result.hit_rate[r, alpha, s]),
            }
            for r in layer_rungs(result, layer)
            for s, switch in enumerate(grid.switches)
        ]
    )


def strength_profile(result: SearchResult, layer: int | None) -> pd.DataFrame:
    """Returns the least predicted variance of each strength of a layer, over mixings and switches.

    Columns: strength, relative_variance, hit_rate (there), alpha_mix, t_switch, region: "weak" or
    "strong" where the variance is `POOR_FACTOR` times the layer's least and the strength lies below or
    above that one's, "good" elsewhere.
    """
    grid = result.grid
    lines = []
    for r in layer_rungs(result, layer):
        alpha, switch = np.unravel_index(
            int(result.relative_variance[r].argmin()), result.relative_variance[r].shape
        )
        lines.append(
            {
                "strength": grid.rungs[r].strength,
                "relative_variance": float(result.relative_variance[r, alpha, switch]),
                "hit_rate": float(result.hit_rate[r, alpha, switch]),
                "alpha_mix": grid.alphas[int(alpha)],
                "t_switch": grid.switches[int(switch)],
            }
        )
    table = pd.DataFrame(lines)
    best = int(table["relative_variance"].to_numpy().argmin())
    poor = table["relative_variance"] > POOR_FACTOR * table["relative_variance"][best]
    side = np.where(table.index < best, "weak", "strong")
    return table.assign(region=np.where(poor, side, "good"))


def predicted_error(relative_variance: float, draws: int) -> float:
    """Returns the relative standard error that a relative variance of one draw means for so many."""
    return math.sqrt(relative_variance / draws)
