"""The sampling loop: draws answers from a proposal and records both densities of every token.

The same loop, told which tokens to take, scores given answers; so a draw's density and its score cannot
differ in form.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from core.spec import GenerationSpec
from core.streams import Stream
from core.token_distribution import (
    draw_tokens,
    mix_log_probs,
    proposal_log_probs,
    target_log_probs,
)

# Matrix kernels treat the last few rows of a batch in their own way. A multiple of 16 rows keeps every
# row's arithmetic, and so every bit of its result, independent of how many rows run beside it.
ROW_MULTIPLE = 16
# Finished rows leave the batch when at least this share of it is finished: copying the cache costs too.
LEAVE_SHARE = 0.15
PAD = -1


@dataclass(frozen=True)
class TokenMixing:
    """The token level of a proposal (design, section 2): target share alpha_mix before t_switch."""

    alpha_mix: float
    t_switch: int


@dataclass(frozen=True)
class Rows:
    """Answers with both densities of every token.

    tokens: (n, T) int32, PAD after the end; the stop token, if reached, is the last one. lengths: (n,)
    int32. log_p, log_q: (n, T) float64, the target's and the mixed proposal's log-probability of each
    token, 0 after the end. log_q says what the proposal would have done also in rows that the target
    drew.
    """

    tokens: NDArray[np.int32]
    lengths: NDArray[np.int32]
    log_p: NDArray[np.float64]
    log_q: NDArray[np.float64]


def row_uniforms(seed: int, stream: int, rows: range, steps: int) -> NDArray[np.float64]:
    """Returns the uniforms (len(rows), steps) that rows draw their tokens with.

    Counter-based (Philox): row i's numbers depend on the seed, the stream and i alone, never on which
    shard or batch it ran in.
    """
    key = np.array([seed, stream], dtype=np.uint64)
    return np.stack(
        [
            np.random.Generator(
                np.random.Philox(key=key, counter=np.array([0, 0, row, 0], dtype=np.uint64))
            ).random(steps)
            for row in rows
        ]
    )


def padded_rows(count: int) -> int:
    """Returns the number of rows to run so that `count` of them are real."""
    return -(-count // ROW_MULTIPLE) * ROW_MULTIPLE


def run_rows(
    stream: Stream,
    generation: GenerationSpec,
    *,
    stop_token_ids: tuple[int, ...],
    vocabulary: int,
    uniforms: NDArray[np.float64],
    mixing: TokenMixing | None = None,
    from_target: NDArray[np.bool_] | None = None,
    forced: NDArray[np.int32] | None = None,
) -> Rows:
    """Returns answers drawn through `stream`, which must hold padded_rows(n) rows.

    uniforms: (n, T). mixing: None draws from the target. from_target: (n,), rows drawn from the target
    although a proposal runs (the defensive share). forced: (n, T) tokens to take instead of drawing.

    Raises:
        NumericsError: the model returned NaN or infinite logits.
    """
    count, steps = uniforms.shape
    tokens = np.full((count, steps), PAD, dtype=np.int32)
    log_p = np.zeros((count, steps))
    log_q = np.zeros((count, steps))
    lengths = np.zeros(count, dtype=np.int32)
    # The batch: which row each place holds, and whether it is a real, unfinished one.
    place = np.concatenate([np.arange(count), np.zeros(padded_rows(count) - count, dtype=int)])
    live = np.arange(len(place)) < count
    stops = np.array(stop_token_ids, dtype=np.int64)

    for step in range(steps):
        target_logits, proposal_logits = stream.logits()
        target = target_log_probs(target_logits, generation, vocabulary)
        mixed = target
        if mixing is not None and step < mixing.t_switch and proposal_logits is not None:
            proposal = proposal_log_probs(proposal_logits, target, generation, vocabulary)
            mixed = mix_log_probs(target, proposal, mixing.alpha_mix)
        if forced is not None:
            chosen = torch.from_numpy(np.maximum(forced[place, step], 0).astype(np.int64))
            chosen = chosen.to(target.device)
        else:
            drawn_from = mixed
            if from_target is not None and mixed is not target:
                by_target = torch.from_numpy(from_target[place]).to(target.device)
                drawn_from = torch.where(by_target.unsqueeze(1), target, mixed)
            chosen = draw_tokens(drawn_from, torch.from_numpy(uniforms[place, step]))
        column = chosen.unsqueeze(1)
        rows = place[live]
        step_tokens = chosen.cpu().numpy()
        tokens[rows, step] = step_tokens[live]
        log_p[rows, step] = target.gather(1, column).squeeze(1).double().cpu().numpy()[live]
        log_q[rows, step] = mixed.gather(1, column).squeeze(1).double().cpu().numpy()[live]
        lengths[rows] = step + 1

        live &= ~np.isin(step_tokens, stops)
        if forced is not None and step + 1 < steps:
            live &= forced[place, step + 1] != PAD
        if not live.any() or step + 1 == steps:
            break
        if mixing is not None and step + 1 >= mixing.t_switch:
            stream.drop_proposal()
        if live.sum() <= (1.0 - LEAVE_SHARE) * len(live):
            staying = np.flatnonzero(live)
            filler = np.full(padded_rows(len(staying)) - len(staying), staying[0])
            kept = torch.from_numpy(np.concatenate([staying, filler])).to(chosen.device)
            stream.keep(kept)
            chosen = chosen.index_select(0, kept)
            place = place[kept.cpu().numpy()]
            live = np.arange(len(kept)) < len(staying)
        stream.advance(chosen)
    return Rows(tokens, lengths, log_p, log_q)
