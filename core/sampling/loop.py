"""The sampling loop: draws answers from a proposal and records both densities of every token.

The same loop, told which tokens to take, scores given answers; so a draw's density and its score cannot
differ in form.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from core.models.batching import padded_rows
from core.sampling.rows import Rows
from core.sampling.streams import Stream
from core.sampling.token_distribution import (
    draw_tokens,
    mix_log_probs,
    proposal_log_probs,
    target_log_probs,
)
from core.sampling.token_rules import RuledStream
from core.spec import GenerationSpec
from core.tasks import Beat, Progress, Steps, at_once, check_cancelled

# Places of the batch that no row needs any more are given up when they are at least this share of it:
# copying the cache costs too.
LEAVE_SHARE = 0.15
PAD = -1


@dataclass(frozen=True)
class TokenMixing:
    """A proposal's mixing at each token: the target's share is alpha_mix before t_switch, 1 from there on."""

    alpha_mix: float
    t_switch: int


# What a component mixes whose proposal leaves the target as it is.
TARGET = TokenMixing(alpha_mix=1.0, t_switch=0)


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


def row_steps(
    stream: Stream,
    generation: GenerationSpec,
    *,
    stop_token_ids: tuple[int, ...],
    vocabulary: int,
    uniforms: NDArray[np.float64],
    mixings: Sequence[TokenMixing] = (),
    component: NDArray[np.int64] | None = None,
    forced: NDArray[np.int32] | None = None,
    prompts: NDArray[np.int64] | None = None,
) -> Steps[None, Rows]:
    """Returns answers drawn through a fresh `stream`; yields the progress, in answers, between tokens.

    Rows that have said the same so far share one place in the batch: their next token has the same
    distributions, so they are computed once. Each row still draws with its own random number.

    uniforms: (n, T). mixings: of the J proposals; none draws from the target. component: (n,) or (n, T),
    what draws each row or token, 0 the target and j the j-th proposal; the last proposal if left out.
    forced: (n, T) tokens to take instead of drawing. prompts: (n,), which of the stream's prompts each
    row continues; the first one if left out.

    Raises:
        NumericsError: the model returned NaN or infinite logits.
    """
    if generation.has_token_rules:
        stream = RuledStream(stream, generation, vocabulary)
    count, steps = uniforms.shape
    tokens = np.full((count, steps), PAD, dtype=np.int32)
    log_p = np.zeros((count, steps))
    log_q = np.zeros((len(mixings), count, steps))
    lengths = np.zeros(count, dtype=np.int32)
    stops = np.array(stop_token_ids, dtype=np.int64)
    drawn_by = by_token(component, len(mixings), (count, steps))
    rows = np.arange(count)  # unfinished ones
    place = np.zeros(count, dtype=np.int64) if prompts is None else prompts  # of each of them
    for number, mixing in enumerate(mixings, start=1):
        if mixing.t_switch == 0:
            stream.drop(number)

    beat = Beat()
    for step in range(steps):
        check_cancelled()
        if beat.due:
            # Most answers end before the last step: those that have ended are whole.
            yield Progress(count - len(rows) * (1.0 - step / steps), count, "answers")
        target, *mixed = distributions(stream, generation, vocabulary, mixings)
        if forced is not None:
            chosen = forced[rows, step].astype(np.int64)
        else:
            chosen = drawn([target, *mixed], place, drawn_by[rows, step], uniforms[rows, step])
        tokens[rows, step] = chosen
        log_p[rows, step] = chosen_log_probs(target, place, chosen)
        for number, own in enumerate(mixed):
            log_q[number, rows, step] = (
                log_p[rows, step] if own is target else chosen_log_probs(own, place, chosen)
            )
        lengths[rows] = step + 1

        going = ~np.isin(chosen, stops)
        if forced is not None and step + 1 < steps:
            going &= forced[rows, step + 1] != PAD
        if not going.any() or step + 1 == steps:
            break
        rows, place, chosen = rows[going], place[going], chosen[going]
        for number, mixing in enumerate(mixings, start=1):
            if step + 1 >= mixing.t_switch:
                stream.drop(number)
        place = moved_on(stream, len(target), place, chosen)
    return Rows(tokens, lengths, log_p, log_q)


run_rows = at_once(row_steps)


def by_token(
    component: NDArray[np.int64] | None, last: int, shape: tuple[int, int]
) -> NDArray[np.int64]:
    """Returns which component draws each token, (n, T)."""
    if component is None:
        return np.full(shape, last, dtype=np.int64)
    return np.broadcast_to(component if component.ndim == 2 else component[:, None], shape)


def distributions(
    stream: Stream,
    generation: GenerationSpec,
    vocabulary: int,
    mixings: Sequence[TokenMixing],
) -> list[torch.Tensor]:
    """Returns the next token's log-probabilities at every place: the target's, then each proposal's.

    A proposal that the stream has dropped, from its switch on, is the target.
    """
    target_logits, *logits = stream.logits()
    assert target_logits is not None, "the target is never dropped"
    target = target_log_probs(target_logits, generation, vocabulary)
    found = [target]
    for own, mixing in zip(logits, mixings, strict=True):
        if own is None:
            found.append(target)
            continue
        proposal = proposal_log_probs(own, target, generation, vocabulary)
        found.append(mix_log_probs(target, proposal, mixing.alpha_mix))
    return found


def drawn(
    distributions: Sequence[torch.Tensor],
    place: NDArray[np.int64],
    component: NDArray[np.int64],
    uniforms: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Returns each row's token, (n,), drawn from its component's distribution at its place."""
    chosen = np.empty(len(place), dtype=np.int64)
    for number, log_probs in enumerate(distributions):
        mine = component == number
        if mine.any():
            at = torch.from_numpy(place[mine]).to(log_probs.device)
            drawn = draw_tokens(log_probs, at, torch.from_numpy(uniforms[mine]))
            chosen[mine] = drawn.cpu().numpy()
    return chosen


def chosen_log_probs(
    log_probs: torch.Tensor, place: NDArray[np.int64], chosen: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Returns the log-probability of each row's token, (n,)."""
    index = torch.from_numpy(np.stack([place, chosen])).to(log_probs.device)
    return np.asarray(log_probs[index[0], index[1]].cpu().double().numpy())


def moved_on(
    stream: Stream, places: int, place: NDArray[np.int64], chosen: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Moves the stream on by one token and returns each row's new place.

    A place whose rows chose different tokens is split; one that no row needs is given up, at once if the
    batch changes anyway.
    """
    pairs, index = np.unique(np.stack([place, chosen]), axis=1, return_inverse=True)
    parents, tokens = pairs
    splits = len(np.unique(parents)) < len(parents)
    if not splits and len(parents) > (1.0 - LEAVE_SHARE) * places:
        fed = np.zeros(places, dtype=np.int64)
        fed[parents] = tokens
        stream.advance(torch.from_numpy(fed))
        return place
    filler = padded_rows(len(parents)) - len(parents)
    stream.keep(torch.from_numpy(np.append(parents, np.full(filler, parents[0]))))
    stream.advance(torch.from_numpy(np.append(tokens, np.full(filler, tokens[0]))))
    return np.asarray(index).reshape(-1)
