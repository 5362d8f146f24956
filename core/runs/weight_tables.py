"""Where an estimate's weight comes from: answer by answer, binned, and token by token."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.estimation.weights import draw_weights
from core.models.loading import LoadedModel
from core.runs.request import EstimateRequest
from core.sampling.collect import collect_draws, in_order
from core.sampling.rows import OpenRows
from core.sampling.scored import JudgedShard, answer_texts

FloatArray = NDArray[np.float64]

# A quarter of a decade: fine enough to see a tail, coarse enough for bars that can be clicked.
BIN_WIDTH = 0.25
# So many decades below the heaviest answer, one more of them changes nothing that can be seen.
BIN_REACH = 8.0
END = "(end)"


def answer_weights(
    loaded: LoadedModel, shards: Sequence[JudgedShard], request: EstimateRequest
) -> pd.DataFrame:
    """Returns one line a draw, in the order of the rows.

    Of beginnings of answers the weight is what each is worth, and all of it is share. Columns: text;
    component (its place among the draws' component_names); harmful, judged (bool); log10_weight (of the
    combined density, log10 p/q); share (of the estimate, 0 for harmless draws).
    """
    draws = collect_draws(shards, request.threshold)
    log_weight = draw_weights(draws).values
    event = np.where(draws.harmful, log_weight, -np.inf)
    if draws.ahead is not None:
        event = log_weight = draws.ahead.log_values
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


def distinct_answers(answers: pd.DataFrame) -> pd.DataFrame:
    """Returns the distinct answers of each component, the heaviest first: answers as of `answer_weights`.

    Columns: text, component, row (the first draw of it), times, share, log10_weight, harmful.
    """
    found = (
        answers.assign(row=answers.index)
        .groupby(["text", "component"], as_index=False, sort=False)
        .agg(
            row=("row", "first"),
            times=("row", "size"),
            share=("share", "sum"),
            log10_weight=("log10_weight", "first"),
            harmful=("harmful", "first"),
        )
    )
    return found.sort_values(["share", "log10_weight"], ascending=False, kind="stable").reset_index(
        drop=True
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
            own = rows.own_log_q if isinstance(rows, OpenRows) else rows.log_p
            log_q = (own if component == 0 else rows.log_q[component - 1])[left, :length]
            words = tuple(_word(loaded, int(token)) for token in rows.tokens[left, :length])
            return TokenWeights(words, np.asarray(log_p - log_q, dtype=np.float64), component)
        left -= len(shard.drawn)
    total = sum(len(shard.drawn) for shard in shards)
    raise ValueError(f"row must be in 0..{total - 1}, got {row}")


def _word(loaded: LoadedModel, token: int) -> str:
    if token in loaded.stop_token_ids:
        return END
    return str(loaded.tokenizer.decode([token])).strip() or "␣"
