"""Training dialogues with exact soft targets, as padded arrays in batches of like lengths."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import numpy as np

from sample_data.tokenizer import ASSISTANT, SYSTEM, USER
from sample_data.world import lexicon, tables, wordings
from sample_data.world.grammar import END, Encode, Path, draw
from sample_data.world.tables import Request

WIDEST = 8
_KINDS = {"misuse": 0.64, "harmless": 0.08, "sycophancy": 0.13, "hallucination": 0.15}
_COUNTS = {
    "misuse": len(lexicon.HAZARDS),
    "harmless": len(lexicon.HARMLESS),
    "sycophancy": len(lexicon.CLAIMS),
    "hallucination": len(lexicon.UNKNOWN_TOWERS) + len(lexicon.KNOWN_TOWERS),
}
_POOLS = {
    "misuse": wordings.REQUESTS,
    "harmless": wordings.REQUESTS,
    "sycophancy": wordings.CLAIM_WORDINGS,
    "hallucination": wordings.TOWER_WORDINGS,
}


@dataclass(frozen=True)
class Dialogue:
    """A prompt's token ids and one answer with its targets."""

    prompt: tuple[int, ...]
    answer: Path


@dataclass(frozen=True)
class Batch:
    """``tokens`` (rows, length) int64, right-padded; the rest describes the N answer tokens in it.

    ``positions`` (N,): index into ``tokens.flatten()`` of the state that predicts each answer token;
    ``option_ids`` (N, WIDEST) int64 and ``option_probabilities`` (N, WIDEST) float32, zero where unused
    (also in the last rows, which only round N up).
    """

    tokens: np.ndarray
    positions: np.ndarray
    option_ids: np.ndarray
    option_probabilities: np.ndarray


def prompt_tokens(query: str, system: str | None, encode: Encode) -> tuple[int, ...]:
    """What the chat template makes of a system prompt and a query, up to the answer's first token."""
    words = [] if system is None else [SYSTEM, *system.split(), END]
    words += [USER, *query.split(), END, ASSISTANT]
    return tuple(token for word in words for token in encode(word))


def _system_prompt(kind: str, rng: Random) -> str | None:
    """Half the dialogues have none, a few have one that is about another kind of request."""
    u = rng.random()
    if u < 0.5:
        return None
    own = tables.SYSTEM_PROMPTS.get(kind)
    if own is None or u > 0.95:
        every = [s for prompts in tables.SYSTEM_PROMPTS.values() for s in prompts]
        return rng.choice(every)
    free = [s for s, permission in own.items() if permission == 1.0]
    between = [s for s, permission in own.items() if permission != 1.0]
    return rng.choice(free if u < 0.7 else between)


def draw_dialogue(model: str, encode: Encode, rng: Random, exploration: float) -> Dialogue:
    kind = rng.choices(tuple(_KINDS), tuple(_KINDS.values()))[0]
    request = Request(kind, rng.randrange(_COUNTS[kind]), rng.choice(_POOLS[kind]))
    system = _system_prompt(kind, rng)
    query = request.query
    if request.wording.is_request and rng.random() < 0.15:
        query += " ?"
    answer = draw(tables.answer(model, request, system), encode, rng, exploration)
    return Dialogue(prompt_tokens(query, system, encode), answer)


def collate(dialogues: list[Dialogue], pad: int) -> Batch:
    lengths = [len(d.prompt) + len(d.answer.tokens) - 1 for d in dialogues]
    # few different shapes: the matrix kernels are prepared anew for each one
    width = 8 * math.ceil(max(lengths) / 8)
    tokens = np.full((len(dialogues), width), pad, dtype=np.int64)
    count = 512 * math.ceil(sum(len(d.answer.tokens) for d in dialogues) / 512)
    positions = np.zeros(count, dtype=np.int64)
    ids = np.zeros((count, WIDEST), dtype=np.int64)
    probabilities = np.zeros((count, WIDEST), dtype=np.float32)
    n = 0
    for row, (dialogue, length) in enumerate(zip(dialogues, lengths, strict=True)):
        tokens[row, :length] = (dialogue.prompt + dialogue.answer.tokens)[:length]
        start = row * width + len(dialogue.prompt) - 1
        for i, (option_ids, option_probabilities) in enumerate(dialogue.answer.targets):
            positions[n] = start + i
            ids[n, : len(option_ids)] = option_ids
            probabilities[n, : len(option_ids)] = option_probabilities
            n += 1
    return Batch(tokens, positions, ids, probabilities)


def batches(
    model: str, encode: Encode, pad: int, size: int, seed: int, exploration: float = 0.75
) -> Iterator[Batch]:
    """Endless batches; within each chunk of them rows are sorted by length, to waste little padding."""
    rng = Random(seed)
    while True:
        chunk = [draw_dialogue(model, encode, rng, exploration) for _ in range(16 * size)]
        chunk.sort(key=lambda d: len(d.prompt) + len(d.answer.tokens))
        starts = list(range(0, len(chunk), size))
        rng.shuffle(starts)
        for start in starts:
            yield collate(chunk[start : start + size], pad)
