"""Millions of exact draws at the price of the distinct ones: sampling through a tree of prefixes.

A node is a prefix that ``count`` of the draws share. Its next tokens are one multinomial draw of
size ``count``, and only children that were drawn are visited. The leaves are distributed exactly as
independent draws would be; ten million of them cost as many forward passes as there are distinct
prefixes among them. With a proposal in place of the model the same tree does importance sampling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from transformers import DynamicCache

Combine = Callable[[list[np.ndarray]], np.ndarray]


class NextLogProbs(Protocol):
    """Log-probabilities of the next token under one or several conditionings, prefix by prefix.

    ``start`` answers for the empty prefix of every root (query), ``advance`` for new rows that each
    add a token to a row of before. ``memory`` is whatever is needed to go on; each array of the
    list is (rows, vocabulary) float64, in nats. The first conditioning is the target's.
    """

    def start(self) -> tuple[list[np.ndarray], Any]: ...

    def advance(
        self, memory: Any, parents: np.ndarray, tokens: np.ndarray
    ) -> tuple[list[np.ndarray], Any]: ...


class ModelUnderPrompts:
    """Any causal language model of Transformers, under several conditionings at once.

    ``prompts``: for each conditioning (roots, prompt length) token ids. ``shared_prompt`` does the
    same several times faster for the embedded models.
    """

    def __init__(self, model: Any, prompts: list[np.ndarray]) -> None:
        self._model = model
        self._prompts = prompts

    @torch.inference_mode()
    def _forward(self, tokens: torch.Tensor, past: Any) -> tuple[np.ndarray, Any]:
        cache = DynamicCache() if past is None else DynamicCache(past)
        out = self._model(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1)
        logits = out.logits[:, -1].float()
        if not torch.isfinite(logits).all():
            raise ValueError("the model gave a logit that is not finite")
        log_p = torch.log_softmax(logits, -1).double()
        # renormalised in float64: the draw and the weight use the same numbers, which sum to 1
        log_p -= torch.logsumexp(log_p, -1, keepdim=True)
        return log_p.numpy(), [(layer.keys, layer.values) for layer in cache.layers]

    def start(self) -> tuple[list[np.ndarray], Any]:
        both = [self._forward(torch.from_numpy(prompt), None) for prompt in self._prompts]
        return [b[0] for b in both], [b[1] for b in both]

    def advance(
        self, memory: Any, parents: np.ndarray, tokens: np.ndarray
    ) -> tuple[list[np.ndarray], Any]:
        index, column = torch.from_numpy(parents), torch.from_numpy(tokens[:, None])
        pasts = [[(k[index], v[index]) for k, v in past] for past in memory]
        both = [self._forward(column, past) for past in pasts]
        return [b[0] for b in both], [b[1] for b in both]


def target_only(log_probs: list[np.ndarray]) -> np.ndarray:
    """Draws from the target itself: plain Monte Carlo."""
    return log_probs[0]


def mixture(alpha: float) -> Combine:
    """q = alpha * target + (1 - alpha) * the model under the last prompt, token by token."""

    def combine(log_probs: list[np.ndarray]) -> np.ndarray:
        return np.logaddexp(np.log(alpha) + log_probs[0], np.log1p(-alpha) + log_probs[-1])

    return combine


def levelled(alpha: float, least: float) -> Combine:
    """q = alpha * target + (1 - alpha) * uniform over the tokens the target gives at least ``least``.

    It knows nothing of any prompt: every branch is simply taken about as often as its siblings.
    """

    def combine(log_probs: list[np.ndarray]) -> np.ndarray:
        p = np.exp(log_probs[0])
        plausible = p >= least
        uniform = plausible / plausible.sum(-1, keepdims=True)
        return np.log(alpha * p + (1 - alpha) * uniform)

    return combine


@dataclass(frozen=True)
class Leaves:
    """Distinct drawn sequences of all roots.

    ``root`` (n,) int64 says whose they are; ``count`` (n,) int64; ``log_p``, ``log_q`` (n,) float64,
    nats. ``tokens`` include the stop token, unless the sequence was cut at the longest length.
    """

    tokens: list[tuple[int, ...]]
    root: np.ndarray
    count: np.ndarray
    log_p: np.ndarray
    log_q: np.ndarray


def _multinomial(rng: np.random.Generator, counts: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """(rows, vocabulary) int64 multinomial draws of size ``counts`` (rows,)."""
    q = np.exp(log_q)
    # numpy's multinomial stops at the last success, so likely tokens first saves most of the work
    order = np.argpartition(-q, 8, axis=-1) if q.shape[-1] > 9 else np.argsort(-q, axis=-1)
    sorted_q = np.take_along_axis(q, order, -1)
    sorted_q /= sorted_q.sum(-1, keepdims=True)
    drawn = np.empty_like(order)
    np.put_along_axis(drawn, order, rng.multinomial(counts, sorted_q), -1)
    return drawn


@dataclass(frozen=True)
class _Frontier:
    """Prefixes of one length: their tokens (rows, depth), counts, log-densities and model memory."""

    root: np.ndarray
    prefix: np.ndarray
    count: np.ndarray
    log_p: np.ndarray
    log_q: np.ndarray
    next_log_probs: list[np.ndarray]
    memory: Any


def sample_tree(
    source: NextLogProbs,
    combine: Combine,
    draws: int,
    roots: int,
    rng: np.random.Generator,
    stop_ids: tuple[int, ...],
    longest: int = 40,
    rows_at_once: int = 2048,
) -> Leaves:
    """The leaves of ``draws`` independent sequences a root from the proposal ``combine`` makes.

    Frontiers wider than ``rows_at_once`` are split and finished one part after the other, which
    bounds memory.
    """
    log_probs, memory = source.start()
    zero = np.zeros(roots)
    none = np.empty((roots, 0), np.int64)
    count = np.full(roots, draws)
    stack = [_Frontier(np.arange(roots), none, count, zero, zero, log_probs, memory)]
    tokens: list[tuple[int, ...]] = []
    found: list[tuple[np.ndarray, ...]] = []
    while stack:
        at = stack.pop()
        step_q = combine(at.next_log_probs)
        drawn = _multinomial(rng, at.count, step_q)
        parents, chosen = np.nonzero(drawn)
        root = at.root[parents]
        prefix = np.concatenate([at.prefix[parents], chosen[:, None]], axis=1)
        count = drawn[parents, chosen]
        log_p = at.log_p[parents] + at.next_log_probs[0][parents, chosen]
        log_q = at.log_q[parents] + step_q[parents, chosen]
        ended = np.isin(chosen, stop_ids) | (prefix.shape[1] == longest)
        tokens.extend(map(tuple, prefix[ended].tolist()))
        found.append((root[ended], count[ended], log_p[ended], log_q[ended]))
        going = np.flatnonzero(~ended)
        for start in range(0, len(going), rows_at_once):
            part = going[start : start + rows_at_once]
            log_probs, memory = source.advance(at.memory, parents[part], chosen[part])
            densities = log_p[part], log_q[part]
            stack.append(
                _Frontier(root[part], prefix[part], count[part], *densities, log_probs, memory)
            )
    return Leaves(tokens, *(np.concatenate(column) for column in zip(*found, strict=True)))


def estimate(
    leaves: Leaves, harmful: np.ndarray, draws: int, roots: int
) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard errors, each (roots,), of w * h, w = p / q; with q = p it is Monte Carlo.

    ``harmful``: (n,) bool, one for each distinct sequence.
    """
    value = np.exp(leaves.log_p - leaves.log_q) * harmful
    mean = np.bincount(leaves.root, leaves.count * value, roots) / draws
    variance = np.bincount(leaves.root, leaves.count * value**2, roots) / draws - mean**2
    return mean, np.sqrt(np.maximum(variance, 0.0) / draws)
